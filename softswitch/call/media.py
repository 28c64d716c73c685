"""A call's sound: what each leg says of it in SDP, and what the relay is told."""

from __future__ import annotations

from typing import Literal, TypedDict, cast

from rtp.control import Direction
from rtp.session import MediaSession
from sip import own_description
from sip.errors import ParseError, SipError
from sip.offer_answer import Codec, check_answer, media_target, relayed
from sip.sdp import SessionDescription

Side = Literal["a", "b"]
"""The caller's side and the called side of the relay."""


OWN_CODECS = (Codec(0, "PCMU", 8000, 1, None), Codec(8, "PCMA", 8000, 1, None))
"""What the sound tier speaks."""
_LAWS = {(codec.name, codec.payload_type) for codec in OWN_CODECS}


def other(side: Side) -> Side:
    return "b" if side == "a" else "a"


class _Place(TypedDict):
    """Whose description it is, and where."""

    origin_id: int
    version: int
    address: str
    port: int


class CallMedia:
    """Offers and answers of both legs, joined by one relay session.

    Args:
        addresses: where each side's phone sends to: the switch's IP on that side.
        origin_id: the session id of our own descriptions (RFC 8866 section 5.2).
    """

    __slots__ = ("_addresses", "_origin_id", "_session", "_versions", "codec")

    def __init__(self, session: MediaSession, addresses: dict[Side, str], origin_id: int) -> None:
        self._session = session
        self._addresses = addresses
        self._origin_id = origin_id
        self._versions: dict[Side, int] = {"a": 0, "b": 0}
        self.codec: str | None = None
        """Of the last answer, as the CDR names it."""

    @property
    def session(self) -> MediaSession:
        return self._session

    @staticmethod
    def read(body: bytes) -> SessionDescription:
        """Parse a peer's description.

        Raises:
            SipError: 400 not SDP, 488 no audio that can be relayed.
        """
        description = SessionDescription.parse(body)
        if media_target(description) is None:
            raise SipError(488, "Not Acceptable Here")
        return description

    def describe(
        self,
        side: Side,
        heard: SessionDescription,
        direction: Direction | None = None,
        answering: SessionDescription | None = None,
    ) -> bytes:
        """Our description for `side`, made from what the other side said.

        Args:
            direction: overrides the one that was said, as for a newcomer to a call on hold.
            answering: this side's offer that it answers.
        """
        self._versions[side] += 1
        port = self._session.a_port if side == "a" else self._session.b_port
        return bytes(
            relayed(
                heard,
                origin_id=self._origin_id,
                version=self._versions[side],
                address=self._addresses[side],
                port=port,
                allowed=None,
                hold_direction=direction,
                answering=answering,
            )
        )

    def answer_itself(self, side: Side, offer: SessionDescription) -> bytes:
        """The switch's own answer to a side that it talks with itself.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        self._versions[side] += 1
        description, codec = own_description.answer(
            offer, [codec.name for codec in OWN_CODECS], **self._place(side)
        )
        self.codec = codec.name
        return bytes(description)

    def offer_itself(self, side: Side) -> bytes:
        """The switch's own offer, to a side that made none."""
        self._versions[side] += 1
        return bytes(own_description.offer(OWN_CODECS, **self._place(side)))

    def _place(self, side: Side) -> _Place:
        return {
            "origin_id": self._origin_id,
            "version": self._versions[side],
            "address": self._addresses[side],
            "port": self._session.a_port if side == "a" else self._session.b_port,
        }

    def learn(self, side: Side, heard: SessionDescription, signalling: str) -> None:
        """Have the relay send to where this side says it listens.

        Args:
            signalling: the IP address that the peer's SIP comes from.
        """
        target = media_target(heard)
        if target is None:
            raise SipError(488, "Not Acceptable Here")
        events = [c.payload_type for c in target.codecs if c.name == "TELEPHONE-EVENT"]
        laws = [c.payload_type for c in target.codecs if (c.name, c.payload_type) in _LAWS]
        self._session.set_remote(
            side,
            target.address or None,
            target.rtp_port,
            target.rtcp_port,
            cast(Direction, target.direction),
            events[0] if events else None,
            signalling_address=signalling,
            clock_rate=target.codecs[0].clock_rate if target.codecs else 8000,
            law_payload_type=laws[0] if laws else None,
            packet_ms=target.packet_ms,
        )

    def answered(self, offer: SessionDescription, answer: SessionDescription) -> None:
        """Hold an answer against its offer, and note the codec.

        Raises:
            SipError: 488, it answers something else.
        """
        check_answer(offer, answer)
        target = media_target(answer)
        if target is not None and target.codecs:
            self.codec = target.codecs[0].name


def try_read(body: bytes) -> SessionDescription | None:
    """A description that only may be there, as in a provisional response."""
    if not body:
        return None
    try:
        return CallMedia.read(body)
    except (ParseError, SipError):
        return None
