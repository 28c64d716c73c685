"""Makes recordings of a synthesiser or a studio fit to stand beside each other: equally loud, and
without the silence around them, since numbers are put together of several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, Samples, samples_in, saturated

ACTIVE_LEVEL_DBOV = -20.0
"""Mean power while something is said. ITU-T G.100.1 takes -26 dBov for conversations; prompts are
to be understood through the noise of a street."""
PEAK_DBOV = -2.0
"""No sample is louder, whatever the mean."""
_AUDIBLE_DB = 40.0
"""So far below the loudest 20 ms a frame is silence."""
LEAD_MS = 10
TAIL_MS = 60
"""Of silence before and after what is said: without any, words run into each other."""


def levelled(samples: NDArray[np.float32] | Samples) -> Samples:
    """Trim and level a recording of 8 kHz; one that holds nothing comes back empty."""
    values = np.asarray(samples, np.float64)
    frames = _power_of_frames(values)
    loudest = frames.max(initial=0.0)
    if loudest < 1.0:
        return np.empty(0, np.int16)
    audible = np.flatnonzero(frames > loudest / 10 ** (_AUDIBLE_DB / 10))
    said = values[audible[0] * FRAME_SAMPLES : (audible[-1] + 1) * FRAME_SAMPLES]
    power = frames[audible].mean()
    gain = 32768 * 10 ** (ACTIVE_LEVEL_DBOV / 20) / np.sqrt(power)
    gain = min(gain, 32768 * 10 ** (PEAK_DBOV / 20) / np.abs(said).max())
    lead, tail = samples_in(LEAD_MS), samples_in(TAIL_MS)
    return saturated(np.concatenate([np.zeros(lead), _faded(said * gain), np.zeros(tail)]))


def _power_of_frames(values: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(values, (0, -len(values) % FRAME_SAMPLES))
    power: NDArray[np.float64] = (padded.reshape(-1, FRAME_SAMPLES) ** 2).mean(axis=1)
    return power


def _faded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nothing begins or ends with a click."""
    ramp = np.linspace(0.0, 1.0, min(len(values) // 2, CLOCK_RATE // 200))
    faded = values.copy()
    faded[: len(ramp)] *= ramp
    faded[len(faded) - len(ramp) :] *= ramp[::-1]
    return faded
