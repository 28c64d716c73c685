"""A simulated phone with a voice: it says samples, presses keys in each of the three ways, and
keeps what it hears."""

from __future__ import annotations

import numpy as np

from rtp.dtmf import digit_tone
from rtp.g711 import PCMU
from rtp.packet import RtpPacket
from rtp.telephone_event import DIGITS, TelephoneEvent

FRAME = 160
FRAME_SECONDS = 0.02
KEY_SECONDS = 0.3
"""From the beginning of a key to that of the next."""
EVENT_TYPE = 101


def tone(hertz: float, seconds: float, amplitude: float = 8000.0) -> np.ndarray:
    time = np.arange(round(8000 * seconds)) / 8000
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(8000 * seconds), np.int16)


def strength(samples: np.ndarray, hertz: float) -> float:
    """Amplitude of a tone in samples."""
    time = np.arange(len(samples)) / 8000
    return float(2 * abs(np.dot(samples, np.exp(-2j * np.pi * hertz * time))) / len(samples))


class Voice:
    """The RTP that a phone sends and receives in its call, a packet each 20 ms.

    Used in place of the phone's own occasional packets: set `phone.sends_rtp` to False.
    """

    def __init__(self, phone, session):
        self.phone, self.session = phone, session
        self._saying = np.zeros(0, np.int16)
        self._sequence = self._timestamp = 1000
        self._events: list[RtpPacket] = []
        self.packets: list[RtpPacket] = []
        phone._hear = self._hear
        phone.exchange.wire.attach((phone.address[0], phone._next_port), self._hear)
        self._tick()

    def _hear(self, data, source):
        if data[1] & 0x7F < 64:  # no RTCP
            self.packets.append(RtpPacket.parse(data))

    def _tick(self):
        phone = self.phone
        if self.session not in phone.talking:
            return
        frame, self._saying = self._saying[:FRAME], self._saying[FRAME:]
        frame = np.concatenate([frame, np.zeros(FRAME - len(frame), np.int16)])
        if self._events:
            self._send(self._events.pop(0))
        else:
            self._send(RtpPacket(0, 0, self._timestamp, 0, PCMU.encode(frame)))
        self._timestamp += FRAME
        phone.exchange.loop.call_later(FRAME_SECONDS, self._tick)

    def _send(self, packet: RtpPacket):
        phone = self.phone
        self._sequence += 1
        numbered = RtpPacket(
            packet.payload_type, self._sequence & 0xFFFF, packet.timestamp, 77, packet.payload
        )
        target = ("192.0.2.1", phone._remote_port[self.session])
        phone.exchange.wire.send(bytes(numbered), (phone.address[0], phone._next_port), target)

    def say(self, samples: np.ndarray) -> float:
        """Say something after what is being said; how many seconds that takes."""
        self._saying = np.concatenate([self._saying, samples])
        return len(self._saying) / 8000

    def press(self, keys: str, way: str = "event", wait: float = 0.2):
        """Press keys one after the other, and wait a little."""
        for key in keys:
            getattr(self, f"_press_by_{way}")(key)
            self.phone.exchange.run(KEY_SECONDS)
        self.phone.exchange.run(wait)

    def _press_by_event(self, key: str):
        code, start = DIGITS.index(key), self._timestamp
        for number in range(1, 9):
            event = TelephoneEvent(code, number > 5, min(number, 6) * FRAME)
            self._events.append(RtpPacket(EVENT_TYPE, 0, start, 0, bytes(event)))

    def _press_by_tone(self, key: str):
        self.say(digit_tone(key, 120))

    def _press_by_info(self, key: str):
        body = f"Signal={key}\r\nDuration=160\r\n".encode()
        self.session.info(b"application/dtmf-relay", body, self.phone.now)
        self.phone.endpoint.drain()

    @property
    def heard(self) -> np.ndarray:
        """Everything, as it came."""
        sound = [packet.payload for packet in self.packets if packet.payload_type == 0]
        return PCMU.decode(b"".join(sound)).astype(np.int16)
