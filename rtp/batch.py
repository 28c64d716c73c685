"""All frames of a tick decoded or encoded at once, each by its own law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtp.g711 import LAWS, PCMA, PCMU, Law
from rtp.samples import FRAME_SAMPLES, Samples

_LAWS = (PCMU, PCMA)
_DECODING = np.concatenate([law.decoding for law in _LAWS])
_ENCODING = np.concatenate([law.encoding for law in _LAWS])
_DECODING_STEP, _ENCODING_STEP = 1 << 8, 1 << 16
"""From one law's table to the next one's."""
_INDEX: dict[str | None, int] = {law.name: index for index, law in enumerate(_LAWS)}
_NOTHING = bytes(FRAME_SAMPLES)


def decoded(parts: Sequence[bytes | None], encodings: Sequence[str]) -> Samples:
    """The frames of a tick, a row of 160 samples for each part of 160 octets in its law; the row of
    a missing part has to be written over."""
    joined = b"".join([_NOTHING if part is None else part for part in parts])
    octets = np.frombuffer(joined, np.uint8).reshape(-1, FRAME_SAMPLES)
    law = _common(encodings)
    if law is not None:
        return law.decoding.take(octets)
    indices = octets.astype(np.int32)
    indices += _offsets(encodings, _DECODING_STEP)
    return _DECODING.take(indices)


def encoded(frames: Samples, encodings: Sequence[str | None]) -> bytes:
    """The rows of a tick as one octet a sample, row after row, each in its law; in PCMU where the
    encoding isn't a law of G.711."""
    law = _common(encodings)
    if law is not None:
        return law.encoding.take(frames.view(np.uint16)).tobytes()
    indices = frames.view(np.uint16).astype(np.int32)
    indices += _offsets(encodings, _ENCODING_STEP)
    return _ENCODING.take(indices).tobytes()


def _common(encodings: Sequence[str | None]) -> Law | None:
    """The law of all rows, if they have but one: then its own table is enough, in half the time."""
    names = set(encodings)
    return LAWS.get(names.pop() or "") if len(names) == 1 else None


def _offsets(encodings: Sequence[str | None], step: int) -> np.ndarray:
    return np.array([_INDEX.get(name, 0) * step for name in encodings])[:, None]
