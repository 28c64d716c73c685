"""The STUN keep-alive of SIP over UDP (RFC 5626 section 4.4.2): a Binding request and its answer.

Only what a registrar must: a phone learns from the answer that its flow lives, and from the address
in it whether a NAT has given it another one. There is no authentication and no other method.
"""

from __future__ import annotations

import ipaddress
import struct

from sip.flow import Address

MAGIC_COOKIE = 0x2112A442
"""Tells STUN apart from everything else (RFC 8489 section 5)."""
_HEADER = struct.Struct("!HHI12s")
_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_FAMILY = {4: 1, 6: 2}


def is_stun(data: bytes) -> bool:
    """True if a datagram is STUN: its first two bits are zero, which no SIP message's are."""
    return len(data) >= _HEADER.size and data[0] < 2


def answer(data: bytes, source: Address) -> bytes | None:
    """The success response to a Binding request; None to anything else."""
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != _BINDING_REQUEST or cookie != MAGIC_COOKIE or length != len(data) - _HEADER.size:
        return None
    value = _xor_address(source, transaction)
    attribute = struct.pack("!HH", _XOR_MAPPED_ADDRESS, len(value)) + value
    return _HEADER.pack(_BINDING_SUCCESS, len(attribute), cookie, transaction) + attribute


def _xor_address(source: Address, transaction: bytes) -> bytes:
    """Family, port and address, hidden from NATs that rewrite every address they see (RFC 8489
    section 14.2)."""
    host = ipaddress.ip_address(source[0])
    mask = struct.pack("!I", MAGIC_COOKIE) + transaction
    packed = bytes(octet ^ key for octet, key in zip(host.packed, mask, strict=False))
    port = source[1] ^ (MAGIC_COOKIE >> 16)
    return struct.pack("!BBH", 0, _FAMILY[host.version], port) + packed
