"""Offers and answers within an established call: hold, resume, new addresses, new legs.

A B2BUA stands between two offer/answer machines (RFC 3264), one for each leg. An offer goes through
end to end: the other leg gets one made from it, and the offerer gets an answer made from the
other's answer. The relay learns both only when both have agreed, so a refused re-INVITE leaves the
sound as it was (RFC 3261 section 14.1).

At most one exchange is under way. It is in one of these states:

========== ============================================================ ===========================
State      Meaning                                                      Ends by
========== ============================================================ ===========================
Quiet      no offer is under way
Passed     a leg's offer was passed on to the other leg                 the other leg's answer
Fetching   a leg's empty re-INVITE was passed on: the other leg's 2xx   the other leg's 2xx
           will carry an offer
Delayed    an offer went out in a 2xx                                   the answer in the ACK
Due        an offer of ours waits for the ACK of the caller             the ACK
Deferred   a leg's offer waits for the ACK of the other leg             the ACK
Aligning   an offer of our own went to a leg that was joined with       that leg's answer
           another than before
Paused     that offer crossed one of the leg's: a glare (491)           the pause of RFC 3261 14.1
========== ============================================================ ===========================

:meth:`Renegotiation._step` is the table: (state, event) -> action. Every offer that comes while
another is under way is refused with 491, and its sender tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from sip.errors import Glare, SipError
from sip.session import Session, State
from sip.t38 import is_fax_alone
from softswitch.call.established.offerer import Offerer
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side, other, try_read

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from softswitch.call.legs import Legs

RETRY_SECONDS = 2.0
"""The pause after a glare (RFC 3261 section 14.1)."""
MAX_TRIES = 5
GLARES = (491, 500)
"""A request of the peer's own is under way, or the ACK to its last 2xx hasn't come yet (RFC 3261
section 14.2)."""
NEVER = float("inf")


# States


@dataclass(frozen=True, slots=True)
class Quiet:
    """No offer is under way."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The other leg has the offer of this one."""

    offerer: Offerer
    offer: SessionDescription


@dataclass(frozen=True, slots=True)
class Fetching:
    """The other leg was asked for an offer, for this one that sent an empty re-INVITE."""

    offerer: Offerer


@dataclass(frozen=True, slots=True)
class Delayed:
    """The ACK of `side` will answer `offer`; `then` gets an offer of ours after that."""

    side: Side
    offer: SessionDescription
    then: Side | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """When the caller has acknowledged our answer, `side` gets an offer of ours."""

    side: Side


@dataclass(frozen=True, slots=True)
class Deferred:
    """This offer came between our 2xx to the other leg and the ACK to it."""

    offerer: Offerer
    body: bytes


@dataclass(frozen=True, slots=True)
class Alignment:
    """An offer of our own to one leg, made from the last description of the other.

    Args:
        onward: the answer is then offered to the other leg.
        tries: glares so far.
    """

    side: Side
    onward: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Aligning:
    """Our own offer is under way."""

    alignment: Alignment


@dataclass(frozen=True, slots=True)
class Paused:
    """Our own offer is sent again at `retry_at`, the loop's time."""

    alignment: Alignment
    retry_at: float


Exchange = Quiet | Passed | Fetching | Delayed | Due | Deferred | Aligning | Paused


# Events


@dataclass(frozen=True, slots=True)
class Asked:
    """A leg offers something, or asks for an offer by an empty body."""

    offerer: Offerer
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A leg accepted a re-INVITE of ours."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A leg refused a re-INVITE of ours."""

    session: Session
    status: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK to a 2xx of ours."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Align:
    """A leg was joined with another than before."""

    alignment: Alignment


@dataclass(frozen=True, slots=True)
class PauseOver:
    """The pause after a glare is over."""


Event = Asked | Answered | Refused | Acknowledged | Align | PauseOver


