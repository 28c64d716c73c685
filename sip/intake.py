"""The queue of messages that wait to be read under overload.

As long as the switch keeps up, the queue is empty. When more arrives than it can serve, it must
spend its time on requests whose senders still wait (RFC 6357 section 4, RFC 5390):

* Messages are sorted by :mod:`sip.precedence`: transactions under way come before new ones.
* A copy of a queued message is dropped unread: a retransmission is the same octets
  (RFC 3261 section 17.1).
* While messages of a class are late, its newest is served first: it can still be answered before
  its sender retransmits it, which the oldest can't.
* A message that has waited for longer than `patience_seconds` (less than timer A's and E's first
  interval) is rejected with 503. Once a message has waited for half of that, its class has a
  limited number of places, and what finds none is rejected as it arrives (:mod:`sip.shedding`).
  Rejections may take a part of the time only, as long as anything waits; messages beyond that are
  dropped unread, and their retransmissions are queued behind all others. So a sender learns soon
  that it must try elsewhere, or at least delays no other message.

Pure: `now` is monotonic, in seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sip.flow import Flow
from sip.precedence import Glance, Precedence
from sip.shedding import Shedding
from sip.transaction import T2

MAX_WAITING = 20_000
MAX_WAITING_BYTES = 32 << 20
FAIR_SHARE = 8
"""One message in this many is from the class that has waited longest, so that a flood of one class
can't starve another."""
REFUSALS_PER_SECOND = 10_000.0
"""At some fifteen microseconds each they take a sixth of the time. More would leave fewer requests
served; of fewer more would be dropped, and come again up to ten times. Whenever nothing waits there
is time for more."""
MAX_REFUSALS_PER_MESSAGE = 5.0
"""Rejections for each message that is served: on a slow machine, too, they must leave it the larger
part of the time. Time that other processes took must not count as ours."""
CREDIT_SECONDS = 0.005
"""The least time between two credits for rejections: calls go on between the messages."""
READS_PER_SERVED = 8
LEAST_READS = 64
REFUSAL_SECONDS = 0.1
"""The time that an overdue message waits for its 503: with the patience it makes T1, when it is
retransmitted."""
MAX_REFUSAL_CREDIT = 500.0
LATE_SHARE = 0.25
"""A share of the patience; a class whose oldest message has waited longer is late."""
SHED_SHARE = 0.5
"""A share of the patience; a class whose oldest message has waited longer has no places for all."""
MARKS = 1 << 23
"""Octets of a Bloom filter of what was dropped unread, two for each message: of a quarter of a
million, one new message in 300 is taken for a repeated one, and served after the others."""
MARK_SECONDS = 16.0
"""A mark counts for one to two times as long: senders give up after 32 s (timers B and F)."""

_SHEDDABLE = (Precedence.CALL, Precedence.OTHER)
_REFUSABLE = (Precedence.REPEATED, Precedence.OTHER, Precedence.CALL, Precedence.BEGUN)


@dataclass(slots=True, eq=False)
class Waiting:
    """A queued message."""

    data: bytes
    flow: Flow
    since: float
    precedence: Precedence
    refused: bool = False
    """True if it has waited too long and must be answered 503."""


