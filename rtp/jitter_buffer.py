"""A jitter buffer: evens out the arrival of a stream's packets, with as little delay as possible.

While every packet is a frame of 20 ms in step with playing, as nearly all are, the frames wait as
they came. Otherwise the buffer is a ring of octets by timestamp, one octet a sample: packets of any
length fall into their places, in whatever order they arrive, and a frame is read at the place of
playing. The number of packets doesn't matter. Both ways play the same; the ring takes 32 KB and
twice the time.

It begins with one frame in reserve. When packets arrive too late to be played the reserve grows;
when it was not needed for a while it shrinks. It never exceeds its limit: older sound is dropped,
because people talk over each other when sound is late.

For a fax or modem it is fixed at a length: a modem bears no step in time, but any constant delay.
"""

from __future__ import annotations

from typing import NamedTuple

from rtp.samples import FRAME_SAMPLES, samples_in

RING = 1 << 14
"""Octets; two seconds."""
DEFAULT_MAX_DELAY_MS = 200
RESERVE = FRAME_SAMPLES
"""Samples that wait beyond the frame being played, at first and when nothing disturbs."""
FIXED_RESERVE = 5 * FRAME_SAMPLES
"""The reserve of a fixed buffer: 100 ms."""
SHRINK_FRAMES = 200
"""The frames for which the reserve must have been too long before it shrinks (4 s)."""
LATE_PACKETS = 3
"""The number of packets too late to be played that make the reserve a frame longer."""
ASTRAY_PACKETS = 3
"""This many packets in a row far from the place of playing mean that the sender's clock began
anew."""

