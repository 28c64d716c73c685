"""Requests for call completion, and the action when the callee returns.

Pure: the time is an argument. Both windows begin with the attempt that failed; for an offer by
text, with its acceptance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from softswitch.config.completion import CompletionSection
from softswitch.subscribers.directory import Line

State = Literal["declined", "accepted", "to_offer", "offered"]
"""The announced offer was declined (or not answered yet), or accepted; an offer by text is still to
be sent, or was sent."""
Reason = Literal["busy", "unreachable"]
Action = Literal["connect", "ring", "tell", "offer", "wait", "forget"]

MAX_OF_A_CALLER = 20
"""The limit of requests of one line."""
MAX_FOR_A_CALLEE = 1_000
"""The limit of requests for one line: more is an attack, or a radio station."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The time windows of the actions, by the rules D3 to D7, and of the request itself.

    Args:
        connect_ms: an accepted offer leads to a connection within this time.
        ring_ms: a declined one leads to a short ring within this time; later to a text.
        keep_ms: a request is removed after this.
    """

    connect_ms: int = 7_200_000
    ring_ms: int = 1_800_000
    keep_ms: int = 7 * 86_400_000

    @classmethod
    def of(cls, settings: CompletionSection) -> Windows:
        """The windows that the configuration sets."""
        return cls(
            settings.connect_minutes * 60_000,
            settings.ring_minutes * 60_000,
            settings.keep_days * 86_400_000,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request for call completion: a caller waits for a callee.

    Args:
        caller_id, callee_id: of lines.
        number: the called number, E.164.
        shown: True if the caller's number is shown.
        asked_at: the time of the attempt; epoch milliseconds.
        since: the beginning of its window.
    """

    id: str
    caller_id: int
    callee_id: int
    number: str
    shown: bool
    reason: Reason
    state: State
    asked_at: int
    since: int

    def action(self, now: int, windows: Windows) -> Action:
        """The action when the callee returns at `now`."""
        age = now - self.since
        if now - self.asked_at > windows.keep_ms:
            return "forget"
        match self.state:
            case "accepted":
                return "connect" if age <= windows.connect_ms else "tell"
            case "declined":
                return "ring" if age < windows.ring_ms else "tell"
            case "to_offer":
                return "offer"
            case "offered":
                return "wait" if age <= windows.connect_ms else "forget"


def why_not(caller: Line, callee: Line, reason: Reason, *, by_text: bool = False) -> str | None:
    """The reason for which a call isn't completed (D9); None if it may be. Checked when it is
    offered, and again before it is connected.

    Args:
        by_text: the callee's mailbox or forwarding took the call, so its forwarding is no reason.
    """
    if caller.id == callee.id:
        return "a line doesn't wait for itself"
    for line, whose in ((caller, "caller's"), (callee, "callee's")):
        if not line.services.is_on("call_completion"):
            return f"call_completion is off for the {whose} line"
        forwards = line.services.forward("busy") or line.services.forward("unreachable")
        if forwards and not (by_text and line is callee):
            return f"forwarding on busy or unreachable is set for the {whose} line"
    if caller.number in callee.services["call_filter"].numbers and callee.services.is_on(
        "call_filter"
    ):
        return "the caller is on the callee's call filter"
    if not caller_is_welcome(caller, callee):
        return "the callee takes no anonymous calls"
    if callee.services.is_on("do_not_disturb"):
        return "the callee isn't to be disturbed"
    if reason == "busy" and callee.services.chosen("call_waiting") is not None:
        return "the callee has call waiting"
    return None


def caller_is_welcome(caller: Line, callee: Line) -> bool:
    """True if the callee takes calls from a caller with this presentation of the number."""
    anonymous = caller.services.is_on("withhold_number")
    return not (anonymous and callee.services.is_on("reject_anonymous"))
