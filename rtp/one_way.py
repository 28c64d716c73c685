"""Notices when one side isn't heard though the other one is: the commonest fault of a telephone
network, of which people only say that it doesn't work.

A phone that sends nothing while its user is silent looks the same after a while. That is why it is
told and written down, and no call is ended for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from rtp.relay import SIDE_A, SIDE_B, Relay, RelaySide

UNHEARD_SECONDS = 3.75
"""Without a packet. With the time until a session's turn comes that is five seconds."""
TALKING_SECONDS = 1.0
"""The other side counts as talking if it sent something within this time."""
ROUND_SECONDS = 1.0
"""Every session has its turn once in so long ..."""
STEP_SECONDS = 0.25
MAX_AT_ONCE = 64
"""... in parts, which are smaller the more sessions there are, so that the check never delays
sound."""


def changed_sides(relay: Relay, now: float) -> Iterator[int]:
    """Indices of sides that have sound in one direction alone since the last look, or in both
    again; `RelaySide.one_way` says which."""
    for index in (SIDE_A, SIDE_B):
        side = relay.sides[index]
        one_way = side.negotiated and (
            _is_one_way(relay, side, relay.sides[1 - index], now) or _is_unsent(relay, side, now)
        )
        if one_way != side.one_way:
            side.one_way = one_way
            side.was_one_way = side.was_one_way or one_way
            yield index


def _is_one_way(relay: Relay, side: RelaySide, other: RelaySide, now: float) -> bool:
    since = relay.negotiated_at
    if since is None or side.on_hold:
        return False
    if side.stream.last_at is not None:
        since = max(since, side.stream.last_at)
    if now - since < UNHEARD_SECONDS:
        return False
    if side.spoken_to:
        return True
    heard_at = other.stream.last_at
    return not other.on_hold and heard_at is not None and now - heard_at <= TALKING_SECONDS


def _is_unsent(relay: Relay, side: RelaySide, now: float) -> bool:
    """True if the switch itself should speak to a side and sends nothing: there is no codec or no
    address for it."""
    since = relay.negotiated_at
    if since is None or not side.spoken_to or side.on_hold:
        return False
    return now - max(since, side.sent_at or since) >= UNHEARD_SECONDS


class Rounds:
    """The order in which sessions are checked."""

    __slots__ = ("_waiting", "due_at")

    def __init__(self) -> None:
        self.due_at: float | None = None
        """None while there are no sessions."""
        self._waiting: deque[int] = deque()

    def opened(self, now: float) -> None:
        """There is a session."""
        if self.due_at is None:
            self.due_at = now + STEP_SECONDS

    def turn(self, sessions: Mapping[int, object], now: float) -> list[int]:
        """The sessions to be checked now, some of which may have gone."""
        if self.due_at is None or now < self.due_at:
            return []
        if not sessions:
            self.due_at = None
            self._waiting.clear()
            return []
        step = min(STEP_SECONDS, ROUND_SECONDS * MAX_AT_ONCE / len(sessions))
        self.due_at = now + step
        if not self._waiting:
            self._waiting.extend(sessions)
        count = -(-len(sessions) * step // ROUND_SECONDS)
        return [self._waiting.popleft() for _ in range(min(int(count), len(self._waiting)))]
