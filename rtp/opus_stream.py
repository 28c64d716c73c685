"""The Opus packets of one source, between arrival and playing.

The jitter buffer decides when a packet is played: dummy octets keep its place there, and the packet
is decoded when the frame that needs it is due. So packets reach the decoder in order, however they
arrived; a lost packet is recovered from the next one; and of a source that sends too many only
those that are played are decoded.
"""

from __future__ import annotations

from rtp.g711 import PCMU
from rtp.jitter_buffer import JitterBuffer
from rtp.opus import (
    MAX_PACKET_SAMPLES,
    SHORTEST_FRAME,
    UNITS_PER_SAMPLE,
    OpusDecoder,
    samples_of,
)
from rtp.samples import FRAME_SAMPLES, Samples

MAX_HELD = 128
"""Packets that wait: the buffer's longest delay in the shortest of packets, and half as many."""
MAX_RECOVERED = MAX_PACKET_SAMPLES
"""A longer gap is a pause, of which nothing is said later."""
PAUSE_OCTETS = 2
"""A packet so short only keeps up the noise of a pause (DTX, RFC 7587 section 3.1.3)."""

_CLOCK, _HALF_CLOCK = 0xFFFFFFFF, 0x80000000


def _step(from_: int, to: int) -> int:
    """Between two timestamps of 32 bits, which go round."""
    return (to - from_ + _HALF_CLOCK & _CLOCK) - _HALF_CLOCK


class OpusStream:
    """Puts what it decodes into a buffer, in PCMU.

    Args:
        buffer: in which nothing else is.
    """

    __slots__ = (
        "_anchors",
        "_buffer",
        "_decoder",
        "_held",
        "_pauses",
        "_reached",
        "_timestamp",
        "_units",
    )

    def __init__(self, buffer: JitterBuffer) -> None:
        self._buffer = buffer
        self._decoder = OpusDecoder()
        self._held: dict[int, tuple[int, bytes]] = {}
        """Samples and payload by place."""
        self._reached: int | None = None
        """The place after the last one decoded."""
        self._pauses = False
        self._anchors = buffer.anchors
        self._timestamp: int | None = None
        self._units = 0

    def put(self, timestamp: int, payload: bytes) -> None:
        """Take a packet; what isn't one is passed over, as if it had been lost."""
        samples = samples_of(payload)
        if samples is None or len(self._held) >= MAX_HELD:
            return
        place = self._place(timestamp)
        if place in self._held or self._is_decoded(place):
            return
        if not self._buffer.put(place, bytes(samples)):
            return
        if self._buffer.anchors != self._anchors:
            self._anchors = self._buffer.anchors
            self._held.clear()
            self._reached = None
        self._held[place] = samples, payload

    def _place(self, timestamp: int) -> int:
        """The place in the buffer's clock, which a timestamp alone doesn't give: both wrap at 32
        bits."""
        if self._timestamp is None:
            self._units = timestamp
        else:
            self._units += _step(self._timestamp, timestamp)
        self._timestamp = timestamp
        return self._units // UNITS_PER_SAMPLE & _CLOCK

    def _is_decoded(self, place: int) -> bool:
        return self._reached is not None and 0 < _step(place, self._reached) <= MAX_PACKET_SAMPLES

    def prepare(self) -> None:
        """Decode what the next frame needs."""
        buffer = self._buffer
        if not buffer.playing:
            return
        while self._held and self._is_due(self._reached):
            place = min(self._held, key=buffer.ahead)
            self._bridge(place)
            if not self._is_due(place):
                return
            samples, payload = self._held.pop(place)
            if self._reached is not None and _step(self._reached, place) < 0:
                continue  # it lies upon another
            self._decode(place, samples, payload)

    def _is_due(self, place: int | None) -> bool:
        return place is None or self._buffer.ahead(place) < FRAME_SAMPLES

    def _bridge(self, place: int) -> None:
        """Fill a gap before a packet from what that one says of it."""
        if self._reached is None:
            self._reached = place
        gap = _step(self._reached, place)
        if gap <= 0:
            return
        if gap <= MAX_RECOVERED and gap % SHORTEST_FRAME == 0:
            samples = self._decoder.recover(self._held[place][1], gap)
            if samples is not None:
                self._buffer.fill(self._reached, PCMU.encode(samples))
        self._reached = place

    def _decode(self, place: int, samples: int, payload: bytes) -> None:
        self._reached = place + samples & _CLOCK
        self._pauses = len(payload) <= PAUSE_OCTETS
        decoded = self._decoder.decode(payload)
        if decoded is None or len(decoded) != samples:
            self._buffer.empty(place, samples)
        else:
            self._buffer.fill(place, PCMU.encode(decoded))

    def noise(self) -> Samples | None:
        """A frame of what a pause sounds like; None: it is no pause, but a loss."""
        if not self._pauses or not self._buffer.starving or self._reached is None:
            return None
        self._reached = self._reached + FRAME_SAMPLES & _CLOCK
        return self._decoder.conceal(FRAME_SAMPLES)
