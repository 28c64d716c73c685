"""Offers and answers while a call talks: hold, resume, a changed address, in both directions.

An offer goes through end to end: the other leg gets one made from this one's, and this one gets
the answer made from the other's. The relay learns of both only when both have agreed, so a refused
re-INVITE leaves the sound as it was (RFC 3261 section 14.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sip import events as sip_events
from sip.errors import SipError
from sip.sdp import SessionDescription
from sip.session import Glare, Session, State
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side, other, try_read

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line

RETRY_SECONDS = 2.0
"""An offer of our own that crossed another is sent again after this (RFC 3261 section 14.1)."""
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for the answer to an offer: a leg by re-INVITE or UPDATE, or a newcomer whose
    INVITE takes a leg's place (RFC 3891)."""

    side: Side
    session: Session
    update: bool = False
    line: Line | None = None
    """Of a newcomer."""

    @property
    def offer(self) -> bytes:
        """What a newcomer's INVITE offers."""
        incoming = self.session.incoming
        return b"" if incoming is None else incoming.request.description

    def accept(self, body: bytes, now: float) -> None:
        if self.update:
            self.session.answer_update(200, body, now)
        else:
            self.session.accept(body, now)

    def reject(self, status: int, now: float, reason: str | None = None) -> None:
        if self.update:
            self.session.answer_update(status, b"", now)
        else:
            self.session.reject(status, now, reason)


@dataclass(frozen=True, slots=True)
class Alignment:
    """An offer of our own to one side, made from what the other said last.

    Args:
        onward: the answer is then offered to the other side.
    """

    side: Side
    onward: bool
    tries: int = 0


