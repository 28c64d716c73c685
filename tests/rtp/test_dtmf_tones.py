"""Keys in the sound, against the limits of ITU-T Q.24."""

import numpy as np
import pytest

from rtp.dtmf import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector, digit_tone
from rtp.g711 import PCMA, PCMU
from rtp.samples import FRAME_SAMPLES

EVERY_KEY = "".join(KEYS)


def ms(milliseconds):
    return np.zeros(8 * milliseconds, np.int16)


def tone(low, high, milliseconds=50, low_dbm0=-10.0, high_dbm0=-10.0):
    time = np.arange(8 * milliseconds) / 8000
    loud = [32767 * 10 ** ((level - 3.14) / 20) for level in (low_dbm0, high_dbm0)]
    waves = [a * np.sin(2 * np.pi * hz * time) for a, hz in zip(loud, (low, high), strict=True)]
    return sum(waves).round().astype(np.int16)


def found(*parts, law=PCMU):
    """Digits in what a telephone line makes of it, 20 ms at a time."""
    samples = np.concatenate([ms(30), *parts, ms(100)])
    heard = law.decode(law.encode(samples))
    detector = DtmfDetector()
    frames = range(0, len(heard), FRAME_SAMPLES)
    return "".join(detector.feed(heard[at : at + FRAME_SAMPLES]) for at in frames)


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["u", "A"])
def test_every_key_is_heard_once(law):
    parts = [part for key in EVERY_KEY for part in (digit_tone(key, 60), ms(60))]
    assert found(*parts, law=law) == EVERY_KEY


@pytest.mark.parametrize("offset", range(0, 80, 7))
def test_forty_milliseconds_and_forty_of_pause_are_enough_wherever_they_begin(offset):
    start = np.zeros(offset, np.int16)
    assert found(start, digit_tone("5", 40), ms(40), digit_tone("5", 40)) == "55"


@pytest.mark.parametrize("offset", range(0, 80, 7))
@pytest.mark.parametrize("milliseconds", [10, 20, 23])
def test_shorter_tones_are_no_keys(offset, milliseconds):
    assert found(np.zeros(offset, np.int16), digit_tone("5", milliseconds)) == ""


@pytest.mark.parametrize("offset", range(0, 80, 13))
def test_a_gap_of_ten_milliseconds_does_not_make_two_of_one(offset):
    start = np.zeros(offset, np.int16)
    assert found(start, digit_tone("8", 60), ms(10), digit_tone("8", 60)) == "8"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("key", EVERY_KEY)
def test_frequencies_may_be_off_by_one_and_a_half_percent_but_not_by_three_and_a_half(key, sign):
    row = next(index for index, keys in enumerate(KEYS) if key in keys)
    low, high = LOW_HZ[row], HIGH_HZ[KEYS[row].index(key)]
    near = [hz + sign * (0.015 * hz + 2) for hz in (low, high)]
    assert found(tone(*near)) == key
    far = 1 + sign * 0.035
    assert found(tone(low * far, high)) == ""
    assert found(tone(low, high * far)) == ""


@pytest.mark.parametrize("level", [0.0, -25.0])
def test_keys_may_be_loud_or_quiet(level):
    loudest = min(level, -3.0)  # both at 0 dBm0 would be more than full scale
    assert found(tone(770, 1336, low_dbm0=loudest, high_dbm0=loudest)) == "5"


def test_noise_that_is_quieter_than_a_key_may_be_is_none():
    assert found(tone(770, 1336, low_dbm0=-45, high_dbm0=-45)) == ""


@pytest.mark.parametrize("twist", [-6, 8])
def test_one_tone_may_be_louder_than_the_other(twist):
    assert found(tone(770, 1336, low_dbm0=-16, high_dbm0=-16 + twist)) == "5"


@pytest.mark.parametrize("twist", [-12, 14])
def test_but_not_by_much_more(twist):
    assert found(tone(770, 1336, low_dbm0=-16, high_dbm0=-16 + twist)) == ""


def test_keys_are_heard_through_noise():
    rng = np.random.default_rng(1)
    keys = np.concatenate([np.concatenate([digit_tone(key, 70), ms(70)]) for key in EVERY_KEY])
    signal = np.sqrt((digit_tone("5", 70).astype(float) ** 2).mean())
    noise = rng.normal(0, signal * 10 ** (-18 / 20), len(keys))
    assert found((keys + noise).clip(-32768, 32767).astype(np.int16)) == EVERY_KEY


def voice(seconds, seed):
    """Vowels: pulses of a changing pitch through two or three resonances, as a throat does it."""
    rng = np.random.default_rng(seed)
    sound = []
    while sum(map(len, sound)) < seconds * 8000:
        length = int(rng.uniform(0.08, 0.35) * 8000)
        pitch = rng.uniform(80, 300) * (1 + rng.uniform(-0.15, 0.15) * np.linspace(0, 1, length))
        phase = np.cumsum(pitch) / 8000
        harmonics = np.arange(1, 40)[:, None]
        hertz = harmonics * pitch
        formants = [rng.uniform(250, 900), rng.uniform(850, 2300), rng.uniform(2300, 3200)]
        widths = rng.uniform(50, 140, 3)
        gain = sum(
            level / (1 + ((hertz - formant) / width) ** 2)
            for formant, width, level in zip(formants, widths, (1, 0.7, 0.3), strict=True)
        )
        gain[hertz > 3600] = 0
        vowel = (gain * np.sin(2 * np.pi * harmonics * phase)).sum(axis=0)
        vowel *= np.hanning(length) ** 0.3
        vowel += rng.normal(0, 0.02, length) * np.abs(vowel).max()
        sound.append(vowel * rng.uniform(3000, 12000) / np.abs(vowel).max())
    return np.concatenate(sound).astype(np.int16)


def test_nobody_talks_a_key():
    heard = [found(voice(60, seed)) for seed in range(5)]
    assert "".join(heard) == ""


def test_music_of_two_notes_and_a_progress_tone_are_no_keys():
    time = np.arange(16_000) / 8000
    notes = [697, 770, 880, 987, 1318, 1480]
    for first in notes:
        chord = sum(np.sin(2 * np.pi * hz * time) for hz in (first, first * 1.25, first * 1.5))
        assert found((4000 * chord).astype(np.int16)) == ""
    assert found((8000 * np.sin(2 * np.pi * 425 * time)).astype(np.int16)) == ""
