"""Keys of SRTP in SDP: a=crypto (RFC 4568), with the suites of RFC 7714 besides.

::

    a=crypto:<tag> <crypto-suite> inline:<key||salt>["|" lifetime]["|" MKI ":" length] [params]

An audio stream of RTP/SAVP has them because it must; one of RTP/AVP because it can do both
(RFC 8643).
"""

from __future__ import annotations

import binascii
import re

from msgspec import Struct

from sip.sdp import PLAIN_RTP, Attribute

SECURE_RTP = "RTP/SAVP"
_PLAIN_PROFILES = frozenset({PLAIN_RTP, "RTP/AVPF"})
_SECURE_PROFILES = frozenset({SECURE_RTP, "RTP/SAVPF"})
"""The profiles with feedback (RFC 4585, RFC 5124) differ in their RTCP alone, and a peer may send
and get the plain kind of that: they are spoken as AVP and SAVP, and answered by their own name."""


def is_plain(protocol: str) -> bool:
    """True if a stream of this protocol is RTP in the clear, whatever its case."""
    return protocol.upper() in _PLAIN_PROFILES


def is_secure(protocol: str) -> bool:
    """True if a stream of this protocol is SRTP with its keys in SDP, whatever its case."""
    return protocol.upper() in _SECURE_PROFILES


SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
"""Octets of a master key with its salt, in the order in which we offer them: first what nearly
every phone has, last the one with the short tag."""
MAX_LINES = 16
"""The limit of a=crypto lines in one stream; phones send up to eight."""

_CRYPTO = re.compile(
    r"([0-9]{1,9}) +([A-Za-z0-9_]{1,64}) +inline:([A-Za-z0-9+/]{1,88}={0,2})"
    r"(?:\|(?:2\^[0-9]{1,2}|[0-9]{1,20}))?((?: +[A-Za-z0-9_=^\"-]{1,64})*) *"
)
"""One key, with or without a lifetime. A key with an MKI isn't understood, and so isn't used."""
_HARMLESS = re.compile(r"WSH=[0-9]{1,6}")
"""The one session parameter that asks nothing of us (section 6.3.7); any other would have to be
obeyed."""


class Crypto(Struct, frozen=True, gc=False):
    """A line that can be used. Its key is never shown."""

    tag: str
    suite: str
    key: bytes

    def __repr__(self) -> str:
        return f"Crypto({self.tag} {self.suite})"


class Protection(Struct, frozen=True, gc=False):
    """The SRTP part of a description of ours."""

    protocol: str = PLAIN_RTP
    attributes: tuple[Attribute, ...] = ()

    def __repr__(self) -> str:
        return f"Protection({self.protocol}, {len(self.attributes)} keys)"


PLAIN = Protection()


def cryptos(attributes: tuple[Attribute, ...]) -> tuple[Crypto, ...]:
    """The lines of a stream that we can use, in its order."""
    values = [value for name, value in attributes if name == "crypto" and value is not None]
    read = (_read(value) for value in values[:MAX_LINES])
    return tuple(crypto for crypto in read if crypto is not None)


def _read(value: str) -> Crypto | None:
    found = _CRYPTO.fullmatch(value)
    if found is None:
        return None
    tag, suite, encoded, parameters = found.groups()
    if any(_HARMLESS.fullmatch(parameter) is None for parameter in parameters.split()):
        return None
    try:
        key = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return None
    return Crypto(tag, suite, key) if len(key) == SUITES.get(suite) else None


def attribute(tag: str, suite: str, key: bytes) -> Attribute:
    """A line of our own."""
    encoded = binascii.b2a_base64(key, newline=False).decode("ascii")
    return "crypto", f"{tag} {suite} inline:{encoded}"
