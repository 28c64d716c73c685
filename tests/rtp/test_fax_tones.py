"""Fax tones: each is recognised at any level and place, and speech, keys and ringing are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.dtmf import digit_tone
from rtp.fax_tones import CED_HZ, CNG_HZ, FaxToneDetector, kinds
from rtp.g711 import LAWS
from rtp.samples import FRAME_SAMPLES, saturated
from rtp.tones import tone

QUIETEST, LOUDEST = -40.0, 0.0


def amplitude(dbm0):
    return 32767 * 10 ** ((dbm0 - 3.14) / 20)


def sine(hertz, seconds, dbm0=-12.0):
    time = np.arange(round(8000 * seconds)) / 8000
    return amplitude(dbm0) * np.sin(2 * np.pi * hertz * time)


def v21(bits, dbm0=-12.0):
    """Bits at 300 a second, with a continuous phase."""
    hertz = np.repeat([1650.0 if bit == "1" else 1850.0 for bit in bits], 80)  # at 24 kHz
    return amplitude(dbm0) * np.sin(2 * np.pi * np.cumsum(hertz) / 24_000)[::3]


def noise(seconds, dbm0, seed=1):
    rms = amplitude(dbm0) / 2**0.5
    return np.random.default_rng(seed).normal(0, rms, round(8000 * seconds))


def found_after(sound, before=0, law="PCMA"):
    """Seconds of sound until a detector is certain, after so many samples of silence; None: never.
    What it hears has been through G.711."""
    sound = saturated(np.concatenate([np.zeros(before), sound]))
    sound = LAWS[law].decode(LAWS[law].encode(sound))
    sound = np.concatenate([sound, np.zeros(-len(sound) % FRAME_SAMPLES, np.int16)])
    frames = sound.reshape(-1, FRAME_SAMPLES)
    detector = FaxToneDetector()
    for number, kind in enumerate(kinds(frames)):
        if kind and detector.take(int(kind), number, frames[number]):
            return ((number + 1) * FRAME_SAMPLES - before) / 8000
    return None


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([CNG_HZ, CED_HZ]),
    st.floats(-14.0, 14.0),
    st.floats(QUIETEST, LOUDEST),
    st.integers(0, 159),
    st.sampled_from(["PCMU", "PCMA"]),
)
def test_a_tone_is_certain_after_a_third_of_a_second(hertz, off, dbm0, before, law):
    after = found_after(sine(hertz + off, 0.425, dbm0), before, law)
    assert after is not None
    assert 0.28 < after < 0.34


def test_cng_may_be_38_hz_off():
    assert found_after(sine(CNG_HZ - 38, 0.5)) and found_after(sine(CNG_HZ + 38, 0.5))


def test_ced_of_a_v34_modem_turns_its_phase_and_swells():
    time = np.arange(8000) / 8000
    sign = np.where(time // 0.45 % 2 < 1, 1.0, -1.0)
    swelling = 1 + 0.2 * np.sin(2 * np.pi * 15 * time)
    assert found_after(sine(CED_HZ, 1.0) * sign * swelling)


@settings(max_examples=40, deadline=None)
@given(st.floats(QUIETEST, LOUDEST), st.integers(0, 159), st.booleans())
def test_a_preamble_is_certain_before_half_of_it_is_over(dbm0, before, shared):
    flags = "0111111" * 43 if shared else "01111110" * 38
    after = found_after(v21(flags, dbm0), before)
    assert after is not None
    assert after < 0.3


def test_a_preamble_in_noise_20_db_below():
    assert found_after(v21("01111110" * 38, -20.0) + noise(38 * 8 / 300, -40.0))


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(sine(CNG_HZ, 0.2), id="a beep as short as no CNG"),
        pytest.param(sine(CNG_HZ, 1.0, -50.0), id="too quiet a tone"),
        pytest.param(sine(1000, 2.0), id="the milliwatt"),
        pytest.param(sine(1200, 2.0), id="100 Hz beside CNG"),
        pytest.param(sine(2000, 2.0), id="100 Hz beside CED"),
        pytest.param(sine(1650, 2.0), id="V.21 without zeros"),
        pytest.param(v21("01" * 300), id="V.21 without flags"),
        pytest.param(sine(CNG_HZ, 2.0) + sine(700, 2.0), id="two tones"),
        pytest.param(noise(5.0, -10.0), id="noise"),
        pytest.param(np.zeros(16_000), id="silence"),
    ],
)
def test_other_sounds_are_no_fax(sound):
    assert found_after(sound) is None


def test_no_key_is_a_fax():
    for key in "0123456789ABCD*#":
        assert found_after(digit_tone(key, 1000).astype(float)) is None


@pytest.mark.parametrize("name", ["ringback", "busy", "congestion", "special_information"])
@pytest.mark.parametrize("country", ["", "GE", "US", "GB", "FR", "RU"])
def test_no_progress_tone_is_a_fax(name, country):
    assert found_after(np.tile(tone(name, country).astype(float), 3)) is None


def speech(seed):
    """Vowels: a voice of changing pitch through three formants that glide."""
    rng = np.random.default_rng(seed)
    time = np.arange(8000 * 10) / 8000
    steps = np.linspace(0, 10, 40)
    pitch = np.interp(time, steps, rng.uniform(80, 300, 40))
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    formants = [np.interp(time, steps, rng.uniform(low, high, 40))
                for low, high in ((250, 900), (900, 2400), (2200, 3400))]  # fmt: skip
    sound = np.zeros(len(time))
    for harmonic in range(1, 40):
        hertz = harmonic * pitch
        gain = sum(1 / (1 + ((hertz - formant) / 80) ** 2) for formant in formants)
        sound += np.where(hertz < 3800, gain, 0) * np.sin(harmonic * phase)
    loud = np.interp(time, steps, rng.uniform(0, 1, 40))
    return 6000 * loud * sound / np.abs(sound).max()


@pytest.mark.parametrize("seed", range(10))
def test_speech_is_no_fax(seed):
    assert found_after(speech(seed)) is None
