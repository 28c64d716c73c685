"""Offer and answer between two legs (RFC 3264), for a B2BUA that relays their sound.

Our description for one leg is made from the other leg's: its codecs, its direction, its ptime.
Addresses, origin and everything else are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec import Struct, structs

from sip import grammar
from sip.errors import SipError
from sip.flow import host_address
from sip.grammar import octets
from sip.sdes import PLAIN, Crypto, Protection, cryptos, is_plain, is_secure
from sip.sdp import (
    DIRECTIONS,
    PLAIN_RTP,
    SECRETS,
    Attribute,
    Connection,
    Media,
    Origin,
    SessionDescription,
)
from sip.web_description import Web, web_of

_CROSSING = frozenset({"rtpmap", "fmtp", "ptime", "maxptime", *DIRECTIONS})
"""Attributes of a stream that pass from leg to leg; all others are between us and that leg."""
_PAYLOAD_TYPES = {str(number): number for number in range(128)}

_ENCODING_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")
"""encoding-name = token; no codec's is so long."""

DEFAULT_PACKET_MS = 20
"""RFC 3551 section 4.2."""
MAX_PACKET_MS = 1000
"""Longer packets are no ptime (RFC 8866 section 6.4) but a mistake."""
DYNAMIC_PAYLOAD_TYPES = range(96, 128)
"""RFC 3551 section 6."""
STATIC_CODECS: dict[str, tuple[str, int, int]] = {
    "0": ("PCMU", 8000, 1),
    "3": ("GSM", 8000, 1),
    "4": ("G723", 8000, 1),
    "8": ("PCMA", 8000, 1),
    "9": ("G722", 8000, 1),
    "13": ("CN", 8000, 1),
    "15": ("G728", 8000, 1),
    "18": ("G729", 8000, 1),
}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""


class Codec(Struct, frozen=True, gc=False):
    """One format of a stream."""

    payload_type: int
    name: str
    """Upper case."""
    clock_rate: int
    channels: int = 1
    fmtp: str | None = None


EVENTS = "TELEPHONE-EVENT"
REDUNDANCY = "RED"
"""RFC 2198: packets of other formats inside, each block by its payload type."""
NO_SOUND = frozenset({EVENTS, "CN", REDUNDANCY})
"""Formats that only stand beside a codec (RFC 4733, RFC 3389, RFC 2198)."""


@lru_cache(maxsize=256)
def share_codec(one: tuple[Codec, ...], other: tuple[Codec, ...]) -> bool:
    """True if two sides have a codec in common in which they can talk."""
    known = {(codec.name, codec.clock_rate) for codec in one if codec.name not in NO_SOUND}
    return any((codec.name, codec.clock_rate) in known for codec in other)


class MediaTarget(Struct, frozen=True, gc=False):
    """The address and the formats at which a peer receives sound."""

    address: str
    """"" when the peer names no single host: then its address is learned from its packets."""
    rtp_port: int
    rtcp_port: int
    rtcp_mux: bool
    direction: str
    """As the peer sees it; "inactive" also for a stream held by 0.0.0.0."""
    codecs: tuple[Codec, ...]
    packet_ms: int
    """The milliseconds of sound that the peer wants in a packet (RFC 8866 section 6.4)."""
    protocol: str = PLAIN_RTP
    cryptos: tuple[Crypto, ...] = ()
    """Its SRTP keys that we can use."""
    web: Web | None = None
    """ICE and DTLS, if it is a browser; address and ports mean nothing then."""
    plain: bool = False
    """True for a live stream in the clear that is all of its description: nothing of the session,
    no second stream and no key bears on it (:mod:`sip.plain_description`)."""


def audio_of(description: SessionDescription) -> int | None:
    """Index of the first live audio stream that we can relay, or of the one that the peer removed
    from a running session; None without."""
    streams = description.media
    first = streams[0] if streams else None
    if first is not None and first.port and first.protocol == PLAIN_RTP and first.kind == "audio":
        return 0  # as nearly always
    for index, media in enumerate(streams):
        if media.kind == "audio" and (
            (media.port and (media.protocol == PLAIN_RTP or _is_relayed(description, media)))
            or media.removed
        ):
            return index
    return None


