"""WAV files as they are played and recorded: PCM, 8 kHz, 16 bit (RIFF, Microsoft and IBM 1991).

Strict about what it plays, for a file that is played wrongly is worse than one that is refused; not
about what stands beside the sound. What else :mod:`rtp.sound_file` can read, it converts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from rtp.samples import CLOCK_RATE, Samples

SAMPLE_BYTES = 2
HEADER_BYTES = 44
MAX_SECONDS = 3600
"""Of one file: no announcement and no music on hold is longer."""
MAX_BYTES = 4096 * 16 + MAX_SECONDS * CLOCK_RATE * SAMPLE_BYTES
"""With what may stand beside the sound."""
MAX_CHUNKS = 64
"""Editors write ten at most."""

_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_UNKNOWN_SIZE = 0xFFFFFFFF
"""What is written first by a program that can't go back in its output."""

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_OTHER_FORMATS = {3: "floating point", 6: "A-law", 7: "u-law", 0x11: "ADPCM", 0x31: "GSM 6.10"}


class WavError(ValueError):
    """Not to be played; the text says exactly why."""


@dataclass(frozen=True, slots=True, eq=False)
class Wav:
    """What a file holds.

    Args:
        truncated: less than its header promises; what is there is whole samples.
    """

    samples: Samples
    truncated: bool = False


def parse(data: bytes) -> Wav:
    """Read a file; the samples are a view of it.

    Raises:
        WavError: nothing else, whatever the octets.
    """
    if len(data) > MAX_BYTES:
        raise WavError(f"{len(data)} octets; {MAX_BYTES}, which is {MAX_SECONDS} s, are the most")
    if len(data) < _RIFF.size:
        raise WavError(f"{len(data)} octets are no WAV file")
    riff, size, wave = _RIFF.unpack_from(data)
    if riff != b"RIFF" or wave != b"WAVE":
        raise WavError("it doesn't begin as a WAV file")
    if size in (0, _UNKNOWN_SIZE):
        raise WavError("its sizes were never filled in: the program that wrote it didn't finish")
    return _parse_chunks(data)


def _parse_chunks(data: bytes) -> Wav:
    at = _RIFF.size
    format_seen = False
    for _ in range(MAX_CHUNKS):
        if at + _CHUNK.size > len(data):
            raise WavError("no sound in it" if format_seen else "no format in it")
        kind, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if kind == b"fmt ":
            _check_format(data[at : at + min(size, 40)])
            format_seen = True
        elif kind == b"data":
            if not format_seen:
                raise WavError("the sound stands before its format")
            return _sound(data, at, size)
        at += size + size % 2  # chunks begin on even octets
    raise WavError(f"more than {MAX_CHUNKS} chunks before the sound")


def _check_format(body: bytes) -> None:
    if len(body) < _FORMAT.size:
        raise WavError(f"a format of {len(body)} octets")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(body)
    if tag == _EXTENSIBLE and len(body) >= 40 and body[24:40] == _PCM_GUID:
        tag = _PCM
    if tag != _PCM:
        name = _OTHER_FORMATS.get(tag, f"format {tag:#06x}")
        raise WavError(f"{name}; PCM is needed")
    if rate != CLOCK_RATE:
        raise WavError(f"{rate} samples a second; {CLOCK_RATE} are needed")
    if bits != 8 * SAMPLE_BYTES:
        raise WavError(f"{bits} bits a sample; {8 * SAMPLE_BYTES} are needed")
    if channels != 1:
        raise WavError(f"{channels} channels; one is needed")


def _sound(data: bytes, at: int, size: int) -> Wav:
    if size == _UNKNOWN_SIZE:
        raise WavError("its sizes were never filled in: the program that wrote it didn't finish")
    there = min(size, len(data) - at)
    count = there // SAMPLE_BYTES
    if not count:
        raise WavError("there is no sound in it")
    return Wav(np.frombuffer(data, "<i2", count, at), truncated=there < size)


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
