"""Levelling of recordings from a synthesiser or a studio: equally loud, and without silence at
their ends, since numbers are composed of several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, Samples, samples_in, saturated

ACTIVE_LEVEL_DBOV = -20.0
"""The mean power of speech. ITU-T G.100.1 takes -26 dBov for conversations; prompts must be
understood through the noise of a street."""
PEAK_DBOV = -2.0
"""The greatest power of a sample, whatever the mean."""
_AUDIBLE_DB = 40.0
"""A frame counts as silence if it is this much below the loudest 20 ms."""
LEAD_MS = 10
TAIL_MS = 60
"""The silence before and after a prompt: without any, words run into each other."""


def levelled(samples: NDArray[np.float32] | Samples) -> Samples:
    """Trim and level a recording of 8 kHz; an empty one stays empty."""
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
    """The samples faded in and out, so that there is no click."""
    ramp = np.linspace(0.0, 1.0, min(len(values) // 2, CLOCK_RATE // 200))
    faded = values.copy()
    faded[: len(ramp)] *= ramp
    faded[len(faded) - len(ramp) :] *= ramp[::-1]
    return faded