def _is_relayed(description: SessionDescription, media: Media) -> bool:
    """True for RTP in the clear, for SRTP with a key that we can use, and for a browser's."""
    if is_plain(media.protocol):
        return True
    if is_secure(media.protocol) and cryptos(media.attributes):
        return True
    return web_of(description, media) is not None


def keep_removed(description: SessionDescription, known: Sequence[Codec]) -> SessionDescription:
    """An offer that takes the audio stream out of a running session by port 0, with that stream
    marked as removed (RFC 3264 section 8.2): the other leg is put on hold, and the answer has port
    0 as well. Any other description is returned as it is.

    Args:
        known: the codecs that the peer had before; the removed stream needn't name them again.
    """
    if audio_of(description) is not None or not known:
        return description
    for index, stream in enumerate(description.media):
        if stream.kind == "audio" and not stream.port and is_plain(stream.protocol):
            media = list(description.media)
            media[index] = structs.replace(
                stream,
                formats=tuple(str(codec.payload_type) for codec in known),
                attributes=tuple(line for codec in known for line in format_attributes(codec)),
                removed=True,
            )
            return structs.replace(description, media=tuple(media))
    return description


def codecs(media: Media) -> tuple[Codec, ...]:
    """The formats of a stream, in its order; unknown ones without rtpmap are left out."""
    return _codecs(media.formats, media.attributes)


@lru_cache(maxsize=256)  # every call of a phone says the same, and is asked several times
def _codecs(payload_types: tuple[str, ...], attributes: tuple[Attribute, ...]) -> tuple[Codec, ...]:
    maps: dict[str, str] = {}
    formats: dict[str, str] = {}
    for name, value in attributes:
        if value is None or name not in ("rtpmap", "fmtp"):
            continue
        payload_type, rest = _split_map(value)
        (maps if name == "rtpmap" else formats).setdefault(payload_type, rest)
    found = []
    for payload_type in payload_types:
        number = _PAYLOAD_TYPES.get(payload_type)
        mapped = _encoding(maps[payload_type]) if payload_type in maps else None
        mapped = mapped or STATIC_CODECS.get(payload_type)
        if number is not None and mapped is not None:
            found.append(Codec(number, *mapped, formats.get(payload_type)))
    return tuple(found)


def _encoding(value: str) -> tuple[str, int, int] | None:
    """encoding name "/" clock rate [ "/" channels ]"""
    name, *rest = value.split("/")
    rate = grammar.number(octets(rest[0]), 1_000_000) if rest else None
    channels = grammar.number(octets(rest[1]), 255) if len(rest) > 1 else 1
    if rate is None or channels is None or _ENCODING_NAME.fullmatch(octets(name)) is None:
        return None
    return name.upper(), rate, channels


@lru_cache(maxsize=256)  # a call asks a dozen times what each side said
def media_target(description: SessionDescription) -> MediaTarget | None:
    """The target in a description's live audio stream; None if it has none."""
    media, connection = description.media, description.connection
    if len(media) != 1 or connection is None or description.attributes:
        return _any_target(description)
    stream = media[0]
    port = stream.port
    if (  # as of nearly all but browsers
        not port
        or stream.protocol != PLAIN_RTP
        or stream.kind != "audio"
        or stream.connection is not None
        or stream.removed
    ):
        return _any_target(description)
    said, address = _said(stream.formats, stream.attributes), _host(connection.address)
    if said.has_secrets or not address:
        return _any_target(description)
    return MediaTarget(
        address,
        port,
        port if said.mux else said.rtcp_port or min(port + 1, 65535),
        said.mux,
        said.direction or "sendrecv",
        said.codecs,
        said.packet_ms,
        plain=True,
    )


def _any_target(description: SessionDescription) -> MediaTarget | None:
    index = audio_of(description)
    if index is None:
        return None
    media = description.media[index]
    connection = media.connection or description.connection
    address = "" if connection is None else connection.address
    said = _said(media.formats, media.attributes)
    usable = cryptos(media.attributes) if said.has_secrets else ()
    direction = said.direction
    if direction is None or media.removed or _is_nowhere(address):
        direction = direction_of(description, media)
    return MediaTarget(
        _host(address),
        media.port,
        media.port if said.mux or not media.port else said.rtcp_port or min(media.port + 1, 65535),
        said.mux,
        direction,
        said.codecs,
        said.packet_ms,
        media.protocol,
        usable,
        None if usable or media.protocol == PLAIN_RTP else web_of(description, media),
        plain=len(description.media) == 1
        and not description.attributes
        and media.protocol == PLAIN_RTP
        and not (said.has_secrets or media.removed),
    )


