"""Call pickup: an INVITE that takes the place of a phone that rings (RFC 3891).

Both the caller and the phone that picks up have made an offer, so each is answered with what the
other said. The ringing phones are cancelled and told that the call was completed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sip.errors import ParseError, SipError
from sip.offer_answer import audio_of, codecs, met
from sip.session import Session, State
from softswitch.call.letters import PickUp
from softswitch.call.media.media import CallMedia, Side

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.legs import Legs
    from softswitch.subscribers.directory import Line


def may(legs: Legs, rung: Iterable[Line], letter: PickUp) -> bool:
    """True if the phone may pick up the call that rings at these lines, and still wants it; else it
    is refused, and the call goes on ringing."""
    if letter.session.state is State.ENDED:
        return False
    if not any(letter.may_take(line) for line in rung):
        letter.session.reject(481, legs.now())
        return False
    return True


def has_offer(session: Session) -> bool:
    """True if the INVITE of a phone that picks up has an offer."""
    return session.incoming is not None and bool(session.incoming.request.description)


def offer(legs: Legs, side: Side, heard: SessionDescription | None, letter: PickUp) -> bool:
    """Answer a phone that made no offer by one of ours; its ACK will have the answer, and with it
    the call. False if it was refused.

    Args:
        heard: the description of the party on the other side; None: not known yet.
    """
    session, now = letter.session, legs.now()
    security = legs.secure(session, letter.line)
    try:
        if heard is None:
            legs.media.join(side, security)
            ours = legs.media.offer_itself(side)
        else:
            ours = legs.media.describe(side, heard, "sendrecv", security=security)
    except SipError as error:
        session.reject(error.status, now, error.reason)
        return False
    legs.joined(session)
    session.accept(ours, now)
    return True


def take(
    legs: Legs, offered: SessionDescription | None, letter: PickUp
) -> SessionDescription | None:
    """Pick up while it rings.

    Args:
        offered: the caller's offer; None if it made none.

    Returns:
        The phone's description, as the answer to the caller's offer or as an offer; None if the
        phone was refused, and the call goes on ringing.
    """
    session = letter.session
    try:
        theirs = offer_of(session)
        description = theirs if offered is None else met(offered, theirs)
    except (ParseError, SipError) as error:
        session.reject(error.status, legs.now(), error.reason)
        return None
    legs.joined(session)
    return description


def answer(
    legs: Legs,
    renegotiation: Renegotiation,
    offered: SessionDescription | None,
    session: Session,
) -> None:
    """Answer the phone that picked up, after the caller was answered.

    For a caller without an offer :class:`Renegotiation` answers, when its ACK comes.
    """
    if offered is None or session.state is State.ENDED:
        return
    theirs = offer_of(session)
    agreed = met(theirs, offered)
    session.accept(legs.media.describe("b", agreed, answering=theirs), legs.now())
    if (_names(theirs) & _names(offered)) - _names(agreed):
        # A codec or the keys have another number on each side, which the relay doesn't translate.
        renegotiation.align("b", legs.now())


def offer_of(session: Session) -> SessionDescription:
    """The offer in the INVITE of a phone that picks up.

    Raises:
        SipError: 488, there is none, or none that could be relayed.
    """
    body = b"" if session.incoming is None else session.incoming.request.description
    if not body:
        raise SipError(488)
    return CallMedia.read(body)


def _names(description: SessionDescription) -> set[str]:
    index = audio_of(description)
    return set() if index is None else {c.name for c in codecs(description.media[index])}
