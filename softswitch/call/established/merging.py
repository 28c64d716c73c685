"""Calls of one line that become a conference (A7, RFC 4353, RFC 4579).

The owner's phone has a call to the focus, and for each other person one more call, which it hands
over: by REFER to the focus, or by an INVITE to the focus with Join (RFC 3911) or Replaces. The
owner's leg of that call ends; the call itself goes on with the other person, in the conference, and
is paid as before (A6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing.stores.store import StoreError
from ivr_prompts.phrase import Part
from rtp.session import MediaError
from sip.flow import Flow
from sip.session import Session
from softswitch.admission.authentication import LineCaller
from softswitch.admission.routing import ToLine, ToService
from softswitch.call.media.media import Side, other
from softswitch.call.media.worker_move import move_to_worker_of
from softswitch.conference.hall import Full, Key, Member
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.admission.credit import PricedRoute
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line

FOCUS = "focus"
"""The service whose code is the focus's user part."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """An INVITE to the focus names one of its line's legs: the other person is to come along."""

    session: Session


def key_of(line: Line) -> Key:
    """A line has one conference of its own calls."""
    return "line", line.number


async def check_parallel(call: Call, priced: PricedRoute) -> None:
    """Hold a line's parallel outgoing calls against its conference service.

    Raises:
        Refusal: it has none and this would be the second (A7, where the configuration wants it so),
            or it would be the fifth (A8).
        StoreError: the database is out of order.
    """
    line, route = call.line_of("a"), priced.presented.route
    if line is None or isinstance(route, ToService):
        return
    if not isinstance(route, ToLine) and route.emergency:
        return
    others = [one for one in call.context.calls_of(line) if one is not call and _makes(one, line)]
    hall = call.context.hall
    if not others:
        return
    if hall.settings.parallel_calls == "service" and not await hall.may_hold(line):
        raise Refusal(403, "conference_needed", ended_by="operator", says=("conf-service-needed",))
    limited = hall.settings.service != "free" and hall.has_service(line)
    if limited and len(others) >= hall.settings.max_outgoing:
        raise Refusal(
            480,
            "parallel_calls_too_many",
            cause=42,
            ended_by="operator",
            says=("refused-too-many-calls",),
        )


def _makes(call: Call, line: Line) -> bool:
    """Whether a call is an outgoing one of the line's."""
    caller = call.caller
    mine = isinstance(caller, LineCaller) and caller.line.id == line.id
    return mine and not call.over and call.record.direction != "service"


async def referred(call: Call, session: Session, flow: Flow) -> None:
    """A REFER to the focus came: the other person goes there, and who sent it leaves."""
    session.accept_refer(flow, call.now())
    call.context.drain()
    status = await _merge(call, call.side_of(session))
    if session.referral is not None:
        session.referral.tell(status, call.now())
    if status == 200:
        session.bye(call.now())


async def handed_over(call: Call, letter: HandOver) -> None:
    """The same, as an INVITE to the focus wants it."""
    if letter.session in call.parties and await _merge(call, call.side_of(letter.session)) == 200:
        letter.session.bye(call.now())


async def _merge(call: Call, side: Side) -> int:
    """Let the other side of a call into the conference of this side's line; a status."""
    hall, line = call.context.hall, call.line_of(side)
    if line is None:
        return 403
    if call.renegotiation.busy:
        return 491
    try:
        if not await hall.may_hold(line):
            _say(call, side, "conf-service-needed")
            return 403
        member = hall.join(key_of(line), line, call, other(side), owner=False)
    except Full:
        _say(call, side, "conf-full")
        return 486
    except StoreError as error:
        call.context.log.error("a call can't be merged", call=call.id, why=repr(error))
        return 503
    try:
        await move_to_worker_of(call, member.side, member.conference.home)
    except MediaError as error:
        hall.leave(member)
        call.context.log.error("a call can't be merged", call=call.id, why=str(error))
        return 503
    call.service_leg.enter_conference(member)
    return 200


def _say(call: Call, side: Side, *phrase: Part) -> None:
    """Tell the owner's phone why not, into the call that goes on."""
    line = call.line_of(side)
    language = None if line is None else line.language
    said = call.context.announcer.announce(language, phrase)
    call.context.announcer.note(call.id, side, said)
    call.sound.play(side, said.items)


async def attend(member: Member) -> None:
    """Be in the conference until it is over; its call ends then, too."""
    hall = member.call.context.hall
    try:
        member.listen()
        await member.over.wait()
    finally:
        hall.leave(member)
