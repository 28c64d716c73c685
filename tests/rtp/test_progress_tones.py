"""Tones that tell a caller what happens."""

import numpy as np
import pytest

from rtp.tones import COUNTRIES, DEFAULT, cadence, tone


def loud_parts(samples):
    """(start, length) in ms of what isn't silent, to 10 ms."""
    blocks = np.abs(samples[: len(samples) // 80 * 80].reshape(-1, 80)).max(axis=1) > 500
    edges = np.flatnonzero(np.diff(np.concatenate([[False], blocks, [False]]).astype(int)))
    return [(10 * a, 10 * (b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def hertz(samples):
    spectrum = np.abs(np.fft.rfft(samples[:8000]))
    return sorted(int(i) for i in np.flatnonzero(spectrum > spectrum.max() / 2))


def test_georgian_tones():
    assert loud_parts(tone("ringback", "GE")) == [(0, 1000)]
    assert len(tone("ringback", "GE")) == 5 * 8000
    assert hertz(tone("ringback", "GE")) == [425]
    assert loud_parts(tone("busy", "GE")) == [(0, 350)]
    assert len(tone("congestion", "GE")) == 0.35 * 8000


def test_british_ringing_is_two_short_rings_of_two_tones():
    ring = tone("ringback", "GB")
    assert loud_parts(ring) == [(0, 400), (600, 400)]
    assert len(ring) == 3 * 8000


def test_american_ringing():
    assert hertz(tone("ringback", "US")) == [440, 480]


def test_special_information_is_three_rising_tones():
    sit = tone("special_information", "KZ")
    peaks = [
        int(np.abs(np.fft.rfft(sit[at : at + 2400])).argmax() * 8000 / 2400)
        for at in (0, 2640, 5280)
    ]
    assert peaks == pytest.approx([950, 1400, 1800], abs=4)


def test_a_country_of_which_nothing_is_known_has_the_recommended_tones():
    assert cadence("busy", "XX") == DEFAULT["busy"] == cadence("busy", "IR")
    with pytest.raises(KeyError):
        tone("trumpet", "GE")


@pytest.mark.parametrize("country", [*COUNTRIES, "XX"])
@pytest.mark.parametrize("name", DEFAULT)
def test_tones_neither_click_nor_overdrive(country, name):
    samples = tone(name, country).astype(int)
    assert np.abs(samples).max() <= 0.41 * 32767
    assert np.abs(np.diff(samples, append=samples[0])).max() < 11_000
    assert abs(samples[0]) < 200 and abs(samples[-1]) < 200
