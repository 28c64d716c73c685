"""Offers and answers of the switch itself, where it is a party of the session instead of relaying
(RFC 3264).

An answer has one codec, chosen among those that the peer offered, and telephone events beside it,
with the same clock rate if the peer has them so. So the peer sends what the answer says, whatever
else it can do.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from sip.errors import SipError
from sip.offer_answer import EVENTS, Codec, audio_of, codecs, direction_of, format_attributes
from sip.sdes import PLAIN, Protection
from sip.sdp import Attribute, Connection, Media, Origin, SessionDescription

KEYS = "0-15"
"""The events that are keys (RFC 4733 section 3.2)."""
_MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly"}


def answer(
    offer: SessionDescription,
    known: Sequence[Codec],
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    direction: str | None = None,
    protection: Protection = PLAIN,
    events: bool = True,
) -> tuple[SessionDescription, Codec]:
    """Answer an offer; returns the answer and its codec.

    Args:
        known: the codecs that we speak; the peer's order and numbers decide.
        direction: where another party is behind us; else the offer's is mirrored.
        protection: the SRTP part of the answer.
        events: True to accept telephone events.

    Raises:
        SipError: 488, no offered codec is known.
    """
    index = audio_of(offer)
    if index is None:
        raise SipError(488)
    stream = offer.media[index]
    offered = codecs(stream)
    parameters = {(codec.name, codec.clock_rate): codec.fmtp for codec in known}
    chosen = next((c for c in offered if (c.name, c.clock_rate) in parameters), None)
    if chosen is None:
        raise SipError(488)
    chosen = structs.replace(chosen, fmtp=parameters[chosen.name, chosen.clock_rate])
    keys = event_of(offered, chosen.clock_rate) if events else None
    formats = [chosen] if keys is None else [chosen, structs.replace(keys, fmtp=KEYS)]
    offered_direction = direction_of(offer, stream)
    direction = direction or _MIRRORED.get(offered_direction, offered_direction)
    media = [Media(other.kind, 0, other.protocol, other.formats[:1]) for other in offer.media]
    media[index] = _audio(0 if stream.removed else port, formats, direction, protection)
    return _description(media, origin_id, version, address), chosen


def event_of(offered: Sequence[Codec], clock_rate: int) -> Codec | None:
    """Telephone events with the clock rate of the codec beside them (RFC 4733 section 2.4.1). Some
    phones offer events of 8 kHz alone, whatever the codec."""
    events = [codec for codec in offered if codec.name == EVENTS]
    for clock in (clock_rate, 8000):
        for codec in events:
            if codec.clock_rate == clock:
                return codec
    return None


def offer(
    known: Sequence[Codec],
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    protection: Protection = PLAIN,
) -> SessionDescription:
    """Offer all known codecs and telephone events, to a peer that made no offer."""
    audio = _audio(port, known, "sendrecv", protection)
    return _description([audio], origin_id, version, address)


def _audio(port: int, chosen: Sequence[Codec], direction: str, protection: Protection) -> Media:
    attributes: list[Attribute] = [*protection.attributes]
    for codec in chosen:
        attributes += format_attributes(codec)
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
