"""A phone of the studio that speaks Opus, and its telephone events by the same clock."""

import numpy as np
from studio import Phone

from rtp.control import SetRemote
from rtp.formats import Formats, OpusTerms
from rtp.g711 import PCMU
from rtp.opus import OpusDecoder, OpusEncoder
from rtp.packet import HEADER

NUMBER, EVENTS = 111, 110
TERMS = OpusTerms()
RECOVERABLE = OpusTerms(recoverable=True)


class OpusPhone(Phone):
    """Speaks Opus; its events have the same clock."""

    def __init__(self, *args):
        super().__init__(*args)
        self.encoder = OpusEncoder(RECOVERABLE)

    def packet(self, payload, samples, payload_type=NUMBER):
        header = HEADER.pack(0x80, payload_type, self.sequence, self.timestamp, self.ssrc)
        self.skip(6 * samples)
        return header + payload

    def say(self, samples):
        payload = self.encoder.encode(np.asarray(samples, np.int16))
        self.studio.arrives(self, self.packet(payload, len(samples)))

    @property
    def sound(self):
        return [packet for packet in self.packets if packet.payload_type == NUMBER]

    @property
    def heard(self):
        decoder = OpusDecoder()
        return np.concatenate([decoder.decode(packet.payload) for packet in self.sound])


def phone(studio, session, side, port, terms=TERMS, packet_ms=20):
    address = (f"198.51.100.{1 + len(studio.phones)}", 4000)
    made = OpusPhone(studio, session, side, port, address, PCMU, 160)
    studio.phones[address] = made
    remote = SetRemote(
        session, side, *address, 4001, "sendrecv", packet_ms=packet_ms,
        formats=Formats("OPUS", NUMBER, EVENTS, 48_000, 48_000, terms),
    )  # fmt: skip
    studio.tell(remote)
    return made
