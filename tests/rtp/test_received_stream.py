"""Loss, jitter and quality of a stream, against RFC 3550 in its plainest form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.figures import SideFigures
from rtp.sequence import SequenceCounter
from rtp.source import Counted, ReceivedStream, mean_opinion_score


def stream_of(sequences, *, start=100.0):
    """G.711 packets of 20 ms, each in time."""
    stream = ReceivedStream()
    for index, sequence in enumerate(sequences):
        stream.count(sequence, index * 160, 7, 172, start + index * 0.02)
    return stream


def test_a_clean_second():
    figures = stream_of(range(50)).figures(1_000_000, 3)
    assert figures == SideFigures(
        packets=50,
        octets=8000,
        expected=50,
        lost=0,
        jitter_ms=0.0,
        mos=4.38,
        first_packet_at=1_100_000,
        last_packet_at=1_100_980,
        strays=3,
    )


def test_nothing_came():
    assert ReceivedStream().figures(0, 2) == SideFigures(strays=2)


def test_lost_doubled_and_late_packets():
    stream = stream_of([10, 11, 14, 13, 14, 15])
    assert stream.expected == 6
    assert stream.figures(0, 0).lost == 0  # 12 is missing, 14 came twice (A.3)
    assert stream_of([10, 12, 16]).figures(0, 0).lost == 4


def test_sequence_numbers_wrap():
    assert stream_of([65534, 65535, 0, 1]).expected == 4
    assert stream_of([65534, 0, 65535, 1]).figures(0, 0).lost == 0


def test_a_jump_is_taken_for_a_restart_only_when_it_goes_on():
    counter = SequenceCounter(100)
    counter.update(101)
    counter.update(40_000)
    assert counter.expected == 2
    counter.update(102)
    assert counter.expected == 3
    counter.update(50_000)
    counter.update(50_001)
    assert counter.extended_highest == 50_001
    assert counter.expected == 5  # 100, 101, 102, 50000, 50001


def test_another_source_keeps_what_was_counted():
    stream = stream_of([10, 11, 13])
    for index, sequence in enumerate([50_000, 50_002]):
        stream.count(sequence, index * 160, 8, 172, 200.0 + index * 0.02)
    assert stream.ssrc == 8
    assert stream.packets == 5
    assert stream.expected == 4 + 3


def test_jitter_is_the_smoothed_difference_of_transit_times():
    stream = ReceivedStream()
    stream.count(0, 0, 7, 172, 1.0)
    stream.count(1, 160, 7, 172, 1.022)  # 2 ms late: 16 timestamp units
    assert stream.jitter_seconds == pytest.approx(0.001 / 8)


def test_a_restarted_timestamp_is_no_jitter():
    stream = stream_of(range(10))
    stream.count(10, 3_000_000_000, 7, 172, 100.2)
    stream.count(11, 3_000_000_160, 7, 172, 100.22)
    assert stream.jitter_seconds == 0.0


def test_the_timestamp_wraps_without_jitter():
    stream = ReceivedStream()
    for index in range(10):
        stream.count(index, (0xFFFF_FFFF - 800 + index * 160) % (1 << 32), 7, 172, index * 0.02)
    assert stream.jitter_seconds == 0.0


def test_quality():
    perfect = mean_opinion_score(0.0, 0.0)
    assert 4.3 < perfect < 4.5
    assert 3.9 < mean_opinion_score(0.01, 5.0) < perfect
    assert mean_opinion_score(0.05, 5.0) < mean_opinion_score(0.01, 5.0)
    assert mean_opinion_score(0.0, 300.0) < mean_opinion_score(0.0, 100.0)
    assert mean_opinion_score(1.0, 2000.0) == 1.0


@given(loss=st.floats(0, 1), jitter_ms=st.floats(0, 10_000))
def test_quality_stays_on_its_scale(loss, jitter_ms):
    assert 1.0 <= mean_opinion_score(loss, jitter_ms) <= 4.5


@given(
    first=st.integers(0, 0xFFFF),
    first_timestamp=st.integers(0, 0xFFFF_FFFF - 200_000),
    steps=st.lists(
        st.tuples(st.integers(-3, 20).filter(bool), st.integers(0, 400)), min_size=1, max_size=60
    ),
)
def test_against_a_straightforward_model(first, first_timestamp, steps):
    """Extended numbers without wrapping, and jitter in floating point (A.8 as text says it)."""
    stream = ReceivedStream()
    number, now_ticks = first + (1 << 16), 80_000
    stream.count(number & 0xFFFF, first_timestamp, 1, 172, now_ticks / 8000)
    highest, jitter, transit = number, 0.0, now_ticks - first_timestamp
    for step, gap in steps:
        number = highest + step
        now_ticks += gap
        timestamp = first_timestamp + (number - first - (1 << 16)) * 160
        if timestamp < 0:
            continue
        stream.count(number & 0xFFFF, timestamp, 1, 172, (now_ticks + 0.5) / 8000)
        highest = max(highest, number)
        difference = abs(now_ticks - timestamp - transit)
        transit = now_ticks - timestamp
        jitter += (difference - jitter) / 16
    assert stream.expected == highest - first - (1 << 16) + 1
    assert stream.jitter_seconds * 8000 == pytest.approx(jitter, abs=2.0)


# Packets that somebody else counts: the kernel, which says how many, and which one came last.


def count_elsewhere(stream, first, sequences, *, ssrc=7, start=100.0):
    """The packets of these places in the stream go by, and are told of at once."""
    last = first + len(sequences) - 1
    at = start + last * 0.02
    counted = Counted(
        len(sequences), 160 * len(sequences), at, 0, last * 160, ssrc, sequences[-1] & 0xFFFF
    )
    stream.absorb(counted)


@given(
    st.lists(st.booleans(), min_size=3, max_size=300),
    st.lists(st.booleans(), min_size=300, max_size=300),
    st.integers(0, 0xFFFF),
)
def test_loss_is_the_same_whoever_counted(arrived, by_kernel, first):
    """In any mixture of the two, with any losses, across the wrap."""
    alone, both = ReceivedStream(), ReceivedStream()
    waiting = []
    for index, came in enumerate(arrived):
        if not came:
            continue
        sequence = (first + index) & 0xFFFF
        alone.count(sequence, index * 160, 7, 172, 100 + index * 0.02)
        if by_kernel[index] and both.packets:
            waiting.append(sequence)
            continue
        if waiting:
            count_elsewhere(both, index - len(waiting), waiting)
            waiting = []
        both.count(sequence, index * 160, 7, 172, 100 + index * 0.02)
    if waiting:
        count_elsewhere(both, len(arrived) - len(waiting), waiting)
    assert (both.packets, both.octets) == (alone.packets, alone.octets)
    assert both.expected == alone.expected


def test_a_late_telling_does_not_turn_the_count_back():
    stream = stream_of(range(10))
    count_elsewhere(stream, 5, [5, 6])
    assert (stream.packets, stream.expected) == (12, 10)


def test_nothing_new_elsewhere_changes_nothing():
    stream = stream_of(range(10))
    before = stream.figures(0, 0)
    stream.elsewhere = lambda: Counted(0, 0, 500.0, 9000, 0, 1, 1)
    stream.catch_up()
    assert stream.figures(0, 0) == before


def test_another_source_that_was_seen_elsewhere_only():
    stream = stream_of(range(10))
    count_elsewhere(stream, 10, list(range(40_000, 40_050)), ssrc=8)
    stream.count(40_050, 60 * 160, 8, 172, 101.2)
    figures = stream.figures(0, 0)
    assert (figures.packets, figures.expected, figures.lost) == (61, 61, 0)


def test_a_stream_that_restarted_elsewhere():
    stream = stream_of(range(10))
    count_elsewhere(stream, 10, list(range(30_000, 30_050)))
    assert stream.figures(0, 0).lost == 0


def test_who_counts_on_begins_where_the_other_stopped():
    stream = stream_of([65_533, 65_534, 65_535, 0])
    so_far = stream.so_far()
    assert (so_far.packets, so_far.sequence, so_far.ssrc) == (0, 0, 7)
    assert so_far.last_at == pytest.approx(100.06)
    assert so_far.timestamp == pytest.approx(3 * 160, abs=1)
