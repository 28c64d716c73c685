"""How steady a tone arrives: its level, and whether its phase ever steps.

A packet that is lost, made up, played twice or left out moves what follows it, and so turns the
phase of every tone in it. Tones a little beside whole periods of a packet are turned by a packet,
too; so a phase that stays tells that nothing was broken and that the delay is the same all along.
"""

from dataclasses import dataclass

import numpy as np
from sound import FRAME, RATE

WINDOW = 800
"""Samples: 100 ms, of which a packet is enough to be seen."""
BESIDE_HERTZ = 1.25
"""Beside whole periods of a packet: one of them is 9 degrees, all round is 0.8 s."""
MAX_STEP_DEGREES = 4.0
MAX_STEP_DB = 1.0
TONES = tuple(whole + BESIDE_HERTZ for whole in (450, 700, 1000, 1350, 1750))
"""Far enough apart for the window, and no multiples of each other. Hz."""
LOUDNESS = 3000.0
"""Of one: the sum of four fits."""
PACKET_DEGREES = 360 * BESIDE_HERTZ * FRAME / RATE
_CHUNK = 2000


def tone(hertz: float, seconds: float) -> np.ndarray:
    return LOUDNESS * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def phasors(heard: np.ndarray, hertz: float) -> np.ndarray:
    """The tone's amplitude and phase every 20 ms; 1 is as loud as it was made."""
    window = np.hanning(WINDOW)
    turn = window * np.exp(-2j * np.pi * hertz * np.arange(WINDOW) / RATE)
    windows = np.lib.stride_tricks.sliding_window_view(heard, WINDOW)[::FRAME]
    parts = [windows[at : at + _CHUNK] @ turn for at in range(0, len(windows), _CHUNK)]
    found = np.concatenate(parts)
    starts = np.arange(len(found)) * FRAME
    turned = np.exp(-2j * np.pi * hertz * starts / RATE)
    return found * turned * 2 / window.sum() / LOUDNESS


@dataclass(frozen=True)
class Steadiness:
    """Of one tone in a recording.

    Args:
        level_db: against how loud it was made.
        breaks: places where it is louder, quieter or elsewhere than just before.
        broken: the share of the time that is so.
        wandered_degrees: how far its phase ever was from where it began; whole packets of delay
            are 9 degrees each.
        seconds: that were looked at.
    """

    level_db: float
    breaks: int
    broken: float
    wandered_degrees: float
    seconds: float


def decibels(found: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.abs(found) + 1e-9)


def steadiness(found: np.ndarray) -> Steadiness:
    """Of phasors of a time in which the tone should be there all along."""
    levels = decibels(found)
    level = float(np.median(levels))
    start = found[:50].mean()
    phases = np.degrees(np.angle(found * np.conj(start)))
    gap = -(-WINDOW // FRAME)  # windows that don't overlap
    steps = np.abs(np.degrees(np.angle(found[gap:] * np.conj(found[:-gap]))))
    broken = np.abs(levels - level) > MAX_STEP_DB
    broken[gap:] |= steps > MAX_STEP_DEGREES
    begins = np.flatnonzero(broken & ~np.concatenate([[False], broken[:-1]]))
    apart = np.diff(begins, prepend=-1000) > 2 * gap
    wandered = float(np.abs(phases).max())
    return Steadiness(
        round(level, 2),
        int(apart.sum()),
        float(broken.mean()),
        round(wandered, 2),
        len(found) / 50,
    )


def all_there(*tones: np.ndarray) -> slice:
    """The time, but for half a second at both ends, in which all of these tones are heard."""
    heard = np.flatnonzero(np.min([decibels(found) for found in tones], axis=0) > -6.0)
    assert len(heard) > 100, "they are never all heard"
    return slice(int(heard[0]) + 25, int(heard[-1]) - 25)
