"""Port pairs for media: RTP on the even port, RTCP on the odd one above (RFC 3550 section 11)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OCCUPIED_REST_SECONDS = 60.0
"""A pair that another program holds is tried again after so long."""


class PortsExhausted(Exception):
    """Every pair is in use or rests; the text names the range."""


def pairs(first: int, last: int) -> range:
    """The even ports of a range, both ends included, whose odd ones above are in it, too."""
    return range(first + first % 2, last, 2)


class PortPool:
    """Hands out pairs, and lets a used one rest so that late packets of its last call die down.

    The order is shuffled once, then first in, first out: hard to guess, and as long as can be
    between two uses of a port.

    Args:
        first, last: ports, both included.
        shuffle: shuffles a list in place.
        quarantine_seconds: how long a pair rests after use.

    Raises:
        ValueError: there is no pair in the range.
    """

    __slots__ = ("_first", "_free", "_last", "_quarantine_seconds", "_resting", "in_use")

    def __init__(
        self,
        first: int,
        last: int,
        shuffle: Callable[[list[int]], None],
        quarantine_seconds: float,
    ) -> None:
        order = list(pairs(first, last))
        if not order:
            raise ValueError(f"there is no pair of an even and an odd port in {first}-{last}")
        shuffle(order)
        self._first, self._last = first, last
        self._quarantine_seconds = quarantine_seconds
        self._free = deque(order)
        self._resting: deque[tuple[float, int]] = deque()
        self.in_use = 0

    def take(self, now: float) -> int:
        """An even port; the odd one above belongs to it.

        Raises:
            PortsExhausted: none is free.
        """
        self._wake(now)
        if not self._free:
            raise PortsExhausted(
                f"no free media port in {self._first}-{self._last}: {self.in_use} pairs are in"
                f" use, {len(self._resting)} rest after use; widen the range"
            )
        self.in_use += 1
        return self._free.popleft()

    def give_back(self, port: int, now: float, *, rests: bool = True) -> None:
        """Take a used pair back. It rests first, unless nobody has sent a packet to it: then there
        is none to come late, and short calls without sound don't use up the range."""
        self.in_use -= 1
        if rests:
            self._rest(port, now + self._quarantine_seconds)
        else:
            self._free.append(port)

    def occupied(self, port: int, now: float) -> None:
        """A pair just taken turned out to be held by another program."""
        self.in_use -= 1
        self._rest(port, now + OCCUPIED_REST_SECONDS)

    @property
    def resting(self) -> int:
        """Pairs that were used, and wait."""
        return len(self._resting)

    @property
    def free(self) -> int:
        """Pairs that the next sessions get, beside those whose rest is over."""
        return len(self._free)

    def _rest(self, port: int, until: float) -> None:
        """Keep the queue ordered; only occupied ports, which are rare, ever go in between."""
        resting = self._resting
        index = len(resting)
        while index and resting[index - 1][0] > until:
            index -= 1
        resting.insert(index, (until, port))

    def _wake(self, now: float) -> None:
        resting = self._resting
        while resting and resting[0][0] <= now:
            self._free.append(resting.popleft()[1])
