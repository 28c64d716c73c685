"""Operations on live conferences for those who own them: the members, muting, sending away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.conference.hall import Member
from softswitch.control.errors import OperationError
from softswitch.control.values import Row

if TYPE_CHECKING:
    from softswitch.process.live import Live


def conference_members(live: Live) -> list[Row]:
    """The members of the actor's conferences. A member who withholds the number isn't named."""
    most = live.switch.hall.settings.max_members
    return [
        _row(member) | {"place": place, "places": most}
        for conference in live.switch.hall.conferences
        if live.context.owns_line(conference.line)
        for place, member in enumerate(conference.members, 1)
    ]


def conference_mute(live: Live, call: str, muted: bool = True) -> Row:
    """Take a member's voice out of the conference, or put it back."""
    member = _member(live, call)
    live.switch.hall.mute(member, muted)
    return _row(member)


def conference_remove(live: Live, call: str) -> Row:
    """Send a member away: the call ends."""
    member = _member(live, call)
    row = _row(member)
    live.switch.hang_up(member.legs.id)
    return row


def _member(live: Live, call: str) -> Member:
    """A member of one of the actor's conferences, by the id of its call. Raises OperationError."""
    for conference in live.switch.hall.conferences:
        for member in conference.members:
            if member.legs.id == call and live.context.owns_line(conference.line):
                return member
    raise OperationError("call_not_found", call=call)


def _row(member: Member) -> Row:
    conference, identity = member.conference, member.legs.identity(member.side)
    return {
        "line": conference.line.number,
        "room": conference.key[1] if conference.key[0] == "room" else None,
        "member": identity.presented,
        "owns": member.owner,
        "muted": member.muted,
        "call": member.legs.id,
    }
