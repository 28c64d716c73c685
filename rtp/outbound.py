"""The sound that the switch itself sends to one side: from frames of 20 ms to packets."""

from __future__ import annotations

import numpy as np

from rtp.opus import OpusEncoder
from rtp.packet import HEADER
from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, Samples, samples_in
from rtp.telephone_event import EventPacket

PACKET_MS = (10, 20, 30, 40, 60)
"""Lengths of packets that are made; a peer that asks for another one gets 20 ms."""
PLAIN_PACKET_MS = 20
"""As long as a tick: each frame is a packet."""
OPUS_PACKET_MS = (10, 20, 40, 60)
"""A frame of Opus is never of 30 ms."""
_MARKER = 0x80
_NONE: Samples = np.empty(0, np.int16)


class OutboundSound:
    """A stream with a source identifier of its own.

    Timestamps go by the number of the tick, whether anything was sent or not; only after a pause a
    packet is marked as the first of a talkspurt (RFC 3551 section 4.1).

    Args:
        ssrc, sequence, timestamp: to begin with, by chance (RFC 3550 section 5.1).
        clock_rate: Hz of the timestamps. With another one it is another stream (RFC 7160).
    """

    __slots__ = (
        "_due",
        "_held",
        "_held_at",
        "_marker",
        "_offset",
        "_samples",
        "_units",
        "clock_rate",
        "octets",
        "packets",
        "sequence",
        "ssrc",
        "step",
        "timestamp",
    )

    def __init__(
        self, ssrc: int, sequence: int, timestamp: int, clock_rate: int = CLOCK_RATE
    ) -> None:
        self.clock_rate = clock_rate
        self.ssrc = ssrc
        self.sequence = sequence
        self.timestamp = timestamp
        """The timestamp of the last packet."""
        self.packets = 0
        self.octets = 0
        self._offset = timestamp
        self._units = clock_rate // CLOCK_RATE
        """Units of the RTP clock for each sample."""
        self.step = FRAME_SAMPLES * self._units
        """Units of the RTP clock for each tick."""
        self._samples: Samples = _NONE
        self._due = -1
        self._marker = 0
        self._held = b""
        self._held_at = 0

    def time(self, tick: int) -> int:
        """The timestamp of a tick's frame."""
        return (self._offset + tick * self.step) & 0xFFFFFFFF

    def goes_on(self, tick: int) -> bool:
        """True if a tick's packet is of the talkspurt of the one before."""
        return tick == self._due and not self._marker

    def go_on(self, sequence: int, tick: int) -> None:
        """Take over that another has made the packets of all ticks before this one, each of a
        frame of G.711; the last one had this sequence number."""
        made = tick - self._due
        if made:
            self.sequence, self.timestamp, self._due = sequence, self.time(tick - 1), tick
            self.packets += made
            self.octets += made * FRAME_SAMPLES

    def packet(self, tick: int, octets: bytes, payload_type: int) -> bytes:
        """The packet of a tick's frame alone.

        Args:
            octets: 160 of them.
        """
        if not self.goes_on(tick):
            timestamp = self._begin(tick)
            return self._sound(payload_type, timestamp, octets)
        # Within a talkspurt: nearly every packet, so without a further call.
        self._due = tick + 1
        self.timestamp = timestamp = (self._offset + tick * self.step) & 0xFFFFFFFF
        self.sequence = sequence = (self.sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += FRAME_SAMPLES
        return HEADER.pack(0x80, payload_type, sequence, timestamp, self.ssrc) + octets

    def frame(self, tick: int, octets: bytes, payload_type: int, packet_ms: int) -> list[bytes]:
        """The packets to send for a tick's frame; with longer packets often none.

        Args:
            octets: 160 of them.
        """
        if packet_ms == PLAIN_PACKET_MS or packet_ms not in PACKET_MS:
            return [self.packet(tick, octets, payload_type)]
        timestamp = self._begin(tick)
        if not self._held:
            self._held_at = timestamp
        self._held += octets
        return self._whole_packets(payload_type, samples_in(packet_ms))

    def opus(
        self, tick: int, frame: Samples, payload_type: int, packet_ms: int, encoder: OpusEncoder
    ) -> list[bytes]:
        """The packets to send for a tick's frame in Opus, where a packet is encoded as a whole."""
        timestamp = self._begin(tick)
        if not len(self._samples):
            self._held_at = timestamp
        waiting = np.concatenate([self._samples, frame])
        size = samples_in(packet_ms) if packet_ms in OPUS_PACKET_MS else FRAME_SAMPLES
        packets = []
        while len(waiting) >= size:
            payload = encoder.encode(waiting[:size])
            if payload:
                packets.append(self._sound(payload_type, self._held_at, payload))
            waiting = waiting[size:]
            self._held_at = (self._held_at + size * self._units) & 0xFFFFFFFF
        self._samples = waiting
        return packets

    def _begin(self, tick: int) -> int:
        """The timestamp of a frame; after a pause, samples from before are dropped."""
        if tick != self._due:
            self._marker = _MARKER
            self._let_go()
        self._due = tick + 1
        return self.time(tick)

    def _let_go(self) -> None:
        self._held = b""
        self._samples = _NONE

    def _whole_packets(self, payload_type: int, size: int) -> list[bytes]:
        packets = []
        while len(self._held) >= size:
            packets.append(self._sound(payload_type, self._held_at, self._held[:size]))
            self._held = self._held[size:]
            self._held_at = (self._held_at + size) & 0xFFFFFFFF
        return packets

    def _sound(self, payload_type: int, timestamp: int, octets: bytes) -> bytes:
        second = payload_type | self._marker
        self._marker = 0
        return self._packet(second, timestamp, octets)

    def event(self, tick: int, event: EventPacket, payload_type: int) -> bytes:
        """The packet of a telephone event, sent in place of a tick's frame."""
        self._due = tick + 1
        self._let_go()
        marker = _MARKER if event.marker else 0
        return self._packet(payload_type | marker, event.timestamp, event.payload)

    def _packet(self, second: int, timestamp: int, payload: bytes) -> bytes:
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = timestamp
        self.packets += 1
        self.octets += len(payload)
        return HEADER.pack(0x80, second, self.sequence, timestamp, self.ssrc) + payload
