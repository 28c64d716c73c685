"""Long texts: cut into segments, counted, and joined again (3GPP TS 23.040 section 9.2.3.24).

A short message carries 140 octets: 160 septets or 70 UCS-2 units. A longer text goes as several,
each beginning with a user data header that says which text it belongs to and which part it is::

    05 00 03 RR TT NN       information element 0: reference, total, number    153 septets, 67 units
    06 08 04 RR RR TT NN    information element 8: a reference of 16 bits      152 septets, 66 units

A segment never ends between an escape and its character, nor within a surrogate pair: phones show
such halves as rubbish.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from smpp import gsm
from smpp.codes import DataCoding

MAX_SEGMENTS = 255
"""Total and number have one octet each."""
_SINGLE = {DataCoding.DEFAULT: 160, DataCoding.UCS2: 140}
"""Octets of a text that needs no header, as they travel in SMPP: a septet has one, a unit two."""
_NARROW = {DataCoding.DEFAULT: 153, DataCoding.UCS2: 134}
_WIDE = {DataCoding.DEFAULT: 152, DataCoding.UCS2: 132}


class Part(Struct, frozen=True):
    """The text and the part of it that a segment carries; `number` counts from 1."""

    reference: int
    total: int
    number: int


class Segments(Struct, frozen=True):
    """A text as it is sent.

    Args:
        data_coding: of every segment.
        has_header: True if each begins with a user data header; then esm_class needs its bit.
        octets: what goes into short_message, segment by segment.
    """

    data_coding: int
    has_header: bool
    octets: tuple[bytes, ...]


def coding_of(text: str) -> DataCoding:
    """The cheaper alphabet that has every character: GSM if it can be, UCS-2 otherwise."""
    return DataCoding.DEFAULT if gsm.fits(text) else DataCoding.UCS2


def count(text: str) -> int:
    """The number of segments of a text; 1 for an empty text. Raises ValueError if too long."""
    if gsm.fits(text) and len(gsm.encode(text)) <= _SINGLE[DataCoding.DEFAULT]:
        return 1
    return len(split(text, 0).octets)


def split(text: str, reference: int, *, wide: bool = False) -> Segments:
    """Cut a text into segments.

    Args:
        reference: tells texts to one phone apart; 0 to 255, with `wide` to 65535.
        wide: use the header with a reference of 16 bits.

    Raises:
        ValueError: it needs more than 255 segments, or the text has a lone surrogate.
    """
    coding = coding_of(text)
    if coding is DataCoding.DEFAULT:
        characters = gsm.encode_each(text)
    else:
        characters = [character.encode("utf-16-be") for character in text]
    whole = b"".join(characters)
    if len(whole) <= _SINGLE[coding]:
        return Segments(coding, False, (whole,))
    parts = _filled(characters, (_WIDE if wide else _NARROW)[coding])
    if len(parts) > MAX_SEGMENTS:
        raise ValueError(f"the text needs {len(parts)} segments; at most {MAX_SEGMENTS} are sent")
    octets = tuple(
        header(Part(reference, len(parts), number), wide=wide) + part
        for number, part in enumerate(parts, 1)
    )
    return Segments(coding, True, octets)


def _filled(characters: Sequence[bytes], limit: int) -> list[bytes]:
    """Parts of whole characters, each filled up to a limit of octets."""
    parts = [bytearray()]
    for character in characters:
        if len(parts[-1]) + len(character) > limit:
            parts.append(bytearray())
        parts[-1] += character
    return [bytes(part) for part in parts]


def header(part: Part, *, wide: bool = False) -> bytes:
    """The user data header of a segment."""
    if wide:
        reference = part.reference.to_bytes(2, "big")
        return b"\x06\x08\x04" + reference + bytes((part.total, part.number))
    return bytes((5, 0, 3, part.reference, part.total, part.number))


def read_header(octets: bytes) -> tuple[Part | None, bytes]:
    """The part that a user data header names, and what follows the header.

    Other information elements are passed over. None: it names no part, or one that can't be
    (number 0, or over the total). Raises ValueError if the header is longer than the message.
    """
    if not octets or octets[0] >= len(octets):
        raise ValueError("the user data header is longer than the message")
    end = octets[0] + 1
    position = 1
    part = None
    while position + 2 <= end:
        kind, length = octets[position], octets[position + 1]
        value = octets[position + 2 : position + 2 + length]
        position += 2 + length
        if position > end:
            break
        if (kind, len(value)) in ((0, 3), (8, 4)):
            *reference, total, number = value
            if 1 <= number <= total:
                part = Part(int.from_bytes(bytes(reference), "big"), total, number)
    return part, octets[end:]


class Reassembly:
    """Texts of which some segments have come. Bounded: the oldest is given up for a new one.

    Args:
        hold_seconds: how long an incomplete text waits for the rest.
        max_open: incomplete texts kept at once, of all senders.
    """

    def __init__(self, hold_seconds: float = 3600.0, max_open: int = 10_000) -> None:
        self._hold_seconds = hold_seconds
        self._max_open = max_open
        self._open: dict[tuple[str, str, int, int], tuple[float, dict[int, bytes]]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, source: str, destination: str, part: Part, octets: bytes, now: float
    ) -> tuple[bytes, ...] | None:
        """Take a segment; all of them in order once the last one is there.

        A repeated segment changes nothing.
        """
        self._expire(now)
        key = (source, destination, part.reference, part.total)
        if key not in self._open:
            if len(self._open) >= self._max_open:
                self._open.pop(next(iter(self._open)))
            self._open[key] = (now + self._hold_seconds, {})
        parts = self._open[key][1]
        parts.setdefault(part.number, octets)
        if len(parts) < part.total:
            return None
        del self._open[key]
        return tuple(parts[number] for number in range(1, part.total + 1))

    def _expire(self, now: float) -> None:
        # In the order in which they began, so the first that is young ends the search.
        while self._open:
            key = next(iter(self._open))
            if self._open[key][0] > now:
                return
            del self._open[key]
