"""What the switch says in SDP where it talks itself, instead of standing between two (RFC 3264).

An answer has one codec, chosen among those that the peer offered, and telephone events beside it:
what is sent is then what was said, whatever else the peer can do.
"""

from __future__ import annotations

from collections.abc import Sequence

from sip.errors import SipError
from sip.offer_answer import Codec, audio_of, codecs, direction_of
from sip.sdes import PLAIN, Protection
from sip.sdp import Attribute, Connection, Media, Origin, SessionDescription

EVENTS = "TELEPHONE-EVENT"
_KEYS = "0-15"
"""The events that are keys (RFC 4733 section 3.2)."""
_MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly"}
_OFFERED_EVENTS = 101
"""The dynamic payload type that nearly everybody uses for them."""


def answer(
    offer: SessionDescription,
    known: Sequence[str],
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    direction: str | None = None,
    protection: Protection = PLAIN,
) -> tuple[SessionDescription, Codec]:
    """Answer an offer, and say with which codec.

    Args:
        known: encoding names (upper case) that we speak; the peer's order decides.
        direction: where somebody else stands behind us; else the offer's is mirrored.
        protection: what it says of SRTP.

    Raises:
        SipError: 488, we speak nothing of what is offered.
    """
    index = audio_of(offer)
    if index is None:
        raise SipError(488)
    stream = offer.media[index]
    offered = codecs(stream)
    chosen = next((codec for codec in offered if codec.name in known), None)
    if chosen is None:
        raise SipError(488)
    events = (c for c in offered if c.name == EVENTS and c.clock_rate == chosen.clock_rate)
    offered_direction = direction_of(offer, stream)
    direction = direction or _MIRRORED.get(offered_direction, offered_direction)
    media = [Media(other.kind, 0, other.protocol, other.formats[:1]) for other in offer.media]
    media[index] = _audio(port, [chosen, *list(events)[:1]], direction, protection)
    return _description(media, origin_id, version, address), chosen


def offer(
    known: Sequence[Codec],
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    protection: Protection = PLAIN,
) -> SessionDescription:
    """Offer all that we speak, to a peer that made no offer."""
    events = Codec(_OFFERED_EVENTS, EVENTS, known[0].clock_rate, 1, _KEYS)
    audio = _audio(port, [*known, events], "sendrecv", protection)
    return _description([audio], origin_id, version, address)


def _audio(port: int, chosen: Sequence[Codec], direction: str, protection: Protection) -> Media:
    attributes: list[Attribute] = [*protection.attributes]
    for codec in chosen:
        name = codec.name.lower() if codec.name == EVENTS else codec.name
        attributes.append(("rtpmap", f"{codec.payload_type} {name}/{codec.clock_rate}"))
        if codec.name == EVENTS:
            attributes.append(("fmtp", f"{codec.payload_type} {_KEYS}"))
    attributes.append((direction, None))
    formats = tuple(str(codec.payload_type) for codec in chosen)
    return Media("audio", port, protection.protocol, formats, attributes=tuple(attributes))


def _description(
    media: Sequence[Media], origin_id: int, version: int, address: str
) -> SessionDescription:
    return SessionDescription(
        Origin("-", str(origin_id), str(version), address),
        connection=Connection(address),
        media=tuple(media),
    )