_MASK = RING - 1
_CLOCK, _HALF_CLOCK = 0xFFFFFFFF, 0x80000000
"""Timestamps are of 32 bits and go round; places in here only go on, and mean the same octet."""
_HALF = FRAME_SAMPLES // 2
_FAR = RING // 2 - FRAME_SAMPLES + 1
"""A frame from here on ahead is of another clock."""
_SPAN = (RING // 2 // FRAME_SAMPLES + 1) * FRAME_SAMPLES
"""Samples in the past, in whole frames, of which it matters whether they were played."""
_REMEMBERED = 256
"""Places of missing frames, some times as many as matter."""
_MISSING, _WAITING, _PLAYED = 0, 1, 2
_FRAME_MISSING = bytes(FRAME_SAMPLES)
_FRAME_PLAYED = bytes([_PLAYED]) * FRAME_SAMPLES

Halves = tuple[bytes | None, bytes | None]
"""The first and the second 10 ms of a frame."""


class Regular(NamedTuple):
    """The state of a buffer while all packets of its stream are frames in step with playing, and
    nothing has disturbed it lately.

    Args:
        next, end: the places of the next frame to play and behind the last one that waits.
        frames, fewest: frames played since the reserve was watched, and the fewest samples that
            waited meanwhile.
        waiting: the frames by their places.
    """

    next: int
    end: int
    frames: int
    fewest: int
    waiting: dict[int, bytes]


class JitterBuffer:
    """One stream's octets between arriving and being played.

    Args:
        max_delay_ms: the longest that sound may wait here.
    """

    __slots__ = (
        "_astray",
        "_end",
        "_fewest",
        "_first",
        "_fixed",
        "_frames",
        "_hold",
        "_in_step",
        "_late_packets",
        "_max_delay",
        "_missed",
        "_next",
        "_octets",
        "_started",
        "_state",
        "_waiting",
        "anchors",
        "duplicates",
        "excessive",
        "late",
    )

    def __init__(self, max_delay_ms: int = DEFAULT_MAX_DELAY_MS) -> None:
        self._max_delay = samples_in(max_delay_ms)
        self._octets = self._state = bytearray()  # the ring, once it is needed
        self._in_step = True
        """Every packet since the anchor was a frame in step with playing."""
        self._waiting: dict[int, bytes] = {}
        """Such frames by their places."""
        self._missed: set[int] = set()
        """The places of frames that were lately missing when they were to be played."""
        self._first = 0
        """The place of the first frame since the anchor."""
        self._started = False
        self._next = 0
        self._end = 0
        self._hold = 0
        self._fixed = False
        self._late_packets = 0
        self._astray = 0
        self._frames = 0
        self._fewest = RING
        self.excessive = False
        """True if one more frame waits than is needed: the player may take it at once and merge the
        two."""
        self.anchors = 0
        """The number of times that playing began anew."""
        self.late = 0
        """Packets that came too late."""
        self.duplicates = 0

    @property
    def waiting(self) -> int:
        """Samples from where playing is to the newest; the delay that the buffer adds."""
        return max(0, self._end - self._next) if self._started else 0

    @property
    def starving(self) -> bool:
        """True if nothing waits: no packet has arrived yet, or the stream pauses."""
        return not self._started or self._end <= self._next

    def restart(self) -> None:
        """Another stream follows."""
        self._started = False

    def fix(self) -> None:
        """Have a constant reserve from now on; it grows to that once."""
        if self._fixed:
            return
        self._fixed = True
        self._hold += max(0, -(-(FIXED_RESERVE - self.waiting) // FRAME_SAMPLES))
        self._watch()

    def lend(self) -> Regular | None:
        """The state of a regular stream, with which another goes on until :meth:`go_on`; None of
        any other stream."""
        if not (self._started and self._in_step) or self._fixed or self._hold:
            return None
        if self._late_packets or self._astray or self.excessive:
            return None
        return Regular(self._next, self._end, self._frames, self._fewest, self._waiting)

    def go_on(self, regular: Regular) -> None:
        """Take back what was lent."""
        self._next, self._end, self._frames, self._fewest, self._waiting = regular

    # In

    def put(self, timestamp: int, payload: bytes) -> bool:
        """Take a packet's payload, at most half a second of it; whether it will be played."""
        size = len(payload)
        if not 0 < size <= RING // 4:
            return False
        if not self._started:
            self._anchor(timestamp)
        # As self.ahead(). `_next` goes on without end while timestamps wrap at 2**32; their
        # difference, taken as a signed 32-bit number, is right all the same.
        ahead = (timestamp - self._next + _HALF_CLOCK & _CLOCK) - _HALF_CLOCK
        if size == FRAME_SAMPLES and 0 <= ahead < _FAR and self._in_step and not ahead % size:
            self._waiting[self._next + ahead] = payload
        elif ahead + size > RING // 2 or ahead < -RING // 2:
            if not self._is_new_clock():
                return False
            self._anchor(timestamp)
            return self.put(timestamp, payload)
        elif ahead + size <= 0:
            return self._put_late(timestamp, payload, ahead)
        else:
            self._leave_step()
            self._write(self._next + ahead & _MASK, payload, size)
        self._astray = 0
        end = self._next + ahead + size
        if end > self._end:
            self._end = end
            excess = end - self._next - self._max_delay
            if excess > 0:
                self._drop(excess)
        return True

    def _put_late(self, timestamp: int, payload: bytes, ahead: int) -> bool:
        """Take a packet all of which should have been played."""
        if ahead % FRAME_SAMPLES:
            self._leave_step()
        if not self._makes_room(self._next + ahead, -ahead):
            return False
        return self.put(timestamp, payload)  # now it is in time

    def fill(self, timestamp: int, octets: bytes) -> None:
        """Put octets in the place of such as were put there, or of such as will never come; those
        whose time has passed are left out."""
        self._leave_step()
        ahead = self.ahead(timestamp)
        if ahead < 0:
            octets, ahead = octets[-ahead:], 0
        if octets and ahead + len(octets) <= RING // 2:
            self._write(self._next + ahead & _MASK, octets, len(octets))

    def empty(self, timestamp: int, size: int) -> None:
        """Take back octets that were put at a timestamp: they are missing after all."""
        self._leave_step()
        ahead = self.ahead(timestamp)
        for at in range(max(0, ahead), min(ahead + size, RING // 2)):
            self._state[self._next + at & _MASK] = _MISSING

    def ahead(self, timestamp: int) -> int:
        """Samples until a timestamp is played; negative if its time has passed."""
        return (timestamp - self._next + _HALF_CLOCK & _CLOCK) - _HALF_CLOCK

    @property
    def playing(self) -> bool:
        """True if the next frame is of the stream; False while the reserve is built up."""
        return self._started and not self._hold

    def _anchor(self, timestamp: int) -> None:
        """Begin with this packet, after the reserve."""
        self._in_step = True
        self._waiting.clear()
        self._missed.clear()
        self._next = self._first = timestamp - (FIXED_RESERVE if self._fixed else RESERVE)
        self._end = timestamp
        self._hold = self._late_packets = self._astray = 0
        self.anchors += 1
        self._started = True
        self._watch()

    def _is_new_clock(self) -> bool:
        """True if a timestamp from far away is accepted as a new clock."""
        self._astray += 1
        return self.starving or self._astray >= ASTRAY_PACKETS

    def _makes_room(self, place: int, late: int) -> bool:
        """True if a packet whose time has passed is played all the same, later than intended."""
        if self._was_played(place):
            self.duplicates += 1
            return False
        self.late += 1
        if self._end > self._next:
            # Others overtook it and are being played.
            self._late_packets += not self._fixed
            if self._late_packets >= LATE_PACKETS and self.waiting < self._max_delay:
                self._late_packets = 0
                self._hold += 1
            return False
        if self._fixed or late > self._max_delay:
            self._anchor(place)
        else:
            self._next = place
            self._first = min(self._first, place)
            self._missed = {other for other in self._missed if other < place}
            self._watch()
        return True

    def _was_played(self, place: int) -> bool:
        """True if what was at a place, whose time has passed, was there to be played."""
        if not self._in_step:
            return self._state[place & _MASK] == _PLAYED
        return place >= self._first and place not in self._missed

    def _miss(self, place: int) -> None:
        missed = self._missed
        missed.add(place)
        if len(missed) > _REMEMBERED:  # what is longer ago is taken for another clock
            self._missed = {other for other in missed if other >= place - RING // 2}

    def _leave_step(self) -> None:
        """Go on as a ring: a packet came that is no frame in step with playing."""
        if not self._in_step:
            return
        self._in_step = False
        self._octets, self._state = bytearray(RING), bytearray(RING)
        for place in range(max(self._first, self._next - _SPAN), self._next, FRAME_SAMPLES):
            if place not in self._missed:
                self._mark(place & _MASK, _FRAME_PLAYED)
        for place, payload in self._waiting.items():
            self._write(place & _MASK, payload, FRAME_SAMPLES)
        self._waiting.clear()
        self._missed.clear()

    def _write(self, at: int, payload: bytes, size: int) -> None:
        end = at + size
        if end <= RING:
            self._octets[at:end] = payload
            self._state[at:end] = b"\x01" * size
            return
        first = RING - at
        self._write(at, payload[:first], first)
        self._write(0, payload[first:], size - first)

    def _drop(self, samples: int) -> None:
        """Go on further ahead."""
        samples += -samples % FRAME_SAMPLES
        for place in range(self._next, self._next + samples, FRAME_SAMPLES):
            if self._in_step:
                self._waiting.pop(place, None)
                self._miss(place)
            else:
                self._mark(place & _MASK, _FRAME_MISSING)
        self._next += samples
        self._watch()

    # Out

    def pop(self) -> bytes | Halves | None:
        """The next 20 ms: its octets, None if nothing of it is there, or what is there of it."""
        if not self._started:
            return None
        if self._hold:
            self._hold -= 1
            self._watch()
            return None
        place = self._next
        self._next = place + FRAME_SAMPLES
        if not self._in_step:
            return self._pop_of_ring(place & _MASK)
        octets = self._waiting.pop(place, None)
        if octets is None:
            self._miss(place)
        # The same as _measure without the call: nearly every frame goes this way.
        waiting = self._end - self._next
        if waiting < self._fewest:
            self._fewest = waiting
        self._frames += 1
        self.excessive = False
        if self._frames >= SHRINK_FRAMES:
            self._shrink()
        return octets

    def _pop_of_ring(self, at: int) -> bytes | Halves | None:
        end = at + FRAME_SAMPLES
        if end > RING or self._state.count(_WAITING, at, end) != FRAME_SAMPLES:
            return self._pop_piecewise(at)
        self._state[at:end] = _FRAME_PLAYED
        self._measure()
        return bytes(self._octets[at:end])

    def _pop_piecewise(self, at: int) -> bytes | Halves | None:
        first, second = self._half(at), self._half(at + _HALF & _MASK)
        self._measure()
        if first is None:
            return None if second is None else (None, second)
        return (first, None) if second is None else first + second

    def _half(self, at: int) -> bytes | None:
        """10 ms, if every sample of them is there."""
        end = at + _HALF
        state, octets = self._state[at:end], self._octets[at:end]
        if end > RING:
            state += self._state[: end - RING]
            octets += self._octets[: end - RING]
        whole = state.count(_WAITING) == _HALF
        self._mark(at, _FRAME_PLAYED[:_HALF] if whole else _FRAME_MISSING[:_HALF])
        return bytes(octets) if whole else None

    def _mark(self, at: int, states: bytes) -> None:
        end = at + len(states)
        if end <= RING:
            self._state[at:end] = states
            return
        first = RING - at
        self._state[at:] = states[:first]
        self._state[: end - RING] = states[first:]

    # The reserve

    def _watch(self) -> None:
        """Begin a new span of watching how much of the reserve is needed."""
        self._frames = 0
        self._fewest = RING
        self.excessive = False

    def _measure(self) -> None:
        waiting = self._end - self._next
        if waiting < self._fewest:
            self._fewest = waiting
        self._frames += 1
        self.excessive = False
        if self._frames >= SHRINK_FRAMES:
            self._shrink()

    def _shrink(self) -> None:
        """End a span of watching: the reserve is too long if a frame of it was never needed."""
        excessive = not self._fixed and self._fewest >= RESERVE + FRAME_SAMPLES
        self._watch()
        self._late_packets = 0
        self.excessive = excessive
