"""Offers and answers while a call talks: hold, resume, a changed address, in both directions.

A re-INVITE goes through end to end: the other leg gets an offer made from this one's, and this one
gets the answer made from the other's. The relay learns of both only when both have agreed, so a
refused re-INVITE leaves the sound as it was (RFC 3261 section 14.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sip import events as sip_events
from sip.errors import SipError
from sip.sdp import SessionDescription
from sip.session import Glare, Session
from softswitch.call.media import CallMedia, Side, other

if TYPE_CHECKING:
    from softswitch.call.call import Call


class Renegotiation:
    """At most one offer under way between the legs of a call."""

    __slots__ = ("_answer_due", "_asked_by", "_call", "_offer")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._asked_by: Side | None = None
        """Whose re-INVITE waits for the other leg."""
        self._offer: SessionDescription | None = None
        self._answer_due: Side | None = None
        """Who must still answer a delayed offer in its ACK."""

    def begin(self, offer: SessionDescription | None, description: SessionDescription) -> None:
        """The call was answered; without an offer in the INVITE the description is one, and the
        caller's ACK will answer it."""
        if offer is None:
            self._offer = description
            self._answer_due = "a"

    def take(self, letter: Any, now: float) -> None:
        """Deal with a letter that concerns an offer.

        Raises:
            ParseError, SipError: an answer in an ACK is missing or wrong, so that the legs don't
                know how to talk to each other.
        """
        match letter:
            case sip_events.Reinvited(session, request):
                self._asked(session, request.body, now)
            case sip_events.ReinviteAnswered(session, response):
                self._answered(session, response.body, now)
            case sip_events.ReinviteRefused(_, status):
                self._refused(status, now)
            case sip_events.Acknowledged(session, request):
                self._acknowledged(session, request.body, now)

    def _asked(self, session: Session, body: bytes, now: float) -> None:
        call = self._call
        side = call.side_of(session)
        if self._asked_by is not None or self._answer_due is not None:
            session.reject(491, now)
            return
        try:
            offer = CallMedia.read(body) if body else None
            ours = b"" if offer is None else call.media.describe(other(side), offer)
            call.leg(other(side)).reinvite(ours, now)
        except Glare:
            session.reject(491, now)
        except SipError as error:
            session.reject(error.status, now, error.reason)
        else:
            self._asked_by, self._offer = side, offer

    def _answered(self, session: Session, body: bytes, now: float) -> None:
        """The other leg agreed: teach the relay and answer the one who asked."""
        call, side = self._call, self._asked_by
        if side is None:
            return
        self._asked_by = None
        asker = call.leg(side)
        if self._offer is None:
            self._pass_delayed_offer(session, asker, side, body, now)
            return
        offer, self._offer = self._offer, None
        try:
            answer = CallMedia.read(body)
            call.media.answered(offer, answer)
        except SipError as error:
            asker.reject(488, now, error.reason)
            return
        call.learn(side, offer)
        call.learn(other(side), answer)
        asker.accept(call.media.describe(side, answer), now)

    def _pass_delayed_offer(
        self, session: Session, asker: Session, side: Side, body: bytes, now: float
    ) -> None:
        """An empty re-INVITE: the 2xx has the offer, the asker's ACK will have the answer."""
        try:
            offer = CallMedia.read(body)
        except SipError as error:
            asker.reject(488, now, error.reason)
            session.bye(now)
            raise
        self._offer, self._answer_due = offer, side
        asker.accept(self._call.media.describe(side, offer), now)

    def _refused(self, status: int, now: float) -> None:
        side, self._asked_by, self._offer = self._asked_by, None, None
        if side is not None:
            # 401 and 407 are between the switch and that leg alone.
            self._call.leg(side).reject(488 if status in (401, 407) else status, now)

    def _acknowledged(self, session: Session, body: bytes, now: float) -> None:
        call = self._call
        side = call.side_of(session)
        if self._answer_due != side or self._offer is None:
            return
        offer, self._offer, self._answer_due = self._offer, None, None
        answer = CallMedia.read(body)
        call.media.answered(offer, answer)
        call.learn(side, answer)
        call.learn(other(side), offer)
        call.leg(other(side)).acknowledge(call.media.describe(other(side), answer), now)
