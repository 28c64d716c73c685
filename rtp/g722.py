"""G.722 in the narrowband sound of this package: optional, by the G722 library (an extra).

The codec's own 8 kHz mode is used, so its sound has telephone bandwidth, and G.711 is preferred
where both sides have it. On the wire it is like G.711: an octet for each tick of an 8 kHz clock
(RFC 3551 section 4.5.2), so buffers and packets treat it alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from rtp.samples import CLOCK_RATE, Samples

PAYLOAD_TYPE = 9
_BIT_RATE = 64_000


class _Codec(Protocol):
    """One direction of one stream, as the library has it."""

    def encode(self, samples: np.ndarray) -> bytes: ...
    def decode(self, octets: bytes) -> np.ndarray: ...


def _library() -> Callable[[int, int], _Codec] | None:
    """The library's codec by sampling rate and bit rate; None without the library."""
    try:
        codec: Callable[[int, int], _Codec] = importlib.import_module("G722").G722
    except ImportError:
        return None
    return codec


_G722 = _library()
AVAILABLE = _G722 is not None
"""True if the library is installed."""


class G722:
    """One direction of one stream; the codec remembers what came before."""

    __slots__ = ("_codec",)

    name = "G722"
    payload_type = PAYLOAD_TYPE

    def __init__(self) -> None:
        """Raises RuntimeError without the library."""
        if _G722 is None:
            raise RuntimeError("the G722 library isn't installed")
        self._codec = _G722(CLOCK_RATE, _BIT_RATE)

    def encode(self, samples: Samples) -> bytes:
        """An octet for each sample; an even number of them."""
        octets: bytes = self._codec.encode(np.ascontiguousarray(samples, np.int16))
        return octets

    def decode(self, octets: bytes) -> Samples:
        """A sample of 8 kHz for each octet; an even number of them."""
        return np.array(self._codec.decode(octets), np.int16)
