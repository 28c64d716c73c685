"""Keys as tones in the sound (ITU-T Q.23), and their recognition (Q.24).

The detector looks at blocks of 10 ms. Each is projected on the eight frequencies; three blocks in
a row that agree are a digit, so tones of 40 ms are found wherever they begin, and those under 23 ms
are not. In the midst of other sound it takes four. How far a tone is off its frequency shows in how
its phase moves from block to block.
"""

from __future__ import annotations

import cmath
import itertools
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtp.samples import CLOCK_RATE, Samples, samples_in, saturated

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
"""The keys by row and column."""

_TONES = {
    key: (LOW_HZ[row], HIGH_HZ[column])
    for row, keys in enumerate(KEYS)
    for column, key in enumerate(keys)
}

BLOCK = 80
_BLOCK_SECONDS = BLOCK / CLOCK_RATE
_BLOCKS_OF_DIGIT = 3
_BLOCKS_IN_SOUND = 4
"""If something was as loud just before: a voice that glides past a key's tones."""
_ONSET = 0.5
"""The share of a tone's power that may have been there before the tone began: two blocks before,
since the block before may contain part of it."""
_BLOCKS_OF_PAUSE = 3
"""A gap of 10 ms within a tone is passed over (Q.24 asks for it), one of 40 ms ends it."""

FULL_SCALE_DBM0 = 3.14
"""The level of a full-scale sine (G.711)."""
_MIN_LEVEL_DBM0 = -30.0
"""The least level of each tone. Q.24's administrations ask for -25 to -29."""
_MAX_TWIST_DB = 9.0
"""High tone over low one; administrations ask for 4 to 8, and a codec adds its noise."""
_MAX_REVERSE_TWIST_DB = 7.0
_MIN_LEAD_DB = 8.0
"""The least lead of a tone over the others of its group."""
_MIN_SHARE = 0.90
"""The least share of the block's energy in the two tones: speech has energy elsewhere, too."""
_MAX_SHIFT, _MAX_SHIFT_HZ = 0.02, 3.0
"""The largest deviation from the frequency: 1.5 % + 2 Hz must be accepted, 3.5 % rejected."""
_MAX_STEP_DB = 2.0
"""Between a digit's blocks: one that is only partly tone is quieter."""


def _power(dbm0: float) -> float:
    """Mean square of a sine of this level, full scale being 1."""
    return float(0.5 * 10 ** ((dbm0 - FULL_SCALE_DBM0) / 10))


_MIN_POWER = _power(_MIN_LEVEL_DBM0)
_MAX_TWIST = 10 ** (_MAX_TWIST_DB / 10)
_MAX_REVERSE_TWIST = 10 ** (_MAX_REVERSE_TWIST_DB / 10)
_MIN_LEAD = 10 ** (_MIN_LEAD_DB / 10)
_MAX_STEP = 10 ** (_MAX_STEP_DB / 10)

_HZ = np.array(LOW_HZ + HIGH_HZ)
_WINDOW = np.hanning(BLOCK + 2)[1:-1]
"""Keeps the one tone out of the other's phase."""
_PROJECTION = _WINDOW * np.exp(-2j * np.pi * np.outer(_HZ, np.arange(BLOCK)) / CLOCK_RATE)
_AMPLITUDE = _WINDOW.sum() / 2
"""The projection of a sine of amplitude 1."""
_ENERGY = (_WINDOW**2).sum()
_ADVANCE = np.exp(2j * np.pi * _HZ * _BLOCK_SECONDS)
"""The phase advance of each frequency in a block."""


def digit_tone(digit: str, milliseconds: float = 100, level_dbm0: float = -10.0) -> Samples:
    """Both tones of a key, each at `level_dbm0`.

    Raises:
        KeyError: not a key.
    """
    time = np.arange(samples_in(milliseconds)) / CLOCK_RATE
    amplitude = 32767 * (2 * _power(level_dbm0)) ** 0.5
    low, high = _TONES[digit]
    return saturated(amplitude * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))


@dataclass(frozen=True, slots=True)
class _Block:
    """The key that a block may be part of."""

    row: int
    column: int
    power: float
    low: complex
    high: complex