class _Said(Struct, frozen=True, gc=False):
    """The part of a target that stands in the lines of its stream, the same in each call."""

    codecs: tuple[Codec, ...]
    direction: str | None
    packet_ms: int
    mux: bool
    rtcp_port: int | None
    """RFC 3605."""
    has_secrets: bool


@lru_cache(maxsize=256)
def _said(payload_types: tuple[str, ...], attributes: tuple[Attribute, ...]) -> _Said:
    said = dict(reversed(attributes))  # the first of each name counts
    rtcp = said.get("rtcp")
    return _Said(
        _codecs(payload_types, attributes),
        next((name for name, value in attributes if value is None and name in DIRECTIONS), None),
        _packet_ms(said.get("ptime")),
        "rtcp-mux" in said,
        grammar.number(octets(rtcp.partition(" ")[0]), 65535) if rtcp else None,
        not SECRETS.isdisjoint(said),
    )


def _packet_ms(said: str | None) -> int:
    """Milliseconds of the ptime attribute, or its default."""
    return (said and grammar.number(octets(said), MAX_PACKET_MS)) or DEFAULT_PACKET_MS


def without_events(description: SessionDescription) -> SessionDescription:
    """The description without telephone events in its audio stream; with them, if it has no sound
    beside."""
    return _without(description, frozenset({EVENTS}))


def without_extras(description: SessionDescription) -> SessionDescription:
    """The description without redundancy and comfort noise, which browsers offer to everybody and
    use whenever they may."""
    return _without(description, NO_SOUND - {EVENTS})


def _without(description: SessionDescription, names: frozenset[str]) -> SessionDescription:
    index = audio_of(description)
    if index is None:
        return description
    stream = description.media[index]
    left_out = {str(c.payload_type) for c in codecs(stream) if c.name in names}
    formats = tuple(value for value in stream.formats if value not in left_out)
    if not left_out or not formats:
        return description
    media = list(description.media)
    media[index] = structs.replace(stream, formats=formats)
    return structs.replace(description, media=tuple(media))


def direction_of(description: SessionDescription, media: Media) -> str:
    """A stream's direction as the peer sees it; "inactive" also for one that goes nowhere."""
    if media.removed:
        return "inactive"
    if _is_nowhere(description.address_of(media) or "") and web_of(description, media) is None:
        return "inactive"
    return description.direction_of(media)


@lru_cache(maxsize=1024)
def _host(address: str) -> str:
    """The address if it is that of a single host; "" of any other."""
    return "" if host_address(address) is None else address


def _is_nowhere(address: str) -> bool:
    """True for 0.0.0.0 or :: in any spelling, which put a stream on hold in RFC 2543."""
    return not address.strip("0:.")


def relayed(
    description: SessionDescription,
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    allowed: frozenset[str] | None = None,
    hold_direction: str | None = None,
    answering: SessionDescription | None = None,
    added: Sequence[Codec] = (),
    protection: Protection = PLAIN,
) -> SessionDescription:
    """Our own description, made from another leg's.

    Its first audio stream lives on at our port; every other stream keeps its place with port 0
    (RFC 3264 section 6). Direction crosses as it is: who puts us on hold puts the other leg on
    hold.

    Args:
        allowed: codec names (upper case) that may cross; None for all.
        hold_direction: overrides the direction.
        answering: the offer that this answers; streams of it that the other leg left out keep
            their places.
        added: codecs that are offered after the other leg's own, since we can transcode them.
        protection: between us and this leg alone.

    Raises:
        SipError: 488, nothing that we could relay is left.
    """
    index = audio_of(description)
    if index is None:
        raise SipError(488)
    media = list(map(refused, description.media))
    if answering is not None:
        media += map(refused, answering.media[len(media) :])
    audio = description.media[index]
    formats = _allowed_formats(audio, allowed)
    direction = hold_direction or direction_of(description, audio)
    attributes = (*_crossing(audio.attributes, formats), (direction, None))
    said: tuple[Attribute, ...] = ()
    offered = formats
    for codec in added:
        if str(codec.payload_type) not in formats:
            said += format_attributes(codec)
            offered += (str(codec.payload_type),)
    if answering is not None and _is_removed(answering, index):
        port = 0
    media[index] = Media(
        "audio",
        port,
        protection.protocol,
        offered,
        attributes=(*said, *protection.attributes, *attributes),
    )
    return SessionDescription(
        Origin("-", str(origin_id), str(version), address),
        connection=Connection(address),
        media=tuple(media),
    )


