"""The number of new requests of one class that may wait while more come than can be served.

A request that is left to wait for too long costs more than its rejection: it is read, queued and
repeated by its sender up to six times. So, once a class is late, only so many wait as are served in
`WAIT_SECONDS`, and all others are rejected as they arrive (RFC 6357 section 5.2: what
an overloaded server does with requests it can't serve must be cheap and soon).

Pure: `now` is monotonic, in seconds.
"""

from __future__ import annotations

WAIT_SECONDS = 0.1
"""What is served in this time may wait (Little's law); much less than timer A's first interval."""
LEAST_PLACES = 10
MEASURE_SECONDS = 0.2
CALM_SECONDS = 1.0
"""Shedding ends when nothing was rejected for so long."""
GROWTH = 1.25
"""The factor of the places when none was taken: there was time for more."""


class Shedding:
    """The places of a class.

    Args:
        waiting: how many requests of the class wait: no more shall, until it is known how many are
            served.
        served: how many were served until now.
    """

    def __init__(self, waiting: int, served: int, now: float) -> None:
        self._served = served
        self._since = now
        self._has_run_dry = False
        self._until = now + CALM_SECONDS
        self.places = max(LEAST_PLACES, waiting)

    def has_place(self, waiting: int, now: float) -> bool:
        """True if one more may wait beside so many."""
        if waiting < self.places:
            return True
        self._until = now + CALM_SECONDS
        return False

    def is_over(self, now: float) -> bool:
        """True if as many are served as come."""
        return now >= self._until

    def measure(self, served: int, is_dry: bool, now: float) -> None:
        """Fit the places to the rate at which the class is served.

        Args:
            served: how many requests of the class were served until now.
            is_dry: true if none waits.
        """
        self._has_run_dry |= is_dry
        elapsed = now - self._since
        if elapsed < MEASURE_SECONDS:
            return
        fitting = int((served - self._served) / elapsed * WAIT_SECONDS)
        if self._has_run_dry:
            fitting = max(fitting, int(self.places * GROWTH) + 1)
        self.places = max(LEAST_PLACES, fitting)
        self._served, self._since, self._has_run_dry = served, now, False
