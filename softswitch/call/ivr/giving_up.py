"""The caller gives up, or the call is ended, before the switch itself answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rtp.control import Digit
from sip import events as sip_events
from softswitch.call import ending as endings
from softswitch.call.ending import Ending
from softswitch.call.letters import (
    AnnouncementOver,
    BalanceChanged,
    Confirmed,
    Connect,
    GiveLeg,
    Given,
    Greeted,
    HandOver,
    HangUp,
    Letter,
    MediaLost,
    OfferAgain,
    PaidTimeChanged,
    PickUp,
    Registered,
    Replace,
    ServiceOver,
    Silent,
)

if TYPE_CHECKING:
    from softswitch.call.legs import Legs


async def given_up(legs: Legs) -> Ending | None:
    """The ending of a call that is over before the switch itself answers; None: it goes on."""
    while (letter := await legs.mailbox.next(legs.now())) is not None:
        ended = gave_up(legs, letter)
        if ended is not None:
            return ended
    return None


def gave_up(legs: Legs, letter: Letter) -> Ending | None:
    """Handle a letter that comes before the switch answers; all but a few mean nothing then."""
    match letter:
        case sip_events.Cancelled(session) | sip_events.HungUp(session):
            return endings.given_up() if session is legs.parties.get("a") else None
        case sip_events.Updated(session):
            session.answer_update(488, b"", legs.now())
        case sip_events.Refreshed(session):
            legs.relearn_sound(session)
        case HangUp(ended_by):
            return Ending(ended_by, 480, 41, rule="call: ended before the answer")
        case PickUp(session) | Replace(_, session):
            session.reject(481, legs.now())
        case (
            sip_events.Progress()
            | sip_events.Answered()
            | sip_events.Refused()
            | sip_events.Acknowledged()
            | sip_events.Reinvited()
            | sip_events.ReinviteAnswered()
            | sip_events.ReinviteRefused()
            | sip_events.InfoReceived()
            | sip_events.InfoAnswered()
            | sip_events.Referred()
            | Digit()
            | Silent()
            | MediaLost()
            | BalanceChanged()
            | PaidTimeChanged()
            | Registered()
            | Greeted()
            | Confirmed()
            | AnnouncementOver()
            | ServiceOver()
            | OfferAgain()
            | HandOver()
            | GiveLeg()
            | Given()
            | Connect()
        ):
            pass
        case _:
            assert_never(letter)
    return None
