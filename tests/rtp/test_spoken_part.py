"""The silent ends of a recording are cut."""

import numpy as np
import pytest

from rtp.recording import MARGIN_FRAMES, spoken
from rtp.samples import FRAME_SAMPLES


def made(*parts):
    """(frames, amplitude) after each other, at 440 Hz."""
    tone = np.sin(2 * np.pi * 440 / 8000 * np.arange(FRAME_SAMPLES * 1000))
    cut = [tone[: frames * FRAME_SAMPLES] * amplitude for frames, amplitude in parts]
    return np.concatenate(cut).astype(np.int16)


@pytest.mark.parametrize(
    ("parts", "frames"),
    [
        ([(50, 5000)], 50),
        ([(100, 0), (50, 5000)], 50 + MARGIN_FRAMES),
        ([(50, 5000), (100, 0)], 50 + MARGIN_FRAMES),
        ([(100, 20), (50, 5000), (100, 20)], 50 + 2 * MARGIN_FRAMES),
        ([(3, 0), (50, 5000), (2, 0)], 55),
        ([(100, 0), (10, 5000), (200, 0), (10, 5000), (100, 0)], 220 + 2 * MARGIN_FRAMES),
        ([(100, 0)], 0),
        ([(100, 30)], 0),
    ],
)
def test_what_stays(parts, frames):
    samples = made(*parts)
    kept = spoken(samples)
    assert len(kept) == frames * FRAME_SAMPLES
    if frames:
        assert abs(kept.astype(int)).max() == abs(samples.astype(int)).max()


def test_nothing_and_less_than_a_frame_are_silent():
    assert not len(spoken(made((0, 0)))) and not len(spoken(np.full(100, 9000, np.int16)))
