"""T.38 fax in session descriptions (ITU-T T.38 annex D, RFC 7345 section 2): ``m=image 4200 udptl
t38``.

A fax terminal offers it in the call that it was reached by, mostly in the place of the sound. The
stream crosses from leg to leg with its attributes; address and port are ours.
"""

from __future__ import annotations

import re

from msgspec import Struct, structs

from sip.errors import SipError
from sip.flow import host_address
from sip.offer_answer import audio_of, refused
from sip.sdp import (
    DIRECTIONS,
    Attribute,
    Connection,
    Media,
    Origin,
    SessionDescription,
)

_KIND, _PROTOCOL, _FORMAT = "image", "udptl", "t38"
_ATTRIBUTE = re.compile(r"T38[A-Za-z0-9]{1,40}", re.IGNORECASE)
"""T38FaxVersion, T38MaxBitRate, T38FaxRateManagement, T38FaxMaxBuffer, T38FaxUdpEC, ..., and those
of makers."""


class FaxTarget(Struct, frozen=True, gc=False):
    """The address at which a peer receives T.38."""

    address: str
    """"" when the peer names no single host: then its address is learned from its packets."""
    port: int


def fax_of(description: SessionDescription) -> int | None:
    """Index of the first live stream of T.38 over UDPTL; None without."""
    streams = description.media
    if len(streams) == 1 and streams[0].kind == "audio":
        return None  # as nearly always
    for index, media in enumerate(streams):
        if media.port and _is_fax(media):
            return index
    return None


def _is_fax(media: Media) -> bool:
    return (
        media.kind.lower() == _KIND
        and media.protocol.lower() == _PROTOCOL
        and _FORMAT in (value.lower() for value in media.formats)
    )


def is_fax_alone(description: SessionDescription) -> bool:
    """True for a description with T.38 in the place of sound."""
    return audio_of(description) is None and fax_of(description) is not None


def fax_target(description: SessionDescription) -> FaxTarget | None:
    """The target in a description's T.38 stream; None if it has none."""
    index = fax_of(description)
    if index is None:
        return None
    media = description.media[index]
    address = description.address_of(media) or ""
    return FaxTarget("" if host_address(address) is None else address, media.port)


def with_fax(
    ours: SessionDescription, description: SessionDescription, port: int
) -> SessionDescription:
    """Our description of a leg with the T.38 stream of the other leg's beside the sound."""
    index = fax_of(description)
    if index is None:
        return ours
    media = list(ours.media)
    media[index] = _crossing(description.media[index], port)
    return structs.replace(ours, media=tuple(media))


def fax_alone(
    description: SessionDescription,
    *,
    origin_id: int,
    version: int,
    address: str,
    port: int,
    answering: SessionDescription | None = None,
) -> SessionDescription:
    """Our own description with nothing but the T.38 stream of another leg's; every other stream
    keeps its place with port 0.

    Args:
        answering: the offer that this answers; streams of it that the other leg left out keep
            their places.

    Raises:
        SipError: 488, there is no T.38 stream.
    """
    if fax_of(description) is None:
        raise SipError(488)
    media = [refused(stream) for stream in description.media]
    if answering is not None:
        media += [refused(stream) for stream in answering.media[len(media) :]]
    ours = SessionDescription(
        Origin("-", str(origin_id), str(version), address),
        connection=Connection(address),
        media=tuple(media),
    )
    return with_fax(ours, description, port)


def check_fax_answer(offer: SessionDescription, answer: SessionDescription) -> None:
    """Check an answer with T.38 against its offer (RFC 3264 section 6).

    Raises:
        SipError: 488; more streams, or another T.38 stream than the one offered.
    """
    index = fax_of(answer)
    if index is None or index != fax_of(offer) or len(answer.media) > len(offer.media):
        raise SipError(488)


def _crossing(stream: Media, port: int) -> Media:
    """A T.38 stream for the other leg: its attributes as they were written, since terminals of
    different age know them in different spellings."""
    return Media(
        stream.kind, port, stream.protocol, stream.formats[:1], attributes=_kept(stream.attributes)
    )


def _kept(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    return tuple(
        (name, value)
        for name, value in attributes
        if name in DIRECTIONS or _ATTRIBUTE.fullmatch(name)
    )
