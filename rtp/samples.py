"""Sound as this package handles it: 16-bit samples at 8 kHz, in frames of 20 ms."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

CLOCK_RATE = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = FRAME_SAMPLES / CLOCK_RATE

Samples: TypeAlias = NDArray[np.int16]
"""One channel."""

SILENT_FRAME: Samples = np.zeros(FRAME_SAMPLES, np.int16)
SILENT_FRAME.flags.writeable = False


def samples_in(milliseconds: float) -> int:
    """Number of samples in so many milliseconds."""
    return round(milliseconds * CLOCK_RATE / 1000)


def saturated(values: NDArray[np.floating] | NDArray[np.integer]) -> Samples:
    """Bring values into the range of samples: what is too loud is cut, not wrapped round."""
    samples: Samples = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
    return samples
