"""All frames of a tick decoded or encoded at once, each by its own law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtp.g711 import PCMA, PCMU
from rtp.samples import FRAME_SAMPLES, Samples

_LAWS = (PCMU, PCMA)
_DECODING = np.concatenate([law.decoding for law in _LAWS])
_ENCODING = np.concatenate([law.encoding for law in _LAWS])
_DECODING_STEP, _ENCODING_STEP = 1 << 8, 1 << 16
"""From one law's table to the next one's."""
_INDEX = {law.payload_type: index for index, law in enumerate(_LAWS)}
_NOTHING = bytes(FRAME_SAMPLES)


def decoded(parts: Sequence[bytes | None], payload_types: Sequence[int]) -> Samples:
    """A row for each part; what isn't there is left to be written over."""
    joined = b"".join([_NOTHING if part is None else part for part in parts])
    indices = np.frombuffer(joined, np.uint8).reshape(-1, FRAME_SAMPLES).astype(np.int32)
    indices += _offsets(payload_types, _DECODING_STEP)
    frames: Samples = _DECODING[indices]
    return frames


def encoded(frames: Samples, payload_types: Sequence[int]) -> bytes:
    """An octet a sample, row after row; in PCMU for those with another codec than the laws."""
    indices = frames.view(np.uint16).astype(np.int32)
    indices += _offsets(payload_types, _ENCODING_STEP)
    return _ENCODING[indices].tobytes()


def _offsets(payload_types: Sequence[int], step: int) -> np.ndarray:
    return np.array([_INDEX.get(number, 0) * step for number in payload_types])[:, None]
