"""STUN messages of ICE checks (RFC 8489, RFC 8445): what a lite agent reads and answers.

:mod:`sip.stun` answers the keep-alives of SIP, which have neither password nor fingerprint.
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
import zlib

from msgspec import Struct

from rtp.latch import Address

BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
ROLE_CONFLICT, UNKNOWN_ATTRIBUTE = 487, 420
MAX_BYTES = 1280
"""Longer messages aren't read: a check takes about 100 octets."""
MAX_ATTRIBUTES = 32
TCP_MARK = "tcp "
"""Begins the host of a source that came by ICE over TCP."""

_MAGIC_COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_WORD = struct.Struct("!I")
_USERNAME, _MESSAGE_INTEGRITY, _ERROR_CODE = 0x0006, 0x0008, 0x0009
_UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS = 0x000A, 0x0020
_PRIORITY, _USE_CANDIDATE = 0x0024, 0x0025
_FINGERPRINT, _ICE_CONTROLLED, _ICE_CONTROLLING = 0x8028, 0x8029, 0x802A
_KNOWN = frozenset({_USERNAME, _MESSAGE_INTEGRITY, _PRIORITY, _USE_CANDIDATE})
_OPTIONAL_FROM = 0x8000
"""Attributes from here on may be passed over by an agent that doesn't know them."""
_FINGERPRINT_MASK = 0x5354554E
_INTEGRITY_OCTETS, _FINGERPRINT_OCTETS = 24, 8
"""Lengths with the attribute's own header."""
_REASONS = {ROLE_CONFLICT: b"Role Conflict", UNKNOWN_ATTRIBUTE: b"Unknown Attribute"}
_FAMILY = {4: 1, 6: 2}


class Binding(Struct, frozen=True, gc=False):
    """A Binding request whose form and fingerprint are right; whether its sender knows the
    password :func:`is_authentic` says."""

    data: bytes
    transaction: bytes
    username: str
    integrity_at: int
    """Where MESSAGE-INTEGRITY begins; what follows it, but for the fingerprint, isn't covered by it
    and was not read."""
    nominates: bool
    """USE-CANDIDATE: this is the pair that the peer has chosen."""
    is_controlled: bool
    """The peer takes itself for the controlled agent, which a lite agent is."""
    unknown: tuple[int, ...]
    """Attributes that we would have to understand, and don't."""


def is_stun(data: bytes) -> bool:
    """True if a datagram on a port of media is STUN (RFC 7983: its first octet is 0 to 3)."""
    return len(data) >= _HEADER.size and data[0] < 4


def read_binding(data: bytes) -> Binding | None:
    """A Binding request of an ICE agent; None for everything else, one without USERNAME,
    MESSAGE-INTEGRITY or a right FINGERPRINT among it."""
    if not _HEADER.size <= len(data) <= MAX_BYTES:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != _MAGIC_COOKIE or length != len(data) - _HEADER.size:
        return None
    found = _attributes(data)
    if found is None:
        return None
    attributes, integrity_at = found
    username = attributes.get(_USERNAME)
    if username is None or integrity_at is None or not _has_fingerprint(data):
        return None
    return Binding(
        data=data,
        transaction=transaction,
        username=username.decode("utf-8", "replace"),
        integrity_at=integrity_at,
        nominates=_USE_CANDIDATE in attributes,
        is_controlled=_ICE_CONTROLLED in attributes,
        unknown=tuple(kind for kind in attributes if kind < _OPTIONAL_FROM and kind not in _KNOWN),
    )


def _attributes(data: bytes) -> tuple[dict[int, bytes], int | None] | None:
    """The attributes up to MESSAGE-INTEGRITY, the first of each kind, and where that one begins;
    None if they don't fill the message."""
    found: dict[int, bytes] = {}
    at = _HEADER.size
    for _ in range(MAX_ATTRIBUTES):
        if at == len(data):
            return found, None
        if at + _ATTRIBUTE.size > len(data):
            return None
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + length]
        if len(value) != length:
            return None
        if kind == _MESSAGE_INTEGRITY:
            ends_at = at + _INTEGRITY_OCTETS
            whole = length == 20 and len(data) in (ends_at, ends_at + _FINGERPRINT_OCTETS)
            return (found, at) if whole else None
        found.setdefault(kind, value)
        at += _ATTRIBUTE.size + length + -length % 4
    return None


def _has_fingerprint(data: bytes) -> bool:
    at = len(data) - _FINGERPRINT_OCTETS
    if _ATTRIBUTE.unpack_from(data, at) != (_FINGERPRINT, 4):
        return False
    (said,) = _WORD.unpack_from(data, at + _ATTRIBUTE.size)
    return bool(said == zlib.crc32(data[:at]) ^ _FINGERPRINT_MASK)


def is_authentic(binding: Binding, password: str) -> bool:
    """True if the MESSAGE-INTEGRITY of a request was made with this password (RFC 8489 section
    14.5)."""
    at = binding.integrity_at
    said = binding.data[at + _ATTRIBUTE.size : at + _INTEGRITY_OCTETS]
    return hmac.compare_digest(said, _integrity(binding.data[:at], password))


def _integrity(data: bytes, password: str) -> bytes:
    """The HMAC over a message without its end, with the length that it has up to and with this
    attribute."""
    covered = bytearray(data)
    struct.pack_into("!H", covered, 2, len(data) - _HEADER.size + _INTEGRITY_OCTETS)
    return hmac.digest(password.encode("ascii"), bytes(covered), "sha1")


def success(binding: Binding, source: Address, password: str) -> bytes:
    """The answer to a check that came from `source`."""
    value = _xor_address(source, binding.transaction)
    return _message(BINDING_SUCCESS, binding.transaction, [(_XOR_MAPPED_ADDRESS, value)], password)


def error(binding: Binding, status: int, password: str) -> bytes:
    """The answer to a check that can't be acted on: ROLE_CONFLICT or UNKNOWN_ATTRIBUTE."""
    reason = _REASONS[status]
    attributes = [(_ERROR_CODE, struct.pack("!HBB", 0, *divmod(status, 100)) + reason)]
    if status == UNKNOWN_ATTRIBUTE:
        attributes.append(
            (_UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(binding.unknown)}H", *binding.unknown))
        )
    return _message(BINDING_ERROR, binding.transaction, attributes, password)


def _message(
    kind: int, transaction: bytes, attributes: list[tuple[int, bytes]], password: str
) -> bytes:
    body = b"".join(
        _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    message = _HEADER.pack(kind, len(body), _MAGIC_COOKIE, transaction) + body
    message += _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, 20) + _integrity(message, password)
    length = len(message) - _HEADER.size + _FINGERPRINT_OCTETS
    message = message[:2] + struct.pack("!H", length) + message[4:]
    fingerprint = zlib.crc32(message) ^ _FINGERPRINT_MASK
    return message + _ATTRIBUTE.pack(_FINGERPRINT, 4) + _WORD.pack(fingerprint)


def _xor_address(source: Address, transaction: bytes) -> bytes:
    """Family, port and address (RFC 8489 section 14.2)."""
    host = ipaddress.ip_address(source[0].removeprefix(TCP_MARK))
    mask = _WORD.pack(_MAGIC_COOKIE) + transaction
    packed = bytes(octet ^ key for octet, key in zip(host.packed, mask, strict=False))
    return struct.pack("!BBH", 0, _FAMILY[host.version], source[1] ^ _MAGIC_COOKIE >> 16) + packed
