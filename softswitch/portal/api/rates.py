"""The rate of requests of each token."""

from __future__ import annotations

from softswitch.control.errors import OperationError

PER_SECOND = 20
BURST = 100
MAX_BUCKETS = 10_000


class Rates:
    """A token bucket for each token of the API: so many requests a second, and some at once."""

    def __init__(self, per_second: float = PER_SECOND, burst: int = BURST) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[int, tuple[float, int]] = {}

    def take(self, token: int, now_ms: int) -> dict[str, str]:
        """Count a request; returns the headers that tell the program where it stands.

        Raises:
            OperationError: there were too many.
        """
        level, at = self._buckets.get(token, (float(self._burst), now_ms))
        level = min(self._burst, level + (now_ms - at) / 1000 * self._per_second)
        if level < 1:
            raise OperationError("requests_too_many", seconds=1)
        if len(self._buckets) >= MAX_BUCKETS and token not in self._buckets:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[token] = (level - 1, now_ms)
        return {
            "ratelimit-limit": str(self._burst),
            "ratelimit-remaining": str(int(level - 1)),
            "ratelimit-reset": str(int((self._burst - level + 1) / self._per_second) + 1),
        }
