"""Reception statistics of one side's stream: packets, loss, jitter (RFC 3550) and quality (ITU-T
G.107)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from rtp.figures import SideFigures
from rtp.packet import HEADER_BYTES
from rtp.sequence import SequenceCounter

DEFAULT_CLOCK_RATE = 8000
MAX_TRANSIT_STEP_SECONDS = 5
"""A larger step of the transit time is the sender's clock starting anew, not jitter."""

# ITU-T G.107 with its default values: R of a perfect narrow-band call.
_R_DEFAULT = 93.2
# ITU-T G.113 appendix I: G.711 with packet loss concealment.
_PACKET_LOSS_ROBUSTNESS = 25.1
_EQUIPMENT_IMPAIRMENT = 0.0
# Coding, packetisation and a way through the network, in ms; a jitter buffer comes on top.
_BASE_DELAY_MS = 50.0
_JITTER_BUFFER_OF_JITTER = 2.0


class Counted(NamedTuple):
    """Packets that the kernel tier or another counter has counted, and the last one of them.

    Args:
        last_at: monotonic seconds.
        jitter: in sixteenths of a timestamp unit (A.8).
        timestamp, ssrc, sequence: of the last packet.
    """

    packets: int
    octets: int
    last_at: float
    jitter: int
    timestamp: int
    ssrc: int
    sequence: int


@lru_cache(maxsize=16)  # one number for the streams of all calls
def _max_step(clock_rate: int) -> int:
    return MAX_TRANSIT_STEP_SECONDS * clock_rate


