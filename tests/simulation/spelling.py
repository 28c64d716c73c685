"""Recordings that say by their sound which token of which language they are, and an ear that reads
them out of the packets that a phone gets: what is heard, whole and in time, is what was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivr_prompts.languages import texts
from rtp.g711 import PCMU
from rtp.packet import RtpPacket
from rtp.wav import file_bytes
from softswitch.prompts.library import PromptLibrary
from softswitch.prompts.recordings import Recording

FRAME = 160
FRAME_SECONDS = 0.02
PART = 4 * FRAME
"""A recording has three tones: its language, and two digits of its number."""
BASE = 40
HERTZ, STEP_HERTZ = 300, 60
LOUD = 2_000
_LANGUAGES = ("ka", "ru", "en")


def spelled(folder: Path) -> PromptLibrary:
    """A recording of everything that can be said."""
    found = {}
    for place, language in enumerate(_LANGUAGES):
        for number, token in enumerate(sorted(texts(language))):
            path = folder / f"{language}-{number}.wav"
            digits = (place, *divmod(number, BASE))
            path.write_bytes(file_bytes(np.concatenate([_tone(digit) for digit in digits])))
            found[language, token] = Recording(path, "own")
    return PromptLibrary(found)


def _tone(digit: int) -> np.ndarray:
    time = np.arange(PART) / 8000
    hertz = HERTZ + STEP_HERTZ * digit
    return (8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


class Ear:
    """Keeps what a phone hears from now on, with the instants at which it came."""

    def __init__(self, phone) -> None:
        self.packets: list[tuple[float, RtpPacket]] = []
        hear = phone._hear

        def heard(data, source):
            if data[1] & 0x7F < 64:  # no RTCP
                self.packets.append((phone.exchange.loop.time(), RtpPacket.parse(data)))
            hear(data, source)

        phone._hear = heard

    def tokens(self) -> list[tuple[str, str]]:
        """The announcements as language and token."""
        frames = [PCMU.decode(packet.payload) for _, packet in self.packets]
        loud = [frame for frame in frames if np.abs(frame).max() > LOUD]
        samples = np.concatenate(loud) if loud else np.zeros(0)
        assert len(samples) % (3 * PART) == 0, "something was cut off"
        return [
            _read(samples[start : start + 3 * PART]) for start in range(0, len(samples), 3 * PART)
        ]

    def assert_steady(self) -> None:
        """While something is said a packet comes every 20 ms, each next to the one before it."""
        talking = False
        for (at, packet), (then, following) in zip(self.packets, self.packets[1:], strict=False):
            talking = np.abs(PCMU.decode(packet.payload)).max() > LOUD
            assert (following.sequence_number - packet.sequence_number) & 0xFFFF == 1
            if talking:
                assert (following.timestamp - packet.timestamp) & 0xFFFFFFFF == FRAME
                assert abs(then - at - FRAME_SECONDS) < 0.001
        assert not talking or len(self.packets) > 1


def _read(samples: np.ndarray) -> tuple[str, str]:
    place, high, low = (_digit(samples[i * PART : (i + 1) * PART]) for i in range(3))
    language = _LANGUAGES[place]
    return language, sorted(texts(language))[high * BASE + low]


def _digit(samples: np.ndarray) -> int:
    middle = samples[80:-80].astype(float)
    time = np.arange(len(middle)) / 8000
    hertz = HERTZ + STEP_HERTZ * np.arange(BASE)
    strengths = np.abs(np.exp(-2j * np.pi * np.outer(hertz, time)) @ middle)
    return int(strengths.argmax())
