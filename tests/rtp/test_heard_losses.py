"""Losses and pauses as the other side of a transcoded call hears them, in each codec."""

import numpy as np
import pytest
from studio import FRAME, Studio, sine
from test_opus import bridged as with_opus

from rtp import g722, opus
from rtp.control import Bridge, Open, SideSpec
from rtp.g711 import PCMA, PCMU
from rtp.g722 import G722
from rtp.packet import RtpPacket

HERTZ = 400


@pytest.fixture
def studio():
    return Studio()


def bridged(studio, codec):
    """A caller with a codec and a callee with PCMA."""
    if codec == "OPUS":
        if not opus.AVAILABLE:
            pytest.skip("libopus isn't installed")
        return with_opus(studio)
    if codec == "G722" and not g722.AVAILABLE:
        pytest.skip("G722 isn't installed")
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), SideSpec(None)))
    ports = studio.opened
    law = G722() if codec == "G722" else PCMU
    a = studio.phone(studio.sessions, "a", ports.a_rtp_port, law=law)
    b = studio.phone(studio.sessions, "b", ports.b_rtp_port, law=PCMA)
    studio.tell(Bridge(studio.sessions, True))
    return a, b


def lose(phone, frame, codec):
    """Say a frame in a packet that gets lost: the encoder goes on with it."""
    if codec == "OPUS":
        phone.encoder.encode(frame)
        phone.skip(6 * FRAME)
    else:
        phone.law.encode(frame)
        phone.skip(FRAME)


def voice(frames):
    """Vowels that glide: of a lasting tone Opus' codec for speech thinks that it is noise."""
    time = np.arange(frames * FRAME) / 8000
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.9 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    sound = sum(np.sin(number * phase) / number for number in range(1, 15))
    return np.rint(3000 * sound).astype(np.int16)


def loudness(samples):
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(float)
    return np.sqrt((frames**2).mean(axis=1))


@pytest.mark.parametrize("codec", ["PCMU", "G722", "OPUS"])
def test_one_lost_packet_in_ten_is_no_hole(studio, codec):
    a, b = bridged(studio, codec)
    said = voice(120)
    for number in range(120):
        frame = said[number * FRAME :][:FRAME]
        if number > 20 and number % 10 == 3:
            lose(a, frame, codec)
        else:
            a.say(frame)
        studio.tick()
    assert len(b.packets) == 120
    loud = loudness(b.heard)[25:110]
    assert np.median(loud) / 3 < loud.min() and loud.max() < 2 * np.median(loud)


@pytest.mark.parametrize("codec", ["PCMU", "G722", "OPUS"])
def test_a_long_gap_fades_into_silence_and_the_voice_comes_back(studio, codec):
    a, b = bridged(studio, codec)
    studio.run(30, (a, sine(HERTZ, 30)))
    for _ in range(30):
        lose(a, sine(HERTZ, 1), codec)
        studio.tick()
    studio.run(40, (a, sine(HERTZ, 40)))
    loud = loudness(b.heard)
    assert loud[40:58].max() < 50
    assert loud[-30:].min() > 2500


def test_comfort_noise_is_heard_in_a_pause_at_its_level(studio):
    a, b = bridged(studio, "PCMU")
    studio.run(20, (a, sine(HERTZ, 20)))
    noise = RtpPacket(13, a.sequence, a.timestamp, a.ssrc, bytes([50]))  # -50 dBov
    studio.arrives(a, bytes(noise))
    for _ in range(40):
        studio.tick()
    loud = loudness(b.heard)[-30:]
    expected = 32768 / 2**0.5 * 10 ** (-50 / 20)
    assert 0.6 * expected < loud.min() and loud.max() < 1.5 * expected
