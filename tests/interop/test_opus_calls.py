"""Opus between the switch and baresip, whose libopus is another one."""

import wave

import numpy as np
import pytest
import sound
from baresip import Baresip
from switchboard import BEKA

from rtp import opus

pytestmark = pytest.mark.skipif(not opus.AVAILABLE, reason="libopus isn't installed")

OPUS = "opus/48000/2"
"""As baresip names it."""
HERTZ = {"ana": 1000, "beka": 440}
"""Each says a tone of its own."""
SECONDS = 3.0


@pytest.fixture
def phone(board, tmp_path):
    phones = []

    def make(login, codec):
        time = np.arange(int(SECONDS * sound.RATE)) / sound.RATE
        tone = np.rint(8000 * np.sin(2 * np.pi * HERTZ[login] * time))
        said = sound.write_wav(tmp_path / f"{login}.wav", tone)
        phones.append(Baresip(board, tmp_path / f"{login}{len(phones)}", login, said, codec=codec))
        return phones[-1]

    yield make
    for made in phones:
        made.close()


def talk(phone, codecs):
    """A call from Ana to Beka; what each heard."""
    phones = {login: phone(login, codec) for login, codec in codecs.items()}
    phones["ana"].command("dial", BEKA)
    for made in phones.values():
        made.hears("CALL_ESTABLISHED")
        made.hears("CALL_CLOSED")  # when its file is played to the end
    heard = {login: phones[login].heard for login in codecs}
    for made in phones.values():
        made.close()
    return heard


def tone_in(path):
    """The loudest frequency of the middle of a recording, how much of the power is in it, and its
    level in decibels below what was said."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples = samples.reshape(-1, channels).mean(axis=1)
    loud = np.flatnonzero(np.abs(samples) > 1000)
    middle = samples[loud[0] + rate // 2 : loud[0] + 2 * rate]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    peak = int(spectrum.argmax())
    share = spectrum[max(0, peak - 15) : peak + 16].sum() / spectrum.sum()
    level = 20 * np.log10(np.sqrt((middle**2).mean()) / (8000 / 2**0.5))
    return peak * rate / len(middle), share, level


def test_opus_and_g711_hear_each_others_tones(board, phone):
    """Made in real time, on a machine that may be busy: the best of a few calls counts."""
    codecs = {"ana": OPUS, "beka": "pcma"}
    found = []
    while not found or (min(share for _, share, _ in found[-1]) < 0.97 and len(found) < 3):
        heard = talk(phone, codecs)
        found.append([tone_in(heard["beka"]), tone_in(heard["ana"])])
    for (hertz, share, level), said in zip(found[-1], (1000, 440), strict=True):
        assert abs(hertz - said) < 2 and share > 0.97 and abs(level) < 2.0, found
    record = board.cdrs()[-1]
    assert (record["sip_status"], record["codec"]) == (200, "OPUS/PCMA")
    for side in ("caller", "callee"):
        media = record["media"][side]
        assert media["packets"] > 140 and media["lost"] == 0, record
        assert float(media["jitter_ms"]) < 20 and float(media["mos"]) > 4, record


def test_opus_passes_between_two_who_have_it(board, phone):
    heard = talk(phone, {"ana": OPUS, "beka": OPUS})
    for login, said in (("beka", 1000), ("ana", 440)):
        hertz, share, level = tone_in(heard[login])
        assert abs(hertz - said) < 2 and share > 0.97 and abs(level) < 2.0
    record = board.cdrs()[-1]
    assert record["codec"] == "OPUS"
    assert record["media"]["caller"]["lost"] == record["media"]["callee"]["lost"] == 0