def _is_removed(offer: SessionDescription, index: int) -> bool:
    return index < len(offer.media) and offer.media[index].removed


def _allowed_formats(audio: Media, allowed: frozenset[str] | None) -> tuple[str, ...]:
    if allowed is None:
        return _meaningful_formats(audio)
    passing = {str(codec.payload_type) for codec in codecs(audio) if codec.name in allowed}
    formats = tuple(value for value in audio.formats if value in passing)
    if not formats:
        raise SipError(488)
    return formats


def _meaningful_formats(audio: Media) -> tuple[str, ...]:
    """The formats of a stream without dynamic payload types that no readable rtpmap explains (RFC
    3264 section 5.1); all of them if no other is left."""
    return _explained(audio.formats, audio.attributes)


@lru_cache(maxsize=256)
def _explained(
    payload_types: tuple[str, ...], attributes: tuple[Attribute, ...]
) -> tuple[str, ...]:
    known = {str(codec.payload_type) for codec in _codecs(payload_types, attributes)}
    formats = tuple(
        value
        for value in payload_types
        if value in known or _PAYLOAD_TYPES.get(value) not in DYNAMIC_PAYLOAD_TYPES
    )
    return formats or payload_types


@lru_cache(maxsize=256)
def _crossing(said: tuple[Attribute, ...], formats: tuple[str, ...]) -> tuple[Attribute, ...]:
    """The attributes that pass to the other leg, besides the direction: of each kind and payload
    type the first, if it can be read. A damaged one is left out, for the next parser might refuse
    the call for it."""
    attributes: list[Attribute] = []
    seen: set[tuple[str, str]] = set()
    for name, value in said:
        if name not in _CROSSING or name in DIRECTIONS or value is None:
            continue
        of_format = name in ("rtpmap", "fmtp")
        payload_type, rest = _split_map(value) if of_format else ("", value)
        if (name, payload_type) in seen or not _is_sound(name, rest):
            continue
        if of_format and payload_type not in formats:
            continue
        seen.add((name, payload_type))
        attributes.append((name, f"{payload_type} {rest}" if of_format else rest))
    return tuple(attributes)


def _split_map(value: str) -> tuple[str, str]:
    """The payload type of an rtpmap or fmtp, and the rest of the value."""
    payload_type, _, rest = value.replace("\t", " ").partition(" ")
    return payload_type, rest.strip(" ")


def _is_sound(name: str, value: str) -> bool:
    """True if the value of an attribute that crosses can be read."""
    if name == "rtpmap":
        return _encoding(value) is not None
    if name == "fmtp":
        return bool(value)
    return bool(grammar.number(octets(value), MAX_PACKET_MS))


_IN_LOWER_CASE = frozenset({"TELEPHONE-EVENT", "OPUS"})
"""As their RFCs write them; some peers compare the case."""


def format_attributes(codec: Codec) -> tuple[Attribute, ...]:
    """The attributes that describe a payload type."""
    name = codec.name.lower() if codec.name in _IN_LOWER_CASE else codec.name
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    rtpmap = ("rtpmap", f"{codec.payload_type} {name}/{codec.clock_rate}{channels}")
    if codec.fmtp is None:
        return (rtpmap,)
    return rtpmap, ("fmtp", f"{codec.payload_type} {codec.fmtp}")


def refused(stream: Media) -> Media:
    """A stream that keeps its place with port 0 (RFC 3264 section 6)."""
    return Media(stream.kind, 0, stream.protocol, stream.formats[:1])


