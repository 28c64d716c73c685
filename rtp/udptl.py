"""UDPTL packets of T.38 fax (ITU-T T.38 section 9.1), as far as a relay reads them.

Octets 0 and 1 are the sequence number, then comes the primary IFP packet behind its length (X.691
section 11.9: one octet below 128, two octets above), then the error recovery, which the relay
passes on unread.
"""

from __future__ import annotations

_LONG = 0x80
"""A length of two octets, the upper two bits of which are 10."""
_FRAGMENTED = 0xC0
"""A length in fragments of 16 KB, which no datagram holds."""


def sequence_of(data: bytes) -> int | None:
    """The sequence number of a UDPTL packet; None for a datagram that isn't one, because it is
    shorter than the IFP packet that it announces, or announces none."""
    if len(data) < 4:
        return None
    length, begins = data[2], 3
    if length >= _LONG:
        if length >= _FRAGMENTED:
            return None
        length, begins = (length & 0x3F) << 8 | data[3], 4
    if not length or begins + length > len(data):
        return None
    return data[0] << 8 | data[1]
