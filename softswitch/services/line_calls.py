"""A line's parts in calls, as watchers of the line may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from softswitch.call.call import Call
from softswitch.call.media.media import Side, other
from softswitch.conference.hall import Conference
from softswitch.services.conference_info import Participant
from softswitch.services.dialog_info import LineDialog
from softswitch.subscribers.directory import Line

_SIDES: tuple[tuple[Side, Literal["initiator", "recipient"]], ...] = (
    ("a", "initiator"),
    ("b", "recipient"),
)


def dialogs_in(call: Call, line: Line, domain: str, with_remote: bool) -> Iterator[LineDialog]:
    """The line's dialogs in one call: as caller, as called line, or as both."""
    for side, direction in _SIDES:
        if any(held_by.id == line.id for held_by in _held_by(call, side)):
            number = call.identity(other(side)).presented if with_remote else None
            remote = None if number is None else f"sip:{number}@{domain}"
            state = _state(call)
            ringing = None
            if with_remote and side == "b" and state == "early" and call.ringing is not None:
                ringing = call.ringing.dialog
            yield LineDialog(f"{call.id}-{side}", direction, state, remote, ringing)
    if call.answered and any(rung.id == line.id for rung in call.rung):
        yield _transferred_to(call, domain, with_remote)


def participants_in(conference: Conference, domain: str) -> list[Participant]:
    """The members of a conference, as its owner sees them."""
    found = []
    for member in conference.members:
        number = member.legs.identity(member.side).presented
        uri = None if number is None else f"sip:{number}@{domain}"
        found.append(Participant(member.legs.id, uri, member.muted))
    return found


def _transferred_to(call: Call, domain: str, with_remote: bool) -> LineDialog:
    """The dialog of a line that rings as a transfer target."""
    transfer = call.transfer if with_remote else None
    number = None if transfer is None else transfer.person.presented
    remote = None if number is None else f"sip:{number}@{domain}"
    dialog = None if transfer is None else transfer.dialog
    return LineDialog(f"{call.id}-t", "recipient", "early", remote, dialog)


def _held_by(call: Call, side: Side) -> list[Line]:
    """The lines whose phones are on a side, or ring for it."""
    line = call.line_of(side)
    if line is not None:
        return [line]
    return call.rung if side == "b" and not call.answered else []


def _state(call: Call) -> Literal["trying", "early", "confirmed"]:
    if call.state == "talking":
        return "confirmed"
    return "early" if call.record.ringing_at is not None else "trying"
