"""Payload types of one side of a call: what each number means, in each direction (RFC 3264 section
5.1, RFC 3551 section 6).

A number means what its rtpmap says; only one without an rtpmap has its static meaning. Both sides
choose their own numbers, so one codec may have another number in each direction and on each side.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

Encoding = Literal["PCMU", "PCMA", "G722", "OPUS", "CN", "TELEPHONE-EVENT"]
"""Names of the encodings that this package reads, in upper case."""

STATIC: dict[int, Encoding] = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN"}
"""Payload types with a meaning of their own (RFC 3551 section 6), of what this package reads."""


class OpusTerms(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Wishes of one side for the Opus that it is sent (RFC 7587 section 6.1).

    Args:
        recoverable: packets carry the one before, too (useinbandfec).
        constant: packets have one size (cbr).
        max_bitrate: at most so many bits a second; 0: no limit.
    """

    recoverable: bool = False
    constant: bool = False
    max_bitrate: int = 0


class Formats(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The payload types of one side, as far as both sides have described them.

    Args:
        encoding: in which the switch itself speaks to this side; None: in nothing.
        payload_type: the number of that encoding.
        event_payload_type: the number of RFC 4733 events that this side is sent; None: it takes
            none.
        clock_rate: Hz of the timestamps that this side sends.
        event_clock_rate: Hz in which the durations of its events are counted.
        opus: what it asks of Opus; None: it doesn't have Opus.
        received: meanings of numbers that this side may send, each with an encoding, or None for
            one that this package doesn't read. They stand above the static meanings and above the
            two numbers that this side is sent.
        renumbered: numbers of this side whose packets reach the other side under another number,
            and that number.
    """

    encoding: Encoding | None = "PCMU"
    payload_type: int = 0
    event_payload_type: int | None = None
    clock_rate: int = 8000
    event_clock_rate: int = 8000
    opus: OpusTerms | None = None
    received: tuple[tuple[int, Encoding | None], ...] = ()
    renumbered: tuple[tuple[int, int], ...] = ()

    def meanings(self) -> dict[int, Encoding]:
        """The encoding of each payload type that this side may send."""
        known: dict[int, Encoding | None] = {**STATIC}
        if self.encoding is not None:
            known[self.payload_type] = self.encoding
        if self.event_payload_type is not None:
            known[self.event_payload_type] = "TELEPHONE-EVENT"
        known.update(self.received)
        return {number: encoding for number, encoding in known.items() if encoding is not None}


UNKNOWN = Formats(encoding=None)
"""Those of a side that has said nothing yet."""


@lru_cache(maxsize=1024)
def event_numbers(formats: Formats) -> frozenset[int]:
    """Payload types by which a side tells of keys (RFC 4733). Kept, since a call asks three times
    and few phones differ in them."""
    return frozenset(n for n, said in formats.meanings().items() if said == "TELEPHONE-EVENT")