class ReceivedStream:
    """Counts one side's RTP in integers, without keeping anything of a packet.

    Args:
        clock_rate: Hz of the timestamps.
    """

    __slots__ = (
        "_clock_rate",
        "_jitter",
        "_max_step",
        "_sequence",
        "_ssrc",
        "_transit",
        "elsewhere",
        "first_at",
        "last_at",
        "octets",
        "packets",
    )

    def __init__(self, clock_rate: int = DEFAULT_CLOCK_RATE) -> None:
        self._sequence: SequenceCounter | None = None
        self._ssrc = 0
        self._transit = 0
        self._jitter = 0
        self.clock_rate = clock_rate
        self.packets = 0
        self.octets = 0
        self.first_at: float | None = None
        """Monotonic seconds."""
        self.last_at: float | None = None
        self.elsewhere: Callable[[], Counted] | None = None
        """Returns what another counter has counted since the last time, where packets don't pass
        here."""

    @property
    def clock_rate(self) -> int:
        """Hz of the timestamps."""
        return self._clock_rate

    @clock_rate.setter
    def clock_rate(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._max_step = _max_step(clock_rate)

    def count(self, sequence: int, timestamp: int, ssrc: int, size: int, now: float) -> None:
        """Count a packet of `size` octets that arrived at `now` (monotonic seconds)."""
        self.packets += 1
        self.octets += size - HEADER_BYTES
        self.last_at = now
        counter = self._sequence
        if counter is None or ssrc != self._ssrc:
            self._begin(sequence, timestamp, ssrc, now)
            return
        if sequence == counter.highest + 1:
            counter.highest = sequence  # as nearly always, without the call
        else:
            counter.update(sequence)
        transit = int(now * self._clock_rate) - timestamp
        step = transit - self._transit
        self._transit = transit
        if step < 0:
            step = -step
        if step < self._max_step:
            # A.8, scaled by 16 to stay in integers.
            self._jitter += step - ((self._jitter + 8) >> 4)

    def _begin(self, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        self._ssrc = ssrc
        self._transit = int(now * self._clock_rate) - timestamp
        if self._sequence is None:
            self._sequence = SequenceCounter(sequence)
            self.first_at = now
        else:
            self._sequence.restart(sequence)

    def catch_up(self) -> None:
        """Take over what was counted elsewhere."""
        if self.elsewhere is not None:
            self.absorb(self.elsewhere())

    def absorb(self, counted: Counted) -> None:
        """Take over what was counted elsewhere, in the same stream.

        Loss comes out as if every packet had been seen: of a sequence number only the last one
        matters.
        """
        if not counted.packets:
            return
        self.packets += counted.packets
        self.octets += counted.octets
        self._jitter = counted.jitter
        self.last_at = max(counted.last_at, self.last_at or 0.0)
        if self._sequence is None or counted.ssrc != self._ssrc:
            # It is unknown to which source each packet before the last one belonged.
            first = counted.sequence - counted.packets + 1 & 0xFFFF
            self._begin(first, counted.timestamp, counted.ssrc, counted.last_at)
            assert self._sequence is not None
            self._sequence.advance(counted.sequence, counted.packets)
            return
        self._transit = int(counted.last_at * self._clock_rate) - counted.timestamp
        self._sequence.advance(counted.sequence, counted.packets)

    def so_far(self) -> Counted:
        """The last packet and jitter, from which another counter goes on."""
        last_at = self.last_at or 0.0
        return Counted(
            0,
            0,
            last_at,
            self._jitter,
            int(last_at * self._clock_rate) - self._transit & 0xFFFFFFFF,
            self._ssrc,
            self.extended_highest & 0xFFFF,
        )

    @property
    def ssrc(self) -> int | None:
        """Synchronization source of the last packet; None before the first."""
        return None if self._sequence is None else self._ssrc

    @property
    def jitter_seconds(self) -> float:
        """Interarrival jitter (A.8) in seconds."""
        return (self._jitter >> 4) / self._clock_rate

    @property
    def jitter(self) -> int:
        """The jitter in timestamp units."""
        return self._jitter >> 4

    @property
    def extended_highest(self) -> int:
        """Sequence number, with the cycles in front (section 6.4.1)."""
        return 0 if self._sequence is None else self._sequence.extended_highest

    @property
    def expected(self) -> int:
        """Packets expected by their sequence numbers (A.3)."""
        return 0 if self._sequence is None else self._sequence.expected

    def figures(
        self,
        epoch_offset_ms: int,
        strays: int,
        round_trip_ms: float | None = None,
        one_way: bool = False,
    ) -> SideFigures:
        """The stream's figures; `epoch_offset_ms` turns monotonic into epoch milliseconds."""
        if self.first_at is None or self.last_at is None:
            return SideFigures(strays=strays, round_trip_ms=round_trip_ms, one_way=one_way)
        expected = self.expected
        lost = expected - self.packets
        jitter_ms = self.jitter_seconds * 1000
        return SideFigures(
            packets=self.packets,
            octets=self.octets,
            expected=expected,
            lost=lost,
            jitter_ms=round(jitter_ms, 3),
            mos=round(
                mean_opinion_score(max(0, lost) / expected, jitter_ms, round_trip_ms or 0.0), 2
            ),
            first_packet_at=epoch_offset_ms + round(self.first_at * 1000),
            last_packet_at=epoch_offset_ms + round(self.last_at * 1000),
            strays=strays,
            round_trip_ms=round_trip_ms,
            one_way=one_way,
        )


def mean_opinion_score(loss: float, jitter_ms: float, round_trip_ms: float = 0.0) -> float:
    """Quality from 1 (bad) to 4.5 by the E-model (ITU-T G.107), for G.711.

    Simplified as usual where only one end is seen: random loss, and a delay made of a base, of the
    way as far as it was measured, and of the jitter buffer that such jitter asks for.

    Args:
        loss: lost part of the packets, 0 to 1.
        round_trip_ms: between the peer and us; 0 if it was not measured.
    """
    delay_ms = _BASE_DELAY_MS + _JITTER_BUFFER_OF_JITTER * jitter_ms + round_trip_ms / 2
    delay_impairment = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    percent = 100.0 * loss
    loss_impairment = _EQUIPMENT_IMPAIRMENT + (95.0 - _EQUIPMENT_IMPAIRMENT) * percent / (
        percent + _PACKET_LOSS_ROBUSTNESS
    )
    rating = _R_DEFAULT - delay_impairment - loss_impairment
    if rating <= 0:
        return 1.0
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
