"""Packets that come early, late, twice, not at all, and out of order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.jitter_buffer import JitterBuffer

LAG = 160
"""The buffer's reserve: what comes just before a frame is played is heard a frame later."""


class Line:
    """Plays a frame each 20 ms; what it says tells by its octets which sample it is."""

    def __init__(self, first=1000, **settings):
        self.buffer = JitterBuffer(**settings)
        self.first = first
        self.heard = []

    def packet(self, number, samples=160):
        """The packet `number`, counted from 0, of `samples` each."""
        at = number * samples
        octets = bytes((np.arange(at, at + samples) // 10 % 251).astype(np.uint8))
        self.buffer.put((self.first + at) & 0xFFFFFFFF, octets)

    def play(self, frames=1):
        self.heard.extend(self.buffer.pop() for _ in range(frames))

    def run(self, arrivals, frames):
        """`arrivals` maps a frame to the packets that come before it is played."""
        for frame in range(frames):
            for number in arrivals(frame) if callable(arrivals) else arrivals.get(frame, ()):
                self.packet(number)
            self.play()

    @property
    def numbers(self):
        """Which packet each frame was, None for a gap."""
        return [None if frame is None else self._number(frame) for frame in self.heard]

    def _number(self, frame):
        """By the first octet, within the sequence of this test (less than 251 * 10 samples)."""
        assert isinstance(frame, bytes), frame
        return frame[0] * 10 / 160


def test_a_steady_stream_is_heard_a_frame_later():
    line = Line()
    line.run(lambda frame: [frame], 10)
    assert line.numbers == [None, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert line.buffer.waiting == LAG


def test_nothing_is_heard_before_anything_came():
    assert JitterBuffer().pop() is None
    assert JitterBuffer().starving


def test_packets_out_of_order_are_heard_in_order():
    line = Line()
    line.run({0: [0], 1: [2], 2: [1], 3: [3], 4: [4]}, 6)
    assert line.numbers == [None, 0, 1, 2, 3, 4]


def test_duplicates_are_heard_once():
    line = Line()
    line.run(lambda frame: [frame, frame, frame - 1, max(0, frame - 3)] if frame else [0], 13)
    assert line.numbers == [None, *range(12)]
    assert line.buffer.waiting == LAG
    assert line.buffer.late == 0 and line.buffer.duplicates > 10


def test_a_lost_packet_is_a_gap_of_its_length():
    line = Line()
    line.run({0: [0], 1: [1], 3: [3], 4: [4]}, 6)
    assert line.numbers == [None, 0, 1, None, 3, 4]


def test_a_packet_that_comes_after_others_overtook_it_and_were_played_is_dropped():
    line = Line()
    line.run({0: [0], 1: [1], 2: [3], 3: [], 4: [2, 4], 5: [5]}, 7)
    assert line.numbers == [None, 0, 1, None, 3, 4, 5]
    assert line.buffer.late == 1


def test_a_line_that_gets_slower_is_heard_later_from_then_on_and_nothing_is_lost():
    line = Line()
    line.run({0: [0], 1: [1], 2: [2], 6: [3, 4, 5, 6], 7: [7], 8: [8], 9: [9]}, 11)
    assert line.numbers == [None, 0, 1, 2, None, None, 3, 4, 5, 6, 7]
    assert line.buffer.waiting == 2 * 160


def test_delay_has_a_bound():
    line = Line(max_delay_ms=100)
    line.run({0: [0], 1: [1], 2: [2], 40: range(3, 14)}, 46)
    # The stall was longer than any buffer: the newest five frames are kept.
    assert line.numbers[40:] == [9, 10, 11, 12, 13, None]


def test_a_stall_of_a_second_does_not_leave_a_second_of_delay():
    line = Line()
    line.run(
        lambda frame: [] if 50 <= frame < 100 else range(50, 101) if frame == 100 else [frame], 130
    )
    assert line.buffer.waiting <= 1600


def test_delay_shrinks_when_it_is_not_needed_for_some_seconds():
    line = Line()
    late = {0: [0], 6: range(1, 7)}
    line.run(lambda frame: late.get(frame, [frame] if frame > 6 else []), 20)
    deep = line.buffer.waiting
    assert deep >= 480
    taken = 0
    for frame in range(20, 2000):
        line.packet(frame)
        line.play()
        if line.buffer.excessive:
            line.play()  # as a player does, which makes one frame of two
            taken += 1
    assert line.buffer.waiting == LAG
    assert taken == (deep - LAG) / 160


def test_delay_grows_when_packets_keep_being_overtaken():
    line = Line()

    # Every fifth packet comes three frames late.
    def arrivals(frame):
        now = [] if frame % 5 == 0 and frame else [frame]
        return now + ([frame - 3] if frame % 5 == 3 and frame > 3 else [])

    line.run(arrivals, 150)
    assert None not in line.numbers[100:]


@pytest.mark.parametrize("samples", [80, 240, 320, 480, 800])
def test_packets_of_any_length_fill_frames_of_twenty_milliseconds(samples):
    line = Line(first=7)
    played = 0
    for frame in range(60):
        while played * samples < (frame + 1) * 160:
            line.packet(played, samples)
            played += 1
        line.play()
    octets = b"".join(frame for frame in line.heard[1:] if isinstance(frame, bytes))
    expected = (np.arange(len(octets)) // 10 % 251).astype(np.uint8)
    assert len(octets) == 59 * 160
    assert octets == bytes(expected)


def test_half_a_frame_is_heard_when_the_other_half_was_lost():
    line = Line()
    for number in (0, 1, 3, 4, 5):
        line.packet(number, 80)
    line.play(4)
    none, whole, halves, last = line.heard
    assert none is None and isinstance(whole, bytes) and isinstance(last, bytes)
    assert halves[0] is None and len(halves[1]) == 80


def test_timestamps_wrap():
    line = Line(first=0xFFFFFFFF - 500)
    line.run(lambda frame: [frame], 13)
    assert line.numbers == [None, *range(12)]


def test_a_pause_of_the_sender_costs_nothing():
    line = Line()
    line.run(lambda frame: [frame] if frame < 3 or frame >= 10 else [], 14)
    assert line.numbers == [None, 0, 1, 2, *[None] * 7, 10, 11, 12]


def test_a_clock_that_stood_still_in_a_pause_is_followed():
    line = Line()
    for number in range(3):
        line.packet(number)
        line.play()
    line.play(500)
    for number in range(3, 6):
        line.packet(number)
        line.play()
    assert line.numbers[-2:] == [3, 4]


def test_a_clock_that_jumps_is_followed_but_a_stray_packet_is_not():
    line = Line()
    line.run({0: [0], 1: [1], 2: [2, 5000], 3: [3], 4: [4]}, 5)
    assert line.numbers == [None, 0, 1, 2, 3]
    for number in range(9000, 9006):
        line.packet(number)
        line.play()
    assert line.heard[-1] is not None


def test_another_stream_begins_anew():
    line = Line()
    line.run(lambda frame: [frame], 4)
    line.buffer.restart()
    line.heard.clear()
    line.first = 777_777
    line.run(lambda frame: [frame], 3)
    assert line.numbers == [None, 0, 1]


def test_absurd_packets_are_passed_over():
    buffer = JitterBuffer()
    buffer.put(0, b"")
    buffer.put(0, bytes(5000))
    assert buffer.pop() is None and buffer.starving


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_the_delay_stays_within_its_bounds(seed):
    rng = np.random.default_rng(seed)
    buffer = JitterBuffer()
    for frame in range(3000):
        for _ in range(rng.integers(0, 3)):
            wild = rng.random() < 0.02
            jump = int(rng.integers(-(1 << 31), 1 << 31)) if wild else int(rng.integers(-900, 900))
            buffer.put((frame * 160 + jump) & 0xFFFFFFFF, bytes(int(rng.integers(0, 500))))
        played = buffer.pop()
        if isinstance(played, bytes):
            assert len(played) == 160
        assert 0 <= buffer.waiting <= 1600


# Fixed, for a modem


def test_a_fixed_buffer_grows_to_100_ms_once_and_stays_so():
    line = Line()
    line.run(lambda frame: [frame], 5)
    line.buffer.fix()
    line.buffer.fix()
    line.run(lambda frame: [frame + 5], 400)
    assert line.heard[5:9] == [None] * 4 and None not in line.heard[9:]
    assert line.buffer.waiting == 5 * LAG
    assert not line.buffer.excessive


def test_a_fixed_buffer_makes_no_step_for_packets_that_are_too_late():
    line = Line()
    line.run(lambda frame: [frame], 3)
    line.buffer.fix()
    line.run(lambda frame: [frame + 3], 5)
    late = (8, 10, 12)  # each comes 140 ms after its turn
    line.run(lambda at: [n for n in (at + 8, at + 1) if (n == at + 8) != (n in late)], 12)
    assert line.numbers[8:] == [3, 4, 5, 6, 7, None, 9, None, 11, None, 13, 14]
    assert line.buffer.late == 3


def test_after_a_pause_a_fixed_buffer_has_its_reserve_again():
    line = Line()
    line.buffer.fix()
    line.run(lambda frame: [frame] if frame < 10 else [], 40)
    line.run(lambda frame: [frame + 10], 20)
    assert line.buffer.waiting == 5 * LAG


arrivals = st.lists(
    st.lists(st.integers(-4, 4), max_size=3).map(lambda near: near or [0]),
    min_size=5,
    max_size=40,
)


@given(arrivals, st.sampled_from([0, 8_000, 16_000, 2**32 - 1_600]), st.integers(0, 400))
def test_frames_do_not_depend_on_the_timestamp_at_which_a_stream_begins(offsets, base, odd):
    """Nor on where in the ring they lie: whole frames and such as go round its end alike."""
    heard = []
    for first in (1_000, base + odd):
        line = Line(first)
        for frame, near in enumerate(offsets):
            for offset in near:
                line.packet(max(0, frame + offset))
            line.play()
        buffer = line.buffer
        heard.append((line.heard, buffer.late, buffer.duplicates, buffer.anchors, buffer.waiting))
    assert heard[0] == heard[1]


class Ring(JitterBuffer):
    """A buffer that is a ring from the first packet on."""

    def _anchor(self, timestamp):
        super()._anchor(timestamp)
        self._leave_step()


jumps = st.sampled_from([0, 0, 0, 0, 1, 2, 3, -1, -2, -5, -12, 30, 200, -400])
deeds = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "play", "play", "play", "pause", "fix"]),
        jumps,
        st.sampled_from([160] * 8 + [80, 240]),
        st.sampled_from([0] * 12 + [40, -40, 7]),
    ),
    max_size=120,
)