def met(offer: SessionDescription, theirs: SessionDescription) -> SessionDescription:
    """The answer to an offer by a party that made an offer as well: the formats that have the same
    number and meaning in both.

    Raises:
        SipError: 488, there are none that carry speech.
    """
    here, there = audio_of(offer), audio_of(theirs)
    if here is None or there is None:
        raise SipError(488)
    audio = theirs.media[there]
    known = {_meaning(codec) for codec in codecs(audio)}
    common = [codec for codec in codecs(offer.media[here]) if _meaning(codec) in known]
    if all(codec.name in NO_SOUND for codec in common):
        raise SipError(488)
    media = [refused(stream) for stream in offer.media]
    media[here] = structs.replace(audio, formats=tuple(str(c.payload_type) for c in common))
    return structs.replace(theirs, media=tuple(media))


def numbered_as(answer: SessionDescription, offer: SessionDescription) -> SessionDescription:
    """An answer whose formats have the payload types of the offer that it is passed on for (RFC
    3264 section 6.1), without formats that aren't in it. The other leg may have answered by numbers
    of its own; the relay translates."""
    there, here = audio_of(answer), audio_of(offer)
    if there is None or here is None:
        return answer
    stream, offered = answer.media[there], codecs(offer.media[here])
    given = codecs(stream)
    if len(given) == len(stream.formats) and {*map(_meaning, given)} <= {*map(_meaning, offered)}:
        return answer  # as nearly all do
    numbers: dict[str, str] = {}
    for codec in given:
        if codec.name == REDUNDANCY:
            continue  # the numbers in its fmtp and inside its packets would be the other leg's
        number = _number_in(offered, codec)
        if number is not None and str(number) not in numbers.values():
            numbers[str(codec.payload_type)] = str(number)
    named = {str(codec.payload_type) for codec in given}
    for value in stream.formats:  # a static payload type that we don't know by name
        if value not in named and value in offer.media[here].formats:
            numbers.setdefault(value, value)
    if not any(c.name not in NO_SOUND for c in given if str(c.payload_type) in numbers):
        return answer
    media = list(answer.media)
    media[there] = structs.replace(
        stream,
        formats=tuple(numbers[value] for value in stream.formats if value in numbers),
        attributes=tuple(_renumbered_attributes(stream.attributes, numbers)),
    )
    return structs.replace(answer, media=tuple(media))


def _number_in(offered: Sequence[Codec], codec: Codec) -> int | None:
    """The payload type of a codec in an offer: the same one, else one with the same parameters,
    else the first."""
    alike = [other for other in offered if _meaning(other)[1:] == _meaning(codec)[1:]]
    for other in alike:
        if other.payload_type == codec.payload_type:
            return other.payload_type
    equal = [other for other in alike if other.fmtp == codec.fmtp]
    return next((other.payload_type for other in (*equal, *alike)), None)


def _renumbered_attributes(
    attributes: tuple[Attribute, ...], numbers: dict[str, str]
) -> Iterator[Attribute]:
    mapped: set[str] = set()
    for name, value in attributes:
        if name not in ("rtpmap", "fmtp") or value is None:
            yield name, value
            continue
        payload_type, rest = _split_map(value)
        if payload_type in numbers:
            mapped |= {payload_type} if name == "rtpmap" else set()
            yield name, f"{numbers[payload_type]} {rest}"
    for payload_type, number in numbers.items():  # a static one needed no rtpmap, its new one does
        if payload_type not in mapped and number != payload_type and payload_type in STATIC_CODECS:
            encoding, clock_rate, _ = STATIC_CODECS[payload_type]
            yield "rtpmap", f"{number} {encoding}/{clock_rate}"


def _meaning(codec: Codec) -> tuple[int, str, int, int]:
    return codec.payload_type, codec.name, codec.clock_rate, codec.channels


def check_answer(
    offer: SessionDescription, answer: SessionDescription, added: Sequence[Codec] = ()
) -> None:
    """Check an answer against its offer (RFC 3264 section 6).

    Args:
        added: codecs that were offered besides; see :func:`relayed`.

    Raises:
        SipError: 488; more streams, another audio stream than the one offered, or no codec of
            the offer.
    """
    ours, theirs = media_target(offer), media_target(answer)
    if ours is None or theirs is None:
        raise SipError(488)
    if not (ours.plain and theirs.plain) and (
        audio_of(answer) != audio_of(offer) or len(answer.media) > len(offer.media)
    ):
        raise SipError(488)
    if not share_codec((*ours.codecs, *added), theirs.codecs):
        raise SipError(488)
