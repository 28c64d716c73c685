"""Messages that wait to be read while the switch is busy, the important ones first.

As long as the switch keeps up nothing waits here. When more comes than it can do, what matters to
people who already talk goes before what only might become a call (RFC 6357, RFC 5390 requirement
15): a message is sorted by a glance at its octets, before it costs a parse.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from sip.flow import Flow

MAX_WAITING = 20_000
"""Some seconds of work. What waits longer than its sender's patience is sent again anyway."""
MAX_WAITING_BYTES = 32 << 20
FAIR_SHARE = 8
"""Each so-many-eth message is the oldest of all: nothing starves, whatever a flood pretends."""
GLANCE_BYTES = 2_048
"""Where To stands, if its sender wants to be recognised."""

_IN_DIALOG = frozenset({b"ACK", b"BYE", b"CANCEL", b"PRACK"})
_TO_TAG = re.compile(rb"\r\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)
_CREDENTIALS = re.compile(rb"\r\n(?:proxy-)?authorization[ \t]*:", re.IGNORECASE)


class Precedence(IntEnum):
    """The lower, the sooner."""

    DIALOG = 0
    """Responses, and requests of a dialog."""
    EMERGENCY = 1
    REFRESH = 2
    """A registration with credentials."""
    CALL = 3
    OTHER = 4
    """OPTIONS, a registration that must be challenged first, and all else."""


class Waiting(NamedTuple):
    """A message that waits."""

    data: bytes
    flow: Flow
    since: float
    precedence: Precedence


class Intake:
    """The queue.

    Args:
        emergency: numbers, as they are dialled, whose calls go first.
    """

    def __init__(self, emergency: Iterable[str] = (), limit: int = MAX_WAITING) -> None:
        numbers = b"|".join(re.escape(number.encode("ascii")) for number in emergency)
        self._emergency = re.compile(rb"INVITE (?:(?:sips?|tel):(?:%s)[@; ]|urn:service:sos)" % (
            numbers or b"(?!)"
        ))  # fmt: skip
        self._limit = limit
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in Precedence)
        self._size = 0
        self._octets = 0
        self._taken = 0
        self.dropped = 0
        """Messages that found no place."""

    def __len__(self) -> int:
        return self._size

    @property
    def congested(self) -> bool:
        """Whether whoever can wait should: half of the places are taken."""
        return self._size * 2 > self._limit or self._octets * 2 > MAX_WAITING_BYTES

    def precedence(self, data: bytes) -> Precedence:
        """By the first octets; a message that can't be read is as unimportant as any."""
        if data.startswith(b"SIP/2.0 "):
            return Precedence.DIALOG
        method = data[: data.find(b" ", 0, 16)]
        if method in _IN_DIALOG or _TO_TAG.search(data, 0, GLANCE_BYTES):
            return Precedence.DIALOG
        if method == b"INVITE":
            return Precedence.EMERGENCY if self._emergency.match(data) else Precedence.CALL
        if method == b"REGISTER" and _CREDENTIALS.search(data, 0, GLANCE_BYTES):
            return Precedence.REFRESH
        return Precedence.OTHER

    def put(self, data: bytes, flow: Flow, now: float) -> None:
        """Have a message wait; without a place, the newest of the least important is dropped."""
        precedence = self.precedence(data)
        while self._size >= self._limit or self._octets + len(data) > MAX_WAITING_BYTES:
            self.dropped += 1
            least = next(queue for queue in reversed(self._queues) if queue)
            if least[0].precedence <= precedence:
                return
            self._count(least.pop(), -1)
        waiting = Waiting(data, flow, now, precedence)
        self._queues[precedence].append(waiting)
        self._count(waiting, 1)

    def _count(self, waiting: Waiting, change: int) -> Waiting:
        self._size += change
        self._octets += change * len(waiting.data)
        return waiting

    def take(self) -> Waiting | None:
        """The next one; None if nothing waits."""
        waiting = [queue for queue in self._queues if queue]
        if not waiting:
            return None
        self._taken += 1
        chosen = waiting[0]
        if self._taken % FAIR_SHARE == 0:
            chosen = min(waiting, key=lambda queue: queue[0].since)
        return self._count(chosen.popleft(), -1)
