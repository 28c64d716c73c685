"""RFC 4733 as it is written, and as phones write it."""

import pytest

from rtp.packet import PacketError
from rtp.telephone_event import (
    MAX_DIGITS_TO_SEND,
    EventReceiver,
    EventSender,
    TelephoneEvent,
)


def event(digit, duration, *, end=False):
    return bytes(TelephoneEvent("0123456789*#ABCD".index(digit), end, duration))


def received(*packets):
    """Digits told for (timestamp, payload)."""
    receiver = EventReceiver()
    digits = [receiver.receive(timestamp, payload) for timestamp, payload in packets]
    return "".join(digit for digit in digits if digit)


def test_a_payload_is_read_and_written():
    payload = bytes.fromhex("058a0320")
    event = TelephoneEvent.parse(payload)
    assert event == TelephoneEvent(code=5, end=True, duration=800, volume=10)
    assert event.digit == "5"
    assert bytes(event) == payload
    assert TelephoneEvent(16, False, 800).digit is None


@pytest.mark.parametrize("length", range(4))
def test_a_short_payload_is_refused(length):
    with pytest.raises(PacketError):
        EventReceiver().receive(0, b"\x05\x8a\x03"[:length])


def test_an_event_is_one_digit():
    packets = [(1000, event("5", duration)) for duration in range(160, 960, 160)]
    assert received(*packets, *[(1000, event("5", 960, end=True))] * 3) == "5"


def test_the_same_key_twice_is_two_digits():
    first, second = (1000, event("5", 800, end=True)), (2000, event("5", 800, end=True))
    assert received(first, first, first, second, second, second) == "55"


def test_an_event_of_which_only_the_last_packet_came_is_a_digit():
    assert received((1000, event("#", 800, end=True))) == "#"


def test_an_event_without_durations_is_one_digit():
    assert received((1000, event("7", 0)), (1000, event("7", 0)), (1000, event("7", 0))) == "7"


def test_a_key_held_for_ten_seconds_with_long_gaps_is_one_digit():
    assert received(*[(1000, event("9", 16_000 * n)) for n in range(1, 5)]) == "9"


def test_an_event_longer_than_its_field_goes_on_in_a_segment():
    long = (1000, event("1", 0xFFFF))
    segment = ((1000 + 0xFFFF), event("1", 160))
    assert received(long, segment, (segment[0], event("1", 320, end=True))) == "1"


def test_packets_that_were_overtaken_by_the_next_event_are_not_its_digit_again():
    late = (1000, event("1", 800, end=True))
    assert received((1000, event("1", 160)), (2000, event("2", 160)), late, late) == "12"


def test_digits_are_told_over_a_wrap_of_the_timestamp():
    assert received((0xFFFFFF00, event("1", 160)), (0x200, event("2", 160))) == "12"


def test_a_clock_that_begins_anew_does_not_silence_a_phone():
    assert received((5_000_000, event("1", 800)), (400, event("2", 800))) == "12"


def test_a_digit_is_sent_with_one_timestamp_one_marker_and_three_ends():
    sender = EventSender()
    assert sender.press("5", 60)
    packets = [sender.next_packet(8000 + 160 * frame) for frame in range(6)]
    sent = [packet for packet in packets if packet is not None]
    assert {packet.timestamp for packet in sent} == {8000}
    assert [packet.marker for packet in sent] == [True, False, False, False, False]
    events = [TelephoneEvent.parse(packet.payload) for packet in sent]
    assert [e.duration for e in events] == [160, 320, 480, 480, 480]
    assert [e.end for e in events] == [False, False, True, True, True]
    assert not sender.busy


def test_digits_are_sent_one_after_the_other_with_a_pause():
    sender, receiver = EventSender(), EventReceiver()
    for digit in "42#":
        sender.press(digit)
    heard, pauses = "", []
    for frame in range(60):
        packet = sender.next_packet(160 * frame)
        if packet is None:
            pauses.append(frame)
            continue
        heard += receiver.receive(packet.timestamp, packet.payload) or ""
    assert heard == "42#"
    assert pauses[:3] == [7, 8, 9]


def test_only_so_many_digits_wait():
    sender = EventSender()
    taken = [sender.press("1") for _ in range(MAX_DIGITS_TO_SEND + 1)]
    assert taken == [True] * MAX_DIGITS_TO_SEND + [False]
    with pytest.raises(ValueError):
        sender.press("x")


def test_a_press_whose_timestamp_moves_with_each_packet_is_one_digit():
    pressed = [(1000 + 160 * n, event("5", 160 * n)) for n in range(1, 6)]
    ends = [(1960 + 160 * n, event("5", 960, end=True)) for n in range(3)]
    assert received(*pressed, *ends) == "5"


def test_a_press_whose_timestamp_moves_and_whose_duration_stands_still_is_one_digit():
    pressed = [(1000 + 160 * n, event("5", 0)) for n in range(8)]
    assert received(*pressed, *[(2280 + 160 * n, event("5", 0, end=True)) for n in range(3)]) == "5"


def test_a_press_whose_timestamp_moves_is_one_digit_over_a_wrap_and_a_lost_packet():
    starts = (0xFFFFFF60, 0, 0x140, 0x1E0)
    assert received(*[(at, event("#", 160)) for at in starts]) == "#"


@pytest.mark.parametrize("pause_ms", [50, 100, 400])
def test_two_presses_whose_timestamps_move_are_two_digits(pause_ms):
    def press(at):
        moving = [(at + 160 * n, event("7", 160 * n)) for n in range(5)]
        return [*moving, *[(at + 800 + 160 * n, event("7", 800, end=True)) for n in range(3)]]

    second = 1000 + 800 + 320 + 8 * pause_ms
    assert received(*press(1000), *press(second)) == "77"


def test_two_presses_are_two_digits_though_the_end_of_the_first_was_lost():
    first = [(1000, event("4", 160 * n)) for n in range(1, 6)]
    assert received(*first, (1000 + 800 + 480, event("4", 160))) == "44"
