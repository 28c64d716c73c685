"""Opus (RFC 6716) beside the narrow sound of this package: optional, by libopus (an extra).

libopus decodes into and encodes from 8 kHz itself, so what is heard of it is a telephone's band.
On the wire its clock is 48 kHz whatever is in the packets (RFC 7587 section 4.1), and a packet is
as long as its first octets say.
"""

from __future__ import annotations

import ctypes
import importlib

import numpy as np

from rtp.formats import OpusTerms
from rtp.samples import CLOCK_RATE, Samples

RTP_CLOCK_RATE = 48_000
UNITS_PER_SAMPLE = RTP_CLOCK_RATE // CLOCK_RATE
"""Units of the RTP clock."""
MAX_PACKET_OCTETS = 1500
"""The octets that fit into a datagram without fragmentation; 60 ms at 200 kbit/s."""
MAX_PACKET_SAMPLES = 960
"""120 ms, the longest packet there is (RFC 6716 section 3.2.5)."""
SHORTEST_FRAME = 20
"""Samples; concealment comes in multiples of it."""
DEFAULT_BITRATE = 20_000
"""Ample for a telephone's band; the library alone would choose about as much."""
LOWEST_BITRATE = 6_000
COMPLEXITY = 5
"""The complexity, of 10: more isn't heard in this band, and costs half as much again."""
EXPECTED_LOSS_PERCENT = 10
"""The loss that is assumed for a peer that asks for forward error correction: the encoder sends
none without loss."""

_SILK_SAMPLES = (80, 160, 320, 480)
_HYBRID_SAMPLES = (80, 160)
_CELT_SAMPLES = (20, 40, 80, 160)
_FIRST_HYBRID, _FIRST_CELT = 12, 16
_CODE_OF_COUNT = 3
_MONO = 1
_VOIP = 2048
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY = 4002, 4006, 4010
_SET_FEC, _SET_LOSS = 4012, 4014
"""Numbers of opus_defines.h."""
SYSTEM_LIBRARY = "libopus.so.0"


def _library() -> ctypes.CDLL | None:
    """The libopus that the extra brings, or the system's; None without either."""
    try:
        brought: ctypes.CDLL = importlib.import_module("opuslib_next.api").libopus
        return brought
    except (ImportError, OSError, RuntimeError):  # not there, or there without its library
        pass
    try:
        return ctypes.CDLL(SYSTEM_LIBRARY)
    except OSError:
        return None


class _Functions:
    """Those of libopus that are used, with their types."""

    def __init__(self, library: ctypes.CDLL) -> None:
        # By index, which makes functions of our own: others of the process set other types.
        self.decoder_size = library["opus_decoder_get_size"]
        self.decoder_init = library["opus_decoder_init"]
        self.decoder_init.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
        self.decode = library["opus_decode"]
        self.decode.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int,
            ctypes.c_int,
        ]  # fmt: skip
        self.encoder_size = library["opus_encoder_get_size"]
        self.encoder_init = library["opus_encoder_init"]
        self.encoder_init.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_int]
        self.encoder_set = library["opus_encoder_ctl"]
        self.encoder_set.argtypes = [ctypes.c_void_p, ctypes.c_int]  # and what is to be set
        self.encode = library["opus_encode"]
        self.encode.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int32,
        ]  # fmt: skip
        self.encode.restype = ctypes.c_int32


_LIBRARY = _library()
AVAILABLE = _LIBRARY is not None
"""True if the library is installed."""
_functions = None if _LIBRARY is None else _Functions(_LIBRARY)


def samples_of(payload: bytes) -> int | None:
    """Number of 8 kHz samples in a packet, by its table of contents (RFC 6716 section 3.1); None
    if it is no packet::

         0 1 2 3 4 5 6 7
        +-+-+-+-+-+-+-+-+
        | config  |s| c |
        +-+-+-+-+-+-+-+-+
    """
    if not 0 < len(payload) <= MAX_PACKET_OCTETS:
        return None
    config, code = payload[0] >> 3, payload[0] & 3
    if config >= _FIRST_CELT:
        frame = _CELT_SAMPLES[config & 3]
    elif config >= _FIRST_HYBRID:
        frame = _HYBRID_SAMPLES[config & 1]
    else:
        frame = _SILK_SAMPLES[config & 3]
    if code == _CODE_OF_COUNT:
        frames = payload[1] & 0x3F if len(payload) > 1 else 0
    else:
        frames = 2 if code else 1
    return frame * frames if 0 < frame * frames <= MAX_PACKET_SAMPLES else None


class OpusDecoder:
    """One stream's; it remembers what came before, so packets are given to it in their order."""

    __slots__ = ("_address", "_samples", "_state", "_view")

    def __init__(self) -> None:
        assert _functions is not None
        self._state = ctypes.create_string_buffer(_functions.decoder_size(_MONO))
        _functions.decoder_init(self._state, CLOCK_RATE, _MONO)
        self._samples = bytearray(2 * MAX_PACKET_SAMPLES)
        self._view: Samples = np.frombuffer(self._samples, np.int16)
        self._address = ctypes.byref(ctypes.c_char.from_buffer(self._samples))

    def decode(self, payload: bytes) -> Samples | None:
        """A packet's sound, of both channels together; None: it can't be understood."""
        return self._decoded(payload, MAX_PACKET_SAMPLES, 0)

    def recover(self, following: bytes, samples: int) -> Samples | None:
        """Samples of the packet before `following`, from its copy in there (section 2.1.7), or
        guessed without one."""
        return self._decoded(following, samples, 1)

    def conceal(self, samples: int) -> Samples | None:
        """Samples guessed to follow the last packet, or the noise of a pause."""
        return self._decoded(None, samples, 0)

    def _decoded(self, payload: bytes | None, samples: int, recovers: int) -> Samples | None:
        assert _functions is not None
        size = 0 if payload is None else len(payload)
        count = _functions.decode(
            self._state, payload, size, self._address, min(samples, MAX_PACKET_SAMPLES), recovers
        )
        return self._view[:count].copy() if count > 0 else None


class OpusEncoder:
    """One stream's, in mono.

    Args:
        terms: what the peer wants.
    """

    __slots__ = ("_octets", "_state", "terms")

    def __init__(self, terms: OpusTerms) -> None:
        assert _functions is not None
        self.terms = terms
        self._octets = ctypes.create_string_buffer(MAX_PACKET_OCTETS)
        self._state = ctypes.create_string_buffer(_functions.encoder_size(_MONO))
        _functions.encoder_init(self._state, CLOCK_RATE, _MONO, _VOIP)
        bitrate = terms.max_bitrate or DEFAULT_BITRATE
        self._set(_SET_COMPLEXITY, COMPLEXITY)
        self._set(_SET_BITRATE, min(max(bitrate, LOWEST_BITRATE), DEFAULT_BITRATE))
        self._set(_SET_VBR, 0 if terms.constant else 1)
        if terms.recoverable:
            self._set(_SET_FEC, 1)
            self._set(_SET_LOSS, EXPECTED_LOSS_PERCENT)

    def _set(self, what: int, value: int) -> None:
        assert _functions is not None
        _functions.encoder_set(self._state, what, ctypes.c_int(value))

    def encode(self, samples: Samples) -> bytes:
        """A packet of 10, 20, 40 or 60 ms; b"" if the library refuses them."""
        assert _functions is not None
        octets = np.ascontiguousarray(samples, np.int16).tobytes()
        size = _functions.encode(self._state, octets, len(samples), self._octets, MAX_PACKET_OCTETS)
        return self._octets.raw[:size] if size > 0 else b""
