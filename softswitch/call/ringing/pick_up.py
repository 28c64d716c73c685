"""A call picked up: an INVITE that takes the place of a phone that rings (RFC 3891).

Both the caller and the one who takes the call have made an offer, so each is answered with what the
other said. Whoever rings is cancelled and told that the call was completed elsewhere, for it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.errors import ParseError, SipError
from sip.offer_answer import audio_of, codecs, met
from sip.session import Session, State
from softswitch.call.established.renegotiation import Asker
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.sdp import SessionDescription
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line


@dataclass(frozen=True, slots=True)
class PickUp:
    """A phone of `line` wants the call that rings at another phone of its account.

    Args:
        early_only: not any more once it was answered.
        dialog: in which it rings.
    """

    session: Session
    line: Line
    early_only: bool
    dialog: DialogId

    def may_take(self, held_by: Line | None) -> bool:
        return held_by is not None and held_by.account_id == self.line.account_id


def may(call: Call, rung: Iterable[Line], letter: PickUp) -> bool:
    """Whether the taker may have the call that rings at these lines, and still wants it; else he is
    refused, and it goes on ringing."""
    if letter.session.state is State.ENDED:
        return False
    if not any(letter.may_take(line) for line in rung):
        letter.session.reject(481, call.now())
        return False
    return True


def has_offer(session: Session) -> bool:
    """Whether a taker's INVITE makes one."""
    return session.incoming is not None and bool(session.incoming.request.description)


def offer(call: Call, side: Side, heard: SessionDescription | None, letter: PickUp) -> bool:
    """Answer a taker who made no offer by one of ours; his ACK will have the answer, with which the
    call is his. Whether that could be done.

    Args:
        heard: what whoever he wants to talk to knows; None: that isn't known yet.
    """
    session, now = letter.session, call.now()
    call.secure(session, letter.line)
    try:
        if heard is None:
            call.media.join(side, LegSecurity.of(session))
            ours = call.media.offer_itself(side)
        else:
            ours = call.media.describe(side, heard, "sendrecv", security=LegSecurity.of(session))
    except SipError as error:
        session.reject(error.status, now, error.reason)
        return False
    call.joined(session)
    session.accept(ours, now)
    return True


def take(call: Call, letter: PickUp) -> SessionDescription | None:
    """While it rings: what the taker said as the answer to the caller's offer, or, if the caller
    made none, as an offer. None: the taker was refused, and it goes on ringing."""
    session = letter.session
    try:
        theirs = offer_of(session)
        description = theirs if call.offer is None else met(call.offer, theirs)
    except (ParseError, SipError) as error:
        session.reject(error.status, call.now(), error.reason)
        return None
    call.joined(session)
    return description


def take_late(call: Call, letter: PickUp) -> None:
    """It was answered a moment before: a phone that only wants to pick up is told so, another one
    takes the answered phone's place."""
    if not letter.may_take(call.line_of("b")):
        letter.session.reject(481, call.now())
    elif letter.early_only:
        letter.session.reject(486, call.now())
    else:
        asker = Asker("b", letter.session, line=letter.line)
        call.renegotiation.ask(asker, asker.offer, call.now())


def answer(call: Call, session: Session) -> None:
    """The caller has been answered; answer the one who took the call.

    A caller without an offer has yet to say something: :class:`Renegotiation` answers then.
    """
    if call.offer is None or session.state is State.ENDED:
        return
    theirs = offer_of(session)
    agreed = met(theirs, call.offer)
    session.accept(call.media.describe("b", agreed, answering=theirs), call.now())
    if (_names(theirs) & _names(call.offer)) - _names(agreed):
        # A codec or the keys have another number on each side, which the relay doesn't translate.
        call.renegotiation.align("b", call.now())


def offer_of(session: Session) -> SessionDescription:
    """What a taker's INVITE offers.

    Raises:
        SipError: 488, nothing that could be relayed.
    """
    body = b"" if session.incoming is None else session.incoming.request.description
    if not body:
        raise SipError(488)
    return CallMedia.read(body)


def _names(description: SessionDescription) -> set[str]:
    index = audio_of(description)
    return set() if index is None else {c.name for c in codecs(description.media[index])}