class Renegotiation(Struct, eq=False):
    """The exchange of one call."""

    _legs: Legs
    _state: Exchange = Quiet()

    @property
    def state(self) -> Exchange:
        """The state of the exchange."""
        return self._state

    @property
    def busy(self) -> bool:
        """True while a leg waits for an answer: no leg may be replaced now."""
        return isinstance(self._state, Passed | Fetching | Delayed)

    @property
    def retry_at(self) -> float:
        """The loop's time at which :meth:`retry` is due."""
        return self._state.retry_at if isinstance(self._state, Paused) else NEVER

    # What happens

    def begin(
        self,
        offer: SessionDescription | None,
        description: SessionDescription,
        now: float,
        *,
        moves: bool = False,
        unsettled: bool = False,
    ) -> None:
        """The call was answered.

        Args:
            offer: the caller's; None if its INVITE had none. Then `description` is the called
                leg's offer, and the caller's ACK will answer it.
            moves: the called leg was talked to over other ports, and must be offered the call's.
            unsettled: the caller expects other codecs than those of the answer.
        """
        if offer is None:
            self._state = Delayed("a", description, then="b" if moves else None)
        elif moves:
            self.align("b", now)
        elif unsettled:
            self._state = Due("a")
        caller = self._legs.parties.a.leg
        if caller is not None:
            caller.tells_ack = not isinstance(self._state, Quiet)

    def ask(self, offerer: Offerer, body: bytes, now: float) -> None:
        """Pass an offer to the other leg; without one that leg is asked for an offer."""
        self._step(Asked(offerer, body), now)

    def answered(self, session: Session, body: bytes, now: float) -> None:
        """A leg accepted our re-INVITE.

        Raises:
            ParseError, SipError: its delayed offer can't be used.
        """
        self._step(Answered(session, body), now)

    def refused(self, session: Session, status: int, now: float) -> None:
        """A leg refused our re-INVITE, and goes on as it was."""
        self._step(Refused(session, status), now)

    def acknowledged(self, session: Session, body: bytes, now: float) -> None:
        """A leg acknowledged our 2xx.

        Raises:
            ParseError, SipError: the answer that it owes is missing or can't be used, so that the
                legs do not know how to talk to each other.
        """
        self._step(Acknowledged(session, body), now)

    def align(self, side: Side, now: float, *, onward: bool = False) -> None:
        """Offer to one leg the description of the other, without hold: they have not met before.

        Args:
            onward: the answer is then offered to the other leg, which may know other codecs.
        """
        self._step(Align(Alignment(side, onward)), now)

    def retry(self, now: float) -> None:
        """The pause after a glare is over."""
        self._step(PauseOver(), now)

    def stop(self, now: float) -> None:
        """The call ends: a new leg that still waits for the other one can't come in."""
        if isinstance(self._state, Quiet):
            return  # as nearly always
        match self._state:
            case Passed(offerer) | Fetching(offerer) | Deferred(offerer):
                if offerer.session not in self._legs.parties:
                    offerer.reject(481, now)
            case _:
                pass

    # The table

    def _step(self, event: Event, now: float) -> None:
        match self._state, event:
            case Quiet(), Asked(offerer, body):
                self._pass_on(offerer, body, now)
            case _, Asked(offerer):
                offerer.reject(491, now)

            case Passed() as passed, Answered(session, body):
                self._answer_offerer(passed, session, body, now)
            case Fetching() as fetching, Answered(session, body):
                self._pass_delayed_offer(fetching, session, body, now)
            case Aligning(alignment), Answered(session, body) if self._is_on(session, alignment):
                self._aligned(alignment, body, now)

            case Passed(offerer) | Fetching(offerer), Refused(_, status):
                self._refuse_offerer(offerer, status, now)
            case Aligning(alignment), Refused(session, status) if self._is_on(session, alignment):
                self._not_aligned(alignment, status, now)

            case Delayed() as delayed, Acknowledged(session, body):
                if self._legs.side_of(session) == delayed.side:
                    self._take_delayed_answer(delayed, body, now)
            case Due(side), Acknowledged(session):
                if self._legs.side_of(session) == "a":
                    self._try_to_align(Alignment(side), now)
            case Deferred(offerer, body), Acknowledged():
                self._pass_on(offerer, body, now)

            case Passed(offerer) | Fetching(offerer) | Deferred(offerer), Align(alignment):
                # The leg that was to answer is gone, or has another peer now.
                offerer.reject(491, now)
                self._try_to_align(alignment, now)
            case _, Align(alignment):
                self._try_to_align(alignment, now)
            case Paused(alignment), PauseOver():
                self._try_to_align(alignment, now)

            case _:
                pass  # a late answer to an exchange that is over

    def _is_on(self, session: Session, alignment: Alignment) -> bool:
        return session is self._legs.leg(alignment.side)

    # Offers of a leg

    def _pass_on(self, offerer: Offerer, body: bytes, now: float) -> None:
        legs, side = self._legs, offerer.side
        self._state = Quiet()
        peer = legs.leg(other(side))
        try:
            offer = legs.media.read_again(side, body) if body else None
            security = legs.secure(offerer.session, offerer.line)
            if offer is not None:
                security.check(offer)
            ours = b"" if offer is None else legs.media.describe(other(side), offer, fax=True)
            peer.reinvite(ours, now)
        except Glare:
            if peer.waits_for_ack:  # the ACK comes in a moment
                self._state, peer.tells_ack = Deferred(offerer, body), True
            else:
                offerer.reject(491, now)
        except SipError as error:
            offerer.reject(error.status, now, error.reason)
        else:
            self._state = Fetching(offerer) if offer is None else Passed(offerer, offer)

    def _answer_offerer(self, passed: Passed, session: Session, body: bytes, now: float) -> None:
        """The other leg agreed: teach the relay and answer the offerer."""
        legs, offerer, offer = self._legs, passed.offerer, passed.offer
        self._state = Quiet()
        try:
            answer = CallMedia.read_with_fax(body)
            legs.media.answered(offer, answer)
            LegSecurity.of(session).check(answer)
        except SipError:
            offerer.reject(488, now)
            if is_fax_alone(offer):  # it took the offer, but no stream of it: give it sound again
                self._try_to_align(Alignment(other(offerer.side)), now)
            return
        if offerer.session.state is State.ENDED:  # a new leg that has given up
            self._try_to_align(Alignment(other(offerer.side)), now)
            return
        if offerer.session is not legs.leg(offerer.side):
            legs.replace_leg(offerer.side, offerer.session, offerer.line).bye(now)
        legs.learn(offerer.side, offer)
        legs.learn(other(offerer.side), answer)
        ours = legs.media.describe(offerer.side, answer, answering=offer, fax=True)
        offerer.accept(ours, now)

    def _refuse_offerer(self, offerer: Offerer, status: int, now: float) -> None:
        self._state = Quiet()
        # 401 and 407 are between the switch and the other leg alone.
        offerer.reject(488 if status in (401, 407) else status, now)

    # Offers in a 2xx

    def _pass_delayed_offer(
        self, fetching: Fetching, session: Session, body: bytes, now: float
    ) -> None:
        """The other leg's 2xx has the offer, the offerer's ACK will have the answer."""
        offerer = fetching.offerer
        self._state = Quiet()
        try:
            offer = CallMedia.read_with_fax(body)
        except SipError:
            offerer.reject(488, now)
            session.bye(now)
            raise
        self._state = Delayed(offerer.side, offer)
        ours = self._legs.media.describe(offerer.side, offer, wide=True, fax=True)
        offerer.accept(ours, now)

    def _take_delayed_answer(self, delayed: Delayed, body: bytes, now: float) -> None:
        legs, side = self._legs, delayed.side
        self._state = Quiet()
        answer = CallMedia.read_with_fax(body)
        legs.media.answered(delayed.offer, answer)
        legs.learn(side, answer)
        legs.learn(other(side), delayed.offer)
        if delayed.then is not None:
            self._try_to_align(Alignment(delayed.then), now)
            return
        ours = legs.media.describe(other(side), answer, answering=delayed.offer, fax=True)
        peer = legs.leg(other(side))
        if peer.incoming is not None and not peer.incoming.answered:
            peer.accept(ours, now)  # the phone that picked the call up
        else:
            peer.acknowledge(ours, now)

    # Offers of our own

    def _try_to_align(self, alignment: Alignment, now: float) -> None:
        legs, side = self._legs, alignment.side
        self._state = Aligning(alignment)
        try:
            heard = CallMedia.read(legs.leg(other(side)).remote_description)
            # As many streams as this leg has had (RFC 3264 section 8).
            before = try_read(legs.leg(side).local_description)
            ours = legs.media.describe(side, heard, "sendrecv", before=before, wide=True)
            legs.leg(side).reinvite(ours, now)
        except Glare:
            self._not_aligned(alignment, 491, now)
        except SipError:
            self._state = Quiet()

    def _aligned(self, alignment: Alignment, body: bytes, now: float) -> None:
        self._state = Quiet()
        self._legs.learn(alignment.side, CallMedia.read(body))
        if alignment.onward:
            self._try_to_align(Alignment(other(alignment.side)), now)

    def _not_aligned(self, alignment: Alignment, status: int, now: float) -> None:
        """After a glare the offer is repeated; a leg that refuses it for good keeps its codecs."""
        self._state = Quiet()
        if status in GLARES and alignment.tries < MAX_TRIES:
            again = Alignment(alignment.side, alignment.onward, alignment.tries + 1)
            self._state = Paused(again, now + RETRY_SECONDS)
