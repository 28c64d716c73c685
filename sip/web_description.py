"""SDP of browsers (RFC 8829): ICE, DTLS-SRTP and bundles, in the part that one audio stream needs.

A browser's stream is UDP/TLS/RTP/SAVPF. Its address in SDP means nothing: it is wherever its ICE
checks come from. We are a lite agent (RFC 8445 section 2.5) with one address, which is all of our
candidates, and RTCP shares the port of RTP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, structs

from sip.sdp import Attribute, Media, SessionDescription

WEB_RTP = "UDP/TLS/RTP/SAVPF"
_PROFILES = frozenset(
    {WEB_RTP, "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"}
)
"""Those of RFC 5764, and those that older browsers write. The last two mean SDES where the stream
has no fingerprint."""

MAX_FINGERPRINTS = 8
_ICE_NAME = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{3,16})[ \t]+((?:[0-9A-Fa-f]{2}:){15,63}[0-9A-Fa-f]{2})")
_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_SETUPS = frozenset({"active", "passive", "actpass"})

HOST_PRIORITY = 126 << 24 | 65_535 << 8 | 255
"""Of a host candidate over UDP (RFC 8445 section 5.1.2.1)."""
TCP_PRIORITY = 90 << 24 | 65_535 << 8 | 255
"""Of one over TCP: only where UDP doesn't get through."""
STREAM_NAME = "softswitch audio"
"""The stream and the track, by which a page finds them (RFC 8830)."""


class Web(Struct, frozen=True, gc=False):
    """The ICE and DTLS part of a browser's description. Its password is never shown."""

    ufrag: str
    password: str
    fingerprints: tuple[str, ...]
    """Hash function and digest: "sha-256 AB:CD..."."""
    setup: str
    """Its part in DTLS (RFC 4145): active, passive or actpass."""
    multiplexes: bool
    """RTCP comes by the port of RTP (RFC 5761)."""

    def __repr__(self) -> str:
        return f"Web({self.ufrag} {self.setup})"


class OwnWeb(Struct, frozen=True, gc=False):
    """The same part of a description of ours."""

    ufrag: str
    password: str
    fingerprint: str
    setup: str
    ice_tcp_port: int = 0
    """For browsers that get no UDP through; 0: there is none."""

    def __repr__(self) -> str:
        return f"OwnWeb({self.ufrag} {self.setup})"


def has_web_profile(protocol: str) -> bool:
    """True if a stream of this protocol may be a browser's."""
    return protocol.upper() in _PROFILES


def web_of(description: SessionDescription, stream: Media) -> Web | None:
    """The browser's part of a stream; None if it isn't one, or a line that it needs can't be
    read. A line of the session counts where the stream has none (RFC 8839 section 5.4)."""
    if not has_web_profile(stream.protocol):
        return None
    lines = (*stream.attributes, *description.attributes)
    said = {name: value for name, value in reversed(lines) if value is not None}
    fingerprints = _fingerprints(stream.attributes) or _fingerprints(description.attributes)
    ufrag, password = said.get("ice-ufrag", ""), said.get("ice-pwd", "")
    setup = said.get("setup", "actpass").lower()
    if not fingerprints or setup not in _SETUPS:
        return None
    if not _ICE_NAME.fullmatch(ufrag) or not _ICE_PASSWORD.fullmatch(password):
        return None
    multiplexes = any(name == "rtcp-mux" for name, _ in stream.attributes)
    return Web(ufrag, password, fingerprints, setup, multiplexes)


def _fingerprints(attributes: tuple[Attribute, ...]) -> tuple[str, ...]:
    values = [value for name, value in attributes if name == "fingerprint" and value is not None]
    read = (_FINGERPRINT.fullmatch(value.strip()) for value in values[:MAX_FINGERPRINTS])
    return tuple(f"{found[1].lower()} {found[2].upper()}" for found in read if found is not None)


def mids_of(description: SessionDescription) -> tuple[str | None, ...]:
    """The identification of each stream (RFC 5888); None for one without."""
    return tuple(_mid(stream) for stream in description.media)


def _mid(stream: Media) -> str | None:
    found = (value for name, value in stream.attributes if name == "mid")
    mid = next(found, None)
    return mid if mid is not None and _MID.fullmatch(mid) else None


def dressed(
    description: SessionDescription,
    own: OwnWeb,
    *,
    mids: Sequence[str | None],
    offer: SessionDescription | None,
) -> SessionDescription:
    """A description of ours with what a browser needs beside: our ICE names, candidates and
    fingerprint on the audio stream, identifications on every stream, and a bundle of the one.

    Args:
        mids: of the browser's own description; our own numbers where it has sent none.
        offer: the browser's, if this answers it: refused streams keep its protocol and formats.
    """
    live = next((i for i, one in enumerate(description.media) if one.port), None)
    numbered = offer is None
    media: list[Media] = []
    for index, stream in enumerate(description.media):
        mid = mids[index] if index < len(mids) else (str(index) if numbered else None)
        added: list[Attribute] = [] if mid is None else [("mid", mid)]
        if index == live:
            added += _lines(own, description.address_of(stream) or "", stream.port)
            media.append(structs.replace(stream, attributes=(*added, *stream.attributes)))
        else:
            media.append(_refused(stream, index, offer, tuple(added)))
    attributes: list[Attribute] = [("ice-lite", None)]
    if live is not None:
        bundled = next((value for name, value in media[live].attributes if name == "mid"), None)
        if bundled is not None and (offer is None or _is_bundled(offer, bundled)):
            attributes.append(("group", f"BUNDLE {bundled}"))
    attributes.append(("msid-semantic", "WMS *"))
    return structs.replace(
        description, attributes=(*description.attributes, *attributes), media=tuple(media)
    )


def _is_bundled(offer: SessionDescription, mid: str) -> bool:
    """True if an offer has a bundle with this stream (RFC 9143)."""
    groups = [value.split() for name, value in offer.attributes if name == "group" and value]
    return any(group[:1] == ["BUNDLE"] and mid in group[1:] for group in groups)


def _lines(own: OwnWeb, address: str, port: int) -> list[Attribute]:
    lines: list[Attribute] = [
        ("rtcp-mux", None),
        ("ice-ufrag", own.ufrag),
        ("ice-pwd", own.password),
        ("fingerprint", own.fingerprint),
        ("setup", own.setup),
        ("candidate", f"1 1 udp {HOST_PRIORITY} {address} {port} typ host"),
    ]
    if own.ice_tcp_port:
        where = f"{address} {own.ice_tcp_port}"
        lines.append(("candidate", f"2 1 tcp {TCP_PRIORITY} {where} typ host tcptype passive"))
    return [*lines, ("end-of-candidates", None), ("msid", STREAM_NAME)]


def _refused(
    stream: Media, index: int, offer: SessionDescription | None, mid: tuple[Attribute, ...]
) -> Media:
    """A stream with port 0, by a protocol that browsers read."""
    offered = offer.media[index] if offer is not None and index < len(offer.media) else None
    protocol = WEB_RTP if offered is None else offered.protocol
    formats = stream.formats if offered is None else offered.formats[:1]
    return structs.replace(stream, protocol=protocol, formats=formats, attributes=mid)
