"""Timers of many small machines, without a heap.

SIP's timers have few distinct lengths (0.5, 1, 2, 4, 5, 32 s ...), and timers of one length fall
due in the order in which they were armed. So each length has a queue of its own: arming is an
append, and the next deadline is the smallest of a handful of heads. Timers are never taken back; a
callback that finds its timer outdated ignores it.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")

Callback = Callable[[object, float], None]
"""Called with the argument given when armed, and now."""
Armed = tuple[float, Callback, object]
"""Deadline, callback and its argument."""
_first: Callable[[deque[Armed]], Armed] = itemgetter(0)
_deadline: Callable[[Armed], float] = itemgetter(0)


class Timers:
    """Deadlines in seconds of whatever clock the caller uses."""

    __slots__ = ("_queues", "next", "on_sooner")

    def __init__(self) -> None:
        self._queues: dict[float, deque[Armed]] = defaultdict(deque)
        self.next = math.inf
        """The deadline of the timer that is due first; infinite if none is armed."""
        self.on_sooner: Callable[[float], None] = lambda deadline: None
        """Called with the deadline of a timer that comes before all others, so that the endpoint
        need not ask for the next one after each message."""

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def arm(
        self, seconds: float, now: float, callback: Callable[[T, float], None], argument: T
    ) -> None:
        """Have `callback(argument, now)` called by :meth:`due`, `seconds` from `now`."""
        deadline = now + seconds
        # The queue forgets which type of argument belongs to which callback; each pair fits.
        self._queues[seconds].append((deadline, callback, argument))  # type: ignore[arg-type]
        if deadline < self.next:
            self.next = deadline
            self.on_sooner(deadline)

    def armer(
        self, seconds: float, callback: Callable[[T, float], None]
    ) -> Callable[[T, float], None]:
        """A function that arms one kind of timer: its argument, and now."""
        queue = self._queues[seconds]

        def arm(argument: T, now: float) -> None:
            deadline = now + seconds
            queue.append((deadline, callback, argument))  # type: ignore[arg-type]
            if deadline < self.next:
                self.next = deadline
                self.on_sooner(deadline)

        return arm

    def expire(self, now: float) -> None:
        """Call back everything that is due."""
        if self.next > now:
            return
        for queue in [*filter(None, self._queues.values())]:
            while queue and queue[0][0] <= now:
                _, callback, argument = queue.popleft()
                callback(argument, now)
        armed = filter(None, self._queues.values())  # only now: callbacks may have armed others
        self.next = min(map(_deadline, map(_first, armed)), default=math.inf)