class Renegotiation:
    """At most one offer under way between the legs of a call."""

    __slots__ = (
        "_alignment",
        "_answer_due",
        "_asked_by",
        "_call",
        "_deferred",
        "_offer",
        "_offer_due",
        "retry_at",
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self._asked_by: Asker | None = None
        """Whose offer waits for the other leg."""
        self._offer: SessionDescription | None = None
        self._offer_due: Side | None = None
        """To whom we make an offer when the caller has acknowledged our answer."""
        self._answer_due: Side | None = None
        """Who must still answer a delayed offer in its ACK."""
        self._deferred: tuple[Asker, bytes] | None = None
        """An offer that came between our answer to the other leg and its ACK."""
        self._alignment: Alignment | None = None
        self.retry_at = float("inf")
        """The loop's time at which an offer of our own is to be tried again."""

    @property
    def busy(self) -> bool:
        return self._asked_by is not None or self._answer_due is not None

    def stop(self, now: float) -> None:
        """The call ends: whoever wants to come in, and still waits for the other leg, can't."""
        deferred = None if self._deferred is None else self._deferred[0]
        for asker in (self._asked_by, deferred):
            if asker is not None and asker.session not in [*self._call.parties]:
                asker.reject(481, now)

    def begin(
        self,
        offer: SessionDescription | None,
        description: SessionDescription,
        now: float,
        *,
        moves: bool = False,
        unsettled: bool = False,
    ) -> None:
        """The call was answered; without an offer in the INVITE the description is one, and the
        caller's ACK will answer it.

        Args:
            moves: who answered talked to us elsewhere, and is to be told where the call's sound is.
            unsettled: the caller expects other codecs than those of the answer.
        """
        if offer is None:
            self._offer = description
            self._answer_due = "a"
            self._offer_due = "b" if moves else None
        elif moves:
            self.align("b", now)
        elif unsettled:
            self._offer_due = "a"

    def take(self, letter: Any, now: float) -> None:
        """Deal with a letter that concerns an offer.

        Raises:
            ParseError, SipError: an answer in an ACK is missing or wrong, so that the legs don't
                know how to talk to each other.
        """
        call = self._call
        match letter:
            case sip_events.Reinvited(session, request):
                self.ask(Asker(call.side_of(session), session), request.description, now)
            case sip_events.Updated(session, request):
                self.ask(Asker(call.side_of(session), session, True), request.description, now)
            case sip_events.ReinviteAnswered(session, response):
                self._answered(session, response.description, now)
            case sip_events.ReinviteRefused(session, status):
                self._refused(session, status, now)
            case sip_events.Acknowledged(session, request):
                self._acknowledged(session, request.description, now)
                if self._deferred is not None:
                    deferred, self._deferred = self._deferred, None
                    self.ask(*deferred, now)

    def ask(self, asker: Asker, body: bytes, now: float) -> None:
        """Pass an offer to the other leg; without one that leg is asked for an offer."""
        call, side = self._call, asker.side
        if self.busy or self._alignment is not None:
            asker.reject(491, now)
            return
        try:
            offer = call.media.read_again(side, body) if body else None
            call.secure(asker.session, asker.line)
            if offer is not None:
                LegSecurity.of(asker.session).check(offer)
            ours = b"" if offer is None else call.media.describe(other(side), offer)
            call.leg(other(side)).reinvite(ours, now)
        except Glare:
            if call.leg(other(side)).waits_for_ack:
                self._deferred = asker, body  # it comes in a moment
            else:
                asker.reject(491, now)
        except SipError as error:
            asker.reject(error.status, now, error.reason)
        else:
            self._asked_by, self._offer = asker, offer

    def _answered(self, session: Session, body: bytes, now: float) -> None:
        """The other leg agreed: teach the relay and answer the one who asked."""
        call, asker = self._call, self._asked_by
        if self._alignment is not None and session is call.leg(self._alignment.side):
            self._aligned(self._alignment, body, now)
            return
        if asker is None:
            return
        self._asked_by = None
        if self._offer is None:
            self._pass_delayed_offer(session, asker, body, now)
            return
        offer, self._offer = self._offer, None
        try:
            answer = CallMedia.read(body)
            call.media.answered(offer, answer)
            LegSecurity.of(session).check(answer)
        except SipError as error:
            asker.reject(488, now, error.reason)
            return
        if asker.session.state is State.ENDED:  # a newcomer who has given up
            self.align(other(asker.side), now)
            return
        if asker.session is not call.leg(asker.side):
            call.replace_leg(asker.side, asker.session, asker.line).bye(now)
        call.learn(asker.side, offer)
        call.learn(other(asker.side), answer)
        asker.accept(call.media.describe(asker.side, answer, answering=offer), now)

    def _pass_delayed_offer(self, session: Session, asker: Asker, body: bytes, now: float) -> None:
        """An empty re-INVITE: the 2xx has the offer, the asker's ACK will have the answer."""
        try:
            offer = CallMedia.read(body)
        except SipError as error:
            asker.reject(488, now, error.reason)
            session.bye(now)
            raise
        self._offer, self._answer_due = offer, asker.side
        asker.accept(self._call.media.describe(asker.side, offer, wide=True), now)

    def _refused(self, session: Session, status: int, now: float) -> None:
        alignment = self._alignment
        if alignment is not None and session is self._call.leg(alignment.side):
            self._not_aligned(alignment, status, now)
            return
        asker, self._asked_by, self._offer = self._asked_by, None, None
        if asker is not None:
            # 401 and 407 are between the switch and that leg alone.
            asker.reject(488 if status in (401, 407) else status, now)

    def _acknowledged(self, session: Session, body: bytes, now: float) -> None:
        call = self._call
        side = call.side_of(session)
        if self._answer_due is None and side == "a":
            self._make_due_offer(now)
        if self._answer_due != side or self._offer is None:
            return
        offer, self._offer, self._answer_due = self._offer, None, None
        answer = CallMedia.read(body)
        call.media.answered(offer, answer)
        call.learn(side, answer)
        call.learn(other(side), offer)
        if self._offer_due is not None:
            self._make_due_offer(now)
            return
        ours = call.media.describe(other(side), answer, answering=offer)
        peer = call.leg(other(side))
        if peer.incoming is not None and not peer.incoming.answered:
            peer.accept(ours, now)  # who picked the call up
        else:
            peer.acknowledge(ours, now)

    def _make_due_offer(self, now: float) -> None:
        due, self._offer_due = self._offer_due, None
        if due is not None:
            self.align(due, now)

    # Offers of our own, when a leg was replaced by another

    def align(self, side: Side, now: float, *, onward: bool = False) -> None:
        """Offer to one side what the other has to offer, without hold: they haven't met before.

        Args:
            onward: the answer is then offered to the other side, who may know another's codecs.
        """
        self._try_to_align(Alignment(side, onward), now)

    def retry(self, now: float) -> None:
        """The time for another try has come."""
        alignment, self._alignment = self._alignment, None
        self.retry_at = float("inf")
        if alignment is not None:
            self._try_to_align(alignment, now)

    def _try_to_align(self, alignment: Alignment, now: float) -> None:
        call, side = self._call, alignment.side
        self._alignment = alignment
        try:
            heard = CallMedia.read(call.leg(other(side)).remote_description)
            # As many streams as this leg has had (RFC 3264 section 8).
            before = try_read(call.leg(side).local_description)
            ours = call.media.describe(side, heard, "sendrecv", before=before, wide=True)
            call.leg(side).reinvite(ours, now)
        except Glare:
            self._not_aligned(alignment, 491, now)
        except SipError:
            self._alignment = None

    def _aligned(self, alignment: Alignment, body: bytes, now: float) -> None:
        self._alignment = None
        call = self._call
        call.learn(alignment.side, CallMedia.read(body))
        if alignment.onward:
            self._try_to_align(Alignment(other(alignment.side), False), now)

    def _not_aligned(self, alignment: Alignment, status: int, now: float) -> None:
        """A crossing offer passes, so ours is repeated; who refuses it for good keeps the codecs
        that it has."""
        self._alignment = None
        if status == 491 and alignment.tries < MAX_TRIES:
            self._alignment = Alignment(alignment.side, alignment.onward, alignment.tries + 1)
            self.retry_at = now + RETRY_SECONDS
