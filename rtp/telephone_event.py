"""Digits as telephone events (RFC 4733).

What is received is taken more widely than what is sent is written: phones are met that set no
marker, count no duration, or leave long gaps within an event. What makes an event one event is its
timestamp.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rtp.packet import PacketError
from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, samples_in

DIGITS = "0123456789*#ABCD"
"""The digits by event code (section 3.2)."""
END_PACKETS = 3
"""The last packet is repeated, as section 2.5.1.4 asks for."""
DEFAULT_DIGIT_MS = 100
PAUSE_MS = 60
"""Between two digits; receivers ask for 40 at least."""
MAX_DIGITS_TO_SEND = 64
"""Waiting at a side; longer than any number."""
VOLUME = 10
"""-10 dBm0, as usual."""
_MAX_DURATION = 0xFFFF
_SHORTEST_PAUSE_MS = 40
"""Between two presses of one key; ITU-T Q.24 has no receiver that takes less."""
_MAX_LATE_SECONDS = 5
"""A timestamp from further back is of a clock that began anew."""

_PAYLOAD = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """::

         0                   1                   2                   3
         0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |     event     |E|R| volume    |          duration             |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

    Args:
        volume: in dBm0 without the sign.
        duration: in timestamp units, since the event's timestamp.
    """

    code: int
    end: bool
    duration: int
    volume: int = VOLUME

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """Read a payload; what follows the first event (section 2.5.2.2) is passed over.

        Raises:
            PacketError: shorter than four octets.
        """
        if len(payload) < _PAYLOAD.size:
            raise PacketError(f"{len(payload)} octets are no telephone event")
        code, flags, duration = _PAYLOAD.unpack_from(payload)
        return cls(code, flags >= 0x80, duration, flags & 0x3F)

    def __bytes__(self) -> bytes:
        return _PAYLOAD.pack(self.code, self.end << 7 | self.volume, self.duration)

    @property
    def digit(self) -> str | None:
        """None for events that aren't keys, such as a flash."""
        return DIGITS[self.code] if self.code < len(DIGITS) else None


class EventReceiver:
    """Makes one digit of the packets of one event. One for each synchronization source.

    Args:
        clock_rate: Hz of the timestamps.
    """

    __slots__ = ("_code", "_duration", "_ended", "_max_late", "_shortest_pause", "_timestamp")

    def __init__(self, clock_rate: int = CLOCK_RATE) -> None:
        self._max_late = _MAX_LATE_SECONDS * clock_rate
        self._shortest_pause = _SHORTEST_PAUSE_MS * clock_rate // 1000
        self._timestamp: int | None = None
        self._code = 0
        self._duration = 0
        self._ended = False

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """A digit, when its first packet comes, whichever that is.

        The marker is not asked for: it may be lost, and some never set it. A packet that is older
        than the last event was overtaken on the way, and its digit is known.

        Raises:
            PacketError: not a telephone event.
        """
        event = TelephoneEvent.parse(payload)
        if self._follows(timestamp, event):
            self._duration = event.duration
            self._ended = self._ended or event.end
            return None
        last = self._timestamp
        if last is not None and (last - timestamp) & 0xFFFFFFFF < self._max_late:
            return None
        self._timestamp = timestamp
        self._code, self._duration, self._ended = event.code, event.duration, event.end
        return event.digit

    def _follows(self, timestamp: int, event: TelephoneEvent) -> bool:
        """True if the packet belongs to the last event.

        The timestamp of an event stands still by section 2.3. It moves on for a segment of an event
        that is longer than its field can say (section 2.5.1.3), and some phones move it with each
        packet of a press. A new press of the same key has a pause behind the last one's duration.
        """
        if self._timestamp is None or event.code != self._code:
            return False
        if timestamp == self._timestamp:
            return True
        step = (timestamp - self._timestamp) & 0xFFFFFFFF
        if self._ended:
            # Only the repeated end packets (section 2.5.1.4) of a press are still to come.
            moves = event.end and event.duration >= self._duration and step <= self._shortest_pause
        else:
            moves = step <= self._duration + self._shortest_pause
        if moves:
            self._timestamp = timestamp
        return moves


@dataclass(frozen=True, slots=True)
class EventPacket:
    """The parts of a telephone event's packet that differ from those of a frame of sound."""

    timestamp: int
    marker: bool
    payload: bytes


class EventSender:
    """Sends digits one after the other, a packet for each 20 ms while one lasts.

    While it sends, no sound is sent (section 2.5.1.2 allows both; receivers understand this).
    """

    __slots__ = ("_ends", "_length", "_pause", "_started_at", "clock_rate", "digits")

    def __init__(self) -> None:
        self.clock_rate = CLOCK_RATE
        """Hz in which durations are said: that of the sound beside them (section 2.4.1), unless the
        peer's description says otherwise."""
        self.digits: list[tuple[int, int]] = []
        """Event codes and lengths (samples) of keys that are being sent or wait."""
        self._started_at: int | None = None
        self._length = 0
        self._ends = 0
        self._pause = 0

    def press(self, digit: str, duration_ms: int = DEFAULT_DIGIT_MS) -> bool:
        """Send a digit after those that wait.

        Returns:
            Whether there was room.

        Raises:
            ValueError: not a digit.
        """
        code = DIGITS.index(digit)
        if len(self.digits) >= MAX_DIGITS_TO_SEND:
            return False
        length = min(max(samples_in(duration_ms), FRAME_SAMPLES), _MAX_DURATION)
        self.digits.append((code, length))
        return True

    def next_packet(self, timestamp: int) -> EventPacket | None:
        """The event packet of the frame at media time `timestamp`; None: the frame is sound."""
        if self._started_at is None:
            if self._pause > 0:
                self._pause -= FRAME_SAMPLES
                return None
            if not self.digits:
                return None
            self._started_at = timestamp
            self._length = 0
            self._ends = 0
            return self._packet(marker=True)
        return self._packet(marker=False)

    def _packet(self, *, marker: bool) -> EventPacket:
        assert self._started_at is not None
        code, length = self.digits[0]
        self._length = min(self._length + FRAME_SAMPLES, length)
        end = self._length == length and not marker
        duration = min(self._length * self.clock_rate // CLOCK_RATE, _MAX_DURATION)
        packet = EventPacket(self._started_at, marker, bytes(TelephoneEvent(code, end, duration)))
        self._ends += end
        if self._ends == END_PACKETS:
            del self.digits[0]
            self._started_at = None
            self._pause = samples_in(PAUSE_MS)
        return packet

    @property
    def busy(self) -> bool:
        """True while keys are being sent or wait."""
        return bool(self.digits)