class DtmfDetector:
    """Detector of keys in the sound of one stream."""

    __slots__ = ("_before", "_blocks", "_gap", "_now", "_rest")

    def __init__(self) -> None:
        self._blocks: deque[_Block] = deque(maxlen=_BLOCKS_IN_SOUND)
        self._before: deque[float] = deque([0.0], maxlen=_BLOCKS_OF_DIGIT + 2)
        self._now: str | None = None
        self._gap = 0
        self._rest: Samples = np.empty(0, np.int16)

    def feed(self, samples: Samples) -> str:
        """The digits that are certain now, mostly none; each is told once, while it lasts."""
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        count = len(samples) // BLOCK
        self._rest = samples[count * BLOCK :].copy()
        if not count:
            return ""
        blocks = samples[: count * BLOCK].reshape(count, BLOCK) / 32768.0
        energies = ((blocks * _WINDOW) ** 2).sum(axis=1) / _ENERGY
        projections = blocks @ _PROJECTION.T / _AMPLITUDE
        return "".join(
            self._take(projection, float(energy))
            for projection, energy in zip(projections, energies, strict=True)
        )

    @property
    def sounding(self) -> bool:
        """A digit that was told lasts still."""
        return self._now is not None

    def _take(self, projection: NDArray[np.complex128], energy: float) -> str:
        self._before.append(energy)
        block = None if energy < _MIN_POWER else _candidate(projection, energy)
        if block is None:
            self._blocks.clear()
            self._miss()
            return ""
        self._blocks.append(block)
        digit = self._agreed()
        if digit is None:
            # The first two blocks of a digit are no gap of the one before unless they differ.
            if self._now != KEYS[block.row][block.column]:
                self._miss()
            return ""
        self._gap = 0
        if digit == self._now:
            return ""
        self._now = digit
        return digit

    def _miss(self) -> None:
        self._gap += 1
        if self._gap >= _BLOCKS_OF_PAUSE:
            self._now = None

    def _needed(self) -> int:
        began = self._before[0] < _ONSET * self._blocks[-1].power
        return _BLOCKS_OF_DIGIT if began else _BLOCKS_IN_SOUND

    def _agreed(self) -> str | None:
        """The digit of which all the last blocks are part, each steady and on its frequency."""
        needed = self._needed()
        blocks = list(self._blocks)[-needed:]
        if len(blocks) < needed:
            return None
        row, column = blocks[0].row, blocks[0].column
        if any((block.row, block.column) != (row, column) for block in blocks):
            return None
        powers = [block.power for block in blocks]
        if max(powers) > _MAX_STEP * min(powers):
            return None
        if not _on_frequency([block.low for block in blocks], row):
            return None
        if not _on_frequency([block.high for block in blocks], 4 + column):
            return None
        return KEYS[row][column]


def _candidate(projection: NDArray[np.complex128], energy: float) -> _Block | None:
    """The key whose tones a block may hold; by level, twist, lead and share of the energy."""
    powers = projection.real**2 + projection.imag**2
    powers *= 0.5
    row = int(powers[:4].argmax())
    column = int(powers[4:].argmax())
    low, high = float(powers[row]), float(powers[4 + column])
    if min(low, high) < _MIN_POWER or low + high < _MIN_SHARE * energy:
        return None
    if high > _MAX_TWIST * low or low > _MAX_REVERSE_TWIST * high:
        return None
    if not (_leads(powers[:4], row) and _leads(powers[4:], column)):
        return None
    return _Block(
        row, column, low + high, complex(projection[row]), complex(projection[4 + column])
    )


def _leads(powers: NDArray[np.float64], index: int) -> bool:
    """Over those that aren't its neighbours; those are within the window's main lobe."""
    others = [power for other, power in enumerate(powers) if abs(other - index) > 1]
    return bool(powers[index] > _MIN_LEAD * max(others))


def _on_frequency(values: list[complex], index: int) -> bool:
    """True if the tone's phase advances from block to block as its frequency requires."""
    hertz = float(_HZ[index])
    advance = complex(_ADVANCE[index])
    limit = 2 * np.pi * _BLOCK_SECONDS * (_MAX_SHIFT * hertz + _MAX_SHIFT_HZ)
    return all(
        abs(cmath.phase(after * (before * advance).conjugate())) <= limit
        for before, after in itertools.pairwise(values)
    )