@given(deeds, st.sampled_from([1_000, 2**32 - 3_000]))
def test_frames_in_step_are_played_as_the_ring_plays_them(deeds, base):
    """Whatever is lost, late, repeated, of other lengths or of another clock."""
    both = JitterBuffer(), Ring()
    now = 0
    for deed, jump, size, off in deeds:
        if deed == "put":
            timestamp = base + (now + jump) * 160 + off & 0xFFFFFFFF
            payload = bytes([(now + jump) % 251 + 1]) * size
            assert len({buffer.put(timestamp, payload) for buffer in both}) == 1
            now += jump == 0
        elif deed == "fix":
            for buffer in both:
                buffer.fix()
        else:
            for _ in range(1 if deed == "play" else 40):
                one, other = (buffer.pop() for buffer in both)
                assert one == other
        plain, ring = both
        assert (plain.waiting, plain.starving, plain.excessive) == (
            ring.waiting, ring.starving, ring.excessive
        )  # fmt: skip
        assert (plain.late, plain.duplicates, plain.anchors) == (
            ring.late, ring.duplicates, ring.anchors
        )  # fmt: skip


def test_a_stream_of_whole_frames_needs_no_ring():
    line = Line()
    line.run(lambda frame: [frame] if frame % 7 else [], 50)
    assert len(line.buffer._octets) == 0
    line.packet(110, samples=80)
    assert len(line.buffer._octets) == 1 << 14