class Intake:
    """The queue.

    Args:
        glance: sorts the messages.
        patience_seconds: how long a new request may wait to be served.
        limit: messages at once.
    """

    def __init__(
        self, glance: Glance, patience_seconds: float = 0.4, limit: int = MAX_WAITING
    ) -> None:
        self._glance = glance
        self._patience = patience_seconds
        self._hopeless = patience_seconds + REFUSAL_SECONDS
        self._limit = limit
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in Precedence)
        self._copies: dict[bytes, Flow] = {}
        self._marks = bytearray()  # eight megabytes from the first dropped message on
        self._marking = 1
        self._mark_until = 0.0
        self._shedding: dict[Precedence, Shedding] = {}
        """The classes of which more comes than can be served."""
        self.size = 0
        """The number of messages that wait; an attribute, since every datagram asks."""
        self._octets = 0
        self._served = 0
        self._served_before = 0
        self._served_of = [0] * len(Precedence)
        self._refusals = MAX_REFUSAL_CREDIT
        self._credited = 0
        """The number of messages served until the last credit."""
        self._credited_at = 0.0
        self.dropped = 0
        """Messages that were dropped unread for want of time or room."""
        self.repeated = 0
        """Copies of messages that were waiting."""

    def __len__(self) -> int:
        return self.size

    @property
    def congested(self) -> bool:
        """True if reliable connections should stop reading: half of the places are taken."""
        return self.size * 2 > self._limit or self._octets * 2 > MAX_WAITING_BYTES

    def begin_turn(self, now: float) -> int | None:
        """Note that sockets are about to be read again. Returns the most messages to read while
        messages are late, in proportion to those served since; None while they aren't late."""
        served, self._served_before = self._served - self._served_before, self._served
        is_late = self.size > 0 and any(
            queue and self._is_late(queue, now) for queue in self._queues[:-1]
        )
        return max(LEAST_READS, READS_PER_SERVED * served) if is_late else None

    def _is_late(self, queue: deque[Waiting], now: float) -> bool:
        return now - queue[0].since > LATE_SHARE * self._patience

    def precedence(self, data: bytes, source: str) -> Precedence:
        """The class of a message that came from the host `source`."""
        if self._is_repeated(data):
            return Precedence.REPEATED
        return self._glance.precedence(data, source)

    def _is_repeated(self, data: bytes) -> bool:
        seal = hash(data)
        return self._is_marked(seal) and self._is_marked(seal >> 32)

    def _is_marked(self, seal: int) -> bool:
        mark = self._marks[seal % MARKS] if self._marks else 0
        return mark != 0 and self._marking - mark in (0, 1, -254)

    def put(self, data: bytes, flow: Flow, now: float, source: str = "") -> bool:
        """Queue a message of the host `source`; False if it must be rejected at once instead.

        Without room the oldest of the least important messages is dropped.
        """
        if self._copies.get(data) == flow:
            self.repeated += 1
            return True
        precedence = self.precedence(data, source)
        if self._shedding and not self._has_place(precedence, now):
            if self._refusals >= 1.0:
                self._refusals -= 1.0
                return False
            if not flow.reliable:  # whose sender won't repeat it
                self._forget_unread(data, precedence, now)
                return True
        while self.size >= self._limit or self._octets + len(data) > MAX_WAITING_BYTES:
            least = next(queue for queue in reversed(self._queues) if queue)
            if least[0].precedence < precedence:
                self._forget_unread(data, precedence, now)
                return True
            self._drop(least, now)
        self._copies[data] = flow
        self._queues[precedence].append(Waiting(data, flow, now, precedence))
        self.size += 1
        self._octets += len(data)
        return True

    def _has_place(self, precedence: Precedence, now: float) -> bool:
        """True for a message that may wait, though more comes than can be served."""
        if precedence is Precedence.REPEATED:
            return False  # its class had no time for it before
        shedding = self._shedding.get(precedence)
        return shedding is None or shedding.has_place(len(self._queues[precedence]), now)

    def take(self, now: float) -> Waiting | None:
        """The next message to serve or, if it is marked so, to reject; None if the queue is
        empty."""
        if now - self._credited_at >= CREDIT_SECONDS:
            self._credit(now)
            if self._shedding or self.size:
                self._review(now)
        if not self.size:
            self._refusals = MAX_REFUSAL_CREDIT
            return None  # as nearly always
        refused = self._overdue(now)
        if refused is not None:
            return refused
        queue = self._next_queue()
        if queue is None:
            return None
        self._served += 1
        if self._served % FAIR_SHARE == 0:
            # Never of REPEATED: its messages were dropped once already.
            queue = min(filter(None, self._queues[:-1]), key=_oldest, default=queue)
        precedence = queue[0].precedence
        self._served_of[precedence] += 1
        newest_first = precedence > Precedence.EMERGENCY and self._is_late(queue, now)
        return self._remove(queue.pop() if newest_first else queue.popleft())

    def _credit(self, now: float) -> None:
        """Allow rejections for the messages that were served since the last time."""
        served, elapsed = self._served - self._credited, now - self._credited_at
        earned = min(elapsed * REFUSALS_PER_SECOND, served * MAX_REFUSALS_PER_MESSAGE)
        self._refusals = min(MAX_REFUSAL_CREDIT, self._refusals + earned)
        self._credited, self._credited_at = self._served, now

    def _review(self, now: float) -> None:
        """Measure what is served of the classes that are shed, begin with those that are late, and
        end with what is over."""
        for precedence in _SHEDDABLE:
            queue, served = self._queues[precedence], self._served_of[precedence]
            shedding = self._shedding.get(precedence)
            if shedding is None:
                if queue and now - queue[0].since > SHED_SHARE * self._patience:
                    self._shedding[precedence] = Shedding(len(queue), served, now)
            elif shedding.is_over(now):
                del self._shedding[precedence]
            else:
                shedding.measure(served, not queue, now)

    def _next_queue(self) -> deque[Waiting] | None:
        for queue in self._queues:
            if queue:
                return queue
        return None

    def _overdue(self, now: float) -> Waiting | None:
        """The next message to reject; those beyond the limit of rejections are dropped."""
        dialog = self._queues[Precedence.DIALOG]
        while dialog and now - dialog[0].since > T2 and not dialog[0].flow.reliable:
            self._drop(dialog, now)  # its sender has retransmitted it four times
        for precedence in _REFUSABLE:
            queue = self._queues[precedence]
            while queue and now - queue[0].since > self._patience:
                if self._refusals >= 1.0:
                    self._refusals -= 1.0
                elif queue[0].flow.reliable or now - queue[0].since <= self._hopeless:
                    break
                else:
                    self._drop(queue, now)
                    continue
                waiting = self._remove(queue.popleft())
                waiting.refused = True
                return waiting
        return None

    def _remove(self, waiting: Waiting) -> Waiting:
        self.size -= 1
        self._octets -= len(waiting.data)
        self._copies.pop(waiting.data, None)
        return waiting

    def _drop(self, queue: deque[Waiting], now: float) -> None:
        waiting = self._remove(queue.popleft())
        self._forget_unread(waiting.data, waiting.precedence, now)

    def _forget_unread(self, data: bytes, precedence: Precedence, now: float) -> None:
        """Drop a message, and mark it so that its retransmission is recognised."""
        self.dropped += 1
        if precedence <= Precedence.EMERGENCY:
            return
        if now >= self._mark_until:
            self._marking = self._marking % 255 + 1
            self._mark_until = now + MARK_SECONDS
        if not self._marks:
            self._marks = bytearray(MARKS)
        seal = hash(data)
        self._marks[seal % MARKS] = self._marks[(seal >> 32) % MARKS] = self._marking


def _oldest(queue: deque[Waiting]) -> float:
    return queue[0].since
