"""A call that was answered, until it ends: each letter, and each instant at which something is due,
may end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtp.control import Digit
from sip import events as sip_events
from sip.errors import ParseError, SipError
from softswitch.call import ending as endings
from softswitch.call.charging.meter import PaidTimeChanged
from softswitch.call.ending import Ending
from softswitch.call.established import merging
from softswitch.call.established.merging import HandOver
from softswitch.call.established.renegotiation import Asker
from softswitch.call.established.transfer import Connect, GiveLeg, Given
from softswitch.call.letters import BalanceChanged, HangUp, MediaLost, Silent
from softswitch.call.media.keys import INFO_TYPES, MAX_INFO_BYTES, key_in
from softswitch.call.media.media import other
from softswitch.call.media.srtp_handover import hand_over_keys
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.pick_up import PickUp

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.call.call import Call

_OF_EVERY_CALL = (PaidTimeChanged, BalanceChanged, Silent, MediaLost, HangUp)
"""Letters that mean the same whoever talks with the caller."""


async def talk(call: Call) -> Ending:
    """Let the two talk until one has enough, or the money, or something else ends it."""
    assert call.answered_at is not None
    cap = call.answered_at + call.context.limits.max_duration_seconds
    while True:
        letter = await call.mailbox.next(_next_deadline(call, cap))
        ended = None
        if letter is not None:
            ended = await _hear(call, letter)
        ended = ended or await _expire(call, cap)
        call.context.drain()
        if ended is not None:
            return ended


def _next_deadline(call: Call, cap: float) -> float:
    return min(
        cap,
        call.transfer.until,
        call.renegotiation.retry_at,
        call.warnings.next_at(),
        call.payers.next_deadline(),
    )


async def _expire(call: Call, cap: float) -> Ending | None:
    """What is due now."""
    now = call.now()
    if (ended := call.payers.expire(now)) is not None:
        return ended
    if now >= cap:
        return endings.cap_reached(cap)
    call.warnings.expire(now)
    if now >= call.renegotiation.retry_at:
        call.renegotiation.retry(now)
    if now >= call.transfer.until:
        return await call.transfer.expire()
    return None


async def _hear(call: Call, letter: Any) -> Ending | None:
    if call.transfer.concerns(letter):
        return await call.transfer.take(letter)
    if isinstance(letter, Connect):
        return await call.transfer.connect(letter)
    if call.service_leg.under_way and not isinstance(letter, _OF_EVERY_CALL):
        return call.service_leg.hear(letter)
    match letter:
        case sip_events.HungUp() | sip_events.Cancelled():
            return hung_up(call, letter)
        case PickUp():
            pick_up.take_late(call, letter)
        case sip_events.InfoReceived(session, request):
            _pass_info(call, session, request)
        case sip_events.InfoAnswered(session, status):
            call.info_keys.answered(session, status)
        case Digit():
            call.info_keys.heard(letter)
        case sip_events.Referred(session, request, flow):
            return await call.transfer.asked(session, request, flow)
        case GiveLeg():
            return await _give(call, letter)
        case HandOver():
            await merging.handed_over(call, letter)
        case PaidTimeChanged():
            pass  # the deadline is taken anew after every letter
        case BalanceChanged():
            call.payers.balance_changed()
        case Silent(last_packet_at):
            return endings.media_silent(last_packet_at or call.answered_at or call.now())
        case MediaLost():
            return Ending("media_timeout", 200, 41, rule="media: the worker died")
        case HangUp(ended_by, rule):
            return Ending(ended_by, 200, 16, rule=rule)
        case Asker():
            call.renegotiation.ask(letter, letter.offer, call.now())
        case _:
            return _renegotiate(call, letter)
    return None


def hung_up(call: Call, letter: sip_events.HungUp | sip_events.Cancelled) -> Ending | None:
    """Whether a leg that hung up ends the call, and how."""
    if letter.session not in call.parties:
        return None  # a newcomer who gave up, or a leg that was replaced meanwhile
    if call.transfer.leaves(letter.session):
        return None
    by = "caller" if call.side_of(letter.session) == "a" else "callee"
    if isinstance(letter, sip_events.Cancelled):  # as he was being answered
        return endings.hung_up(by)
    if letter.expired:
        return endings.not_refreshed()
    return endings.unreachable(by) if letter.status else endings.hung_up(by)


def _renegotiate(call: Call, letter: Any) -> Ending | None:
    """Offers and answers after the first; one that can't be understood ends nothing but
    itself, unless a delayed first answer is what is missing."""
    try:
        call.renegotiation.take(letter, call.now())
    except (ParseError, SipError) as error:
        return Ending("callee", 200, 65, rule=f"media: {error.reason}")
    return None


def _pass_info(call: Call, session: Session, request: Request) -> None:
    """Keys pass from leg to leg; nothing else does."""
    content_type, side = request.content_type or "", call.side_of(session)
    key = key_in(content_type, request.body)
    call.take_info(side)
    call.info_keys.follow()
    if key is not None and call.media.press(side, key):
        return
    if content_type in INFO_TYPES and len(request.body) <= MAX_INFO_BYTES:
        call.info_keys.pass_on(other(side), content_type.encode("ascii"), request.body)


async def _give(call: Call, letter: GiveLeg) -> Ending | None:
    """Let another call have the person whom one of our legs talks to."""
    side = call.side_of(letter.session)
    kept = other(side)
    busy = call.transfer.under_way or call.renegotiation.busy
    if busy or letter.taker.over or letter.session not in call.parties:
        letter.taker.post(Given(None))
        return None
    await hand_over_keys(call.leg(kept), call.sound, kept)
    session, line, identity = call.parties.give(kept)
    session.owner = None
    letter.taker.post(Given(session, line, identity, call.payers.give()))
    return endings.hung_up("caller")
