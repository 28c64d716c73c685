"""Lost packets and pauses, as they sound."""

import itertools

import numpy as np
import pytest

from rtp.comfort_noise import ComfortNoise, level_db
from rtp.concealment import Concealer
from rtp.g711 import PCMA, PCMU

FRAME = 160


def sine(hertz, frames, amplitude=8000):
    time = np.arange(frames * FRAME) / 8000
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def played(samples, lost):
    concealer = Concealer()
    frames = []
    for number, frame in enumerate(samples.reshape(-1, FRAME)):
        frames.append(concealer.conceal(PCMU) if number in lost else concealer.keep(frame))
    return np.concatenate(frames).astype(int)


def rms(samples):
    return np.sqrt((samples.astype(float) ** 2).mean())


def test_without_loss_nothing_is_touched():
    samples = sine(440, 10)
    concealer = Concealer()
    for frame in samples.reshape(-1, FRAME):
        assert concealer.keep(frame) is frame


@pytest.mark.parametrize("hertz", [100, 180, 320, 1000])
def test_a_lost_frame_of_a_voiced_sound_goes_on_without_a_click(hertz):
    samples = sine(hertz, 10)
    heard = played(samples, lost={5})
    steepest = np.abs(np.diff(samples.astype(int))).max()
    assert np.abs(np.diff(heard)).max() < 1.5 * steepest
    assert rms(heard[5 * FRAME : 6 * FRAME]) > 0.8 * rms(samples)
    assert (heard[6 * FRAME + 80 :] == samples[6 * FRAME + 80 :]).all()


def test_a_longer_gap_fades_away_within_sixty_milliseconds():
    heard = played(sine(200, 12), lost=set(range(5, 10)))
    loudness = [rms(heard[at : at + 80]) for at in range(5 * FRAME, 10 * FRAME, 80)]
    assert all(after < before + 1 for before, after in itertools.pairwise(loudness))
    assert loudness[6:] == [0.0] * 4


def test_sound_that_comes_back_is_faded_in():
    heard = played(sine(200, 12, 20_000), lost=set(range(3, 9)))
    assert np.abs(heard[9 * FRAME : 9 * FRAME + 10]).max() < 4000
    assert np.abs(np.diff(heard)).max() < 3600


def test_a_gap_may_begin_and_end_within_a_frame():
    concealer = Concealer()
    samples = sine(200, 6)
    for frame in samples.reshape(-1, FRAME)[:4]:
        concealer.keep(frame)
    filled = np.concatenate([concealer.conceal(PCMU, 80), concealer.keep(samples[720:800])])
    assert rms(filled) > 0.8 * rms(samples)


def test_nothing_to_repeat_is_silence():
    concealer = Concealer()
    assert not concealer.conceal(PCMU).any()
    assert concealer.gone


def test_comfort_noise_has_the_level_that_was_asked_for():
    noise = ComfortNoise()
    noise.set_level(40)
    heard = np.concatenate([noise.frame() for _ in range(100)]).astype(float)
    assert 20 * np.log10(rms(heard) / (32768 / 2**0.5)) == pytest.approx(-40, abs=0.3)
    assert abs(np.corrcoef(heard[:8000], heard[8000:])[0, 1]) < 0.05


def test_comfort_noise_may_be_silence_and_is_never_loud():
    noise = ComfortNoise()
    noise.set_level(127)
    assert not noise.frame().any()
    noise.set_level(0)
    assert np.abs(noise.frame()).max() < 1500


def test_the_level_is_the_first_octet():
    assert level_db(bytes([0x80 | 35, 1, 2])) == 35
    assert level_db(b"") is None


def test_octets_that_were_noted_are_repeated_like_their_samples():
    """In a law that has changed since, too."""
    octets = PCMA.encode(sine(200, 5))
    frames = [octets[at : at + FRAME] for at in range(0, len(octets), FRAME)]
    by_samples, by_octets, moved = Concealer(), Concealer(), Concealer()
    for frame in frames:
        by_samples.keep(PCMA.decode(frame))
        assert by_octets.note(frame) and moved.note(frame)
    moved.decode(PCMA)  # from here on PCMU comes
    repeated = by_samples.conceal(PCMA)
    assert (repeated == by_octets.conceal(PCMA)).all()
    assert (repeated == moved.conceal(PCMU)).all()


def test_what_ends_a_gap_is_not_noted_but_faded_in():
    concealer = Concealer()
    concealer.note(PCMU.encode(sine(200, 1)))
    concealer.conceal(PCMU)
    assert not concealer.note(PCMU.silence * FRAME)
    concealer.keep(np.zeros(FRAME, np.int16))
    assert concealer.note(PCMU.silence * FRAME)
