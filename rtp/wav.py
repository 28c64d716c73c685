"""WAV files as they are played and recorded: PCM, 8 kHz, 16 bit (RIFF, Microsoft and IBM 1991).

Strict about what it plays, for a file that is played wrongly is worse than one that is refused; not
about what stands beside the sound. What else :mod:`rtp.sound_file` can read, it converts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from rtp.samples import CLOCK_RATE, Samples

SAMPLE_BYTES = 2
HEADER_BYTES = 44
MAX_SECONDS = 3600
"""The limit of a file: no announcement and no music on hold is longer."""
HEAD_BYTES = 4096 * 16
"""The octets in which the beginning of the sound is looked for."""
MAX_BYTES = HEAD_BYTES + MAX_SECONDS * CLOCK_RATE * SAMPLE_BYTES
"""Octets of a file that are read."""
MAX_CHUNKS = 64
"""Editors write ten at most."""

_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_UNKNOWN_SIZE = 0xFFFFFFFF
"""Written first by a program that can't go back in its output."""

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_OTHER_FORMATS = {3: "floating point", 6: "A-law", 7: "u-law", 0x11: "ADPCM", 0x31: "GSM 6.10"}


class Reason(str):
    """A reason why a file can't be played: an English sentence, with its code and its facts for
    texts in other languages."""

    code: str
    facts: Mapping[str, str | int]

    def __new__(cls, code: str, sentence: str, /, **facts: str | int) -> Self:
        made = super().__new__(cls, sentence.format_map(facts))
        made.code, made.facts = code, facts
        return made


class WavError(ValueError):
    """A file that can't be played. The message joins the reasons."""

    def __init__(self, *reasons: Reason | str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


_UNFINISHED = Reason(
    "unfinished", "its sizes were never filled in: the program that wrote it didn't finish"
)
_EMPTY = Reason("empty", "there is no sound in it")


@dataclass(frozen=True, slots=True, eq=False)
class Wav:
    """The sound of a file.

    Args:
        truncated: less than its header promises; what is there is whole samples.
    """

    samples: Samples
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a file's sound, in octets from its beginning."""

    first: int
    size: int
    truncated: bool


def parse(data: bytes, max_seconds: int = MAX_SECONDS) -> Wav:
    """Read a file; the samples are a view of it.

    Raises:
        WavError: nothing else, whatever the octets.
    """
    place = find_sound(data, len(data), max_seconds)
    count = place.size // SAMPLE_BYTES
    return Wav(np.frombuffer(data, "<i2", count, place.first), place.truncated)


def find_sound(head: bytes, size: int, max_seconds: int = MAX_SECONDS) -> Place:
    """The place of a file's sound, if the file can be played as it is.

    Args:
        head: the first octets of the file; all that stands before the sound must be in them.
        size: of the whole file.

    Raises:
        WavError: with every reason why it can't be played.
    """
    if len(head) < _RIFF.size:
        raise WavError(Reason("not_wav", "{octets} octets are no WAV file", octets=len(head)))
    riff, promised, wave = _RIFF.unpack_from(head)
    if riff != b"RIFF" or wave != b"WAVE":
        raise WavError(Reason("not_wav", "it doesn't begin as a WAV file"))
    if promised in (0, _UNKNOWN_SIZE):
        raise WavError(_UNFINISHED)
    at = _RIFF.size
    form: _Format | None = None
    for _ in range(MAX_CHUNKS):
        if at + _CHUNK.size > len(head):
            raise WavError("no format in it" if form is None else "no sound in it")
        kind, length = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if kind == b"fmt ":
            form = _read_format(head[at : at + min(length, 40)])
        elif kind == b"data":
            if form is None:
                raise WavError("the sound stands before its format")
            return _checked(form, at, length, size, max_seconds)
        at += length + length % 2  # chunks begin on even octets
    raise WavError(f"more than {MAX_CHUNKS} chunks before the sound")


@dataclass(frozen=True, slots=True)
class _Format:
    """The `fmt ` chunk."""

    tag: int
    channels: int
    rate: int
    bits: int

    def faults(self) -> list[Reason]:
        """Why sound of this format can't be played."""
        found = []
        if self.tag != _PCM:
            name = _OTHER_FORMATS.get(self.tag, f"format {self.tag:#06x}")
            found.append(Reason("coding", "{coding}; PCM is needed", coding=name))
        if self.rate != CLOCK_RATE:
            text = "{rate} samples a second; {needed} are needed"
            found.append(Reason("rate", text, rate=self.rate, needed=CLOCK_RATE))
        # A compressed format's bits follow from it.
        if self.tag == _PCM and self.bits != 8 * SAMPLE_BYTES:
            text = "{bits} bits a sample; {needed} are needed"
            found.append(Reason("bits", text, bits=self.bits, needed=8 * SAMPLE_BYTES))
        if self.channels != 1:
            text = "{channels} channels; one is needed"
            found.append(Reason("channels", text, channels=self.channels))
        return found

    def seconds(self, size: int) -> float:
        """The time that so many octets of PCM last; 0 of other formats."""
        octets_a_second = self.rate * self.channels * self.bits // 8
        return size / octets_a_second if self.tag == _PCM and octets_a_second else 0.0


def _read_format(body: bytes) -> _Format:
    if len(body) < _FORMAT.size:
        raise WavError(f"a format of {len(body)} octets")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(body)
    if tag == _EXTENSIBLE and len(body) >= 40 and body[24:40] == _PCM_GUID:
        tag = _PCM
    return _Format(tag, channels, rate, bits)


def _checked(form: _Format, first: int, promised: int, size: int, max_seconds: int) -> Place:
    if promised == _UNKNOWN_SIZE:
        raise WavError(_UNFINISHED)
    there = max(0, min(promised, size - first))
    faults = form.faults()
    seconds = form.seconds(there)
    if seconds > max_seconds:
        text = "the file lasts {seconds} seconds, at most {most} are allowed"
        faults.append(Reason("too_long", text, seconds=round(seconds), most=max_seconds))
    if there < SAMPLE_BYTES:
        faults.append(_EMPTY)
    if faults:
        raise WavError(*faults)
    return Place(first, there, truncated=there < promised)


def header(data_bytes: int, channels: int = 1) -> bytes:
    """The 44 octets before the samples of a file."""
    frame = channels * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        _FORMAT.size,
        _PCM,
        channels,
        CLOCK_RATE,
        CLOCK_RATE * frame,
        frame,
        8 * SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def file_bytes(samples: Samples) -> bytes:
    """A whole file of one channel; :func:`parse` is the inverse."""
    return header(len(samples) * SAMPLE_BYTES) + samples.astype("<i2").tobytes()
