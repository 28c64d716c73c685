"""What is known of a call's quality while it goes on: who isn't heard, and how long the way is."""

import pytest
from studio import FRAME, Studio, sine

from rtp.control import Close, Figures, OneWay, SetRemote, TellFigures
from rtp.one_way import MAX_AT_ONCE, Rounds
from rtp.rtcp import (
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound_bytes,
)
from rtp.source import mean_opinion_score

VOICE = sine(300, 50)


class Calls(Studio):
    """With people who talk for so long, and phones that report."""

    def talk(self, seconds, *speaking):
        for number in range(round(seconds * 50)):
            for phone in speaking:
                phone.say(VOICE[number % 50 * FRAME :][:FRAME])
            self.tick()

    def rtcp(self, phone, *packets):
        """A report from a phone's RTCP port; where it went."""
        source = (phone.address[0], phone.address[1] + 1)
        data = compound_bytes(packets)
        return self.engine.receive(phone.port + 1, data, source, self.now)

    def figures(self, phone):
        self.tell(TellFigures(phone.session))
        return self.messages(Figures)[-1].figures


@pytest.fixture
def studio():
    return Calls()


# One-way audio


def test_a_side_that_is_never_heard_is_told_of_within_five_seconds(studio):
    alice, bob = studio.call()
    begun = studio.now
    while not studio.messages(OneWay):
        studio.talk(0.1, alice)
        assert studio.now - begun < 5.0
    assert studio.messages(OneWay) == [OneWay(1, "b", False)]
    studio.talk(5.0, alice)
    assert len(studio.messages(OneWay)) == 1
    studio.talk(1.5, alice, bob)
    assert studio.messages(OneWay)[1:] == [OneWay(1, "b", True)]
    figures = studio.figures(alice)
    assert (figures.a.one_way, figures.b.one_way) == (False, True)


def test_a_side_that_stops_being_heard_is_told_of(studio):
    alice, bob = studio.call()
    studio.talk(3.0, alice, bob)
    studio.talk(5.0, bob)
    assert studio.messages(OneWay) == [OneWay(1, "a", False)]


def test_silence_of_both_is_not_one_way(studio):
    studio.call()
    studio.talk(10.0)
    assert studio.messages(OneWay) == []


def test_who_is_on_hold_need_not_be_heard(studio):
    alice, bob = studio.call()
    held = SetRemote(1, "b", *bob.address, bob.address[1] + 1, "recvonly")
    studio.talk(1.0, alice, bob)
    studio.tell(held)
    studio.talk(10.0, alice)
    assert studio.messages(OneWay) == []


def test_who_talks_with_the_switch_should_be_heard(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    studio.talk(5.0)
    assert studio.messages(OneWay) == [OneWay(1, "a", False)]
    studio.talk(1.5, caller)
    assert studio.messages(OneWay)[1:] == [OneWay(1, "a", True)]


def test_every_session_has_its_turn_and_nobody_looks_when_there_is_none(studio):
    calls = [studio.call() for _ in range(9)]
    for _ in range(250):
        for alice, _ in calls:
            alice.say(VOICE[:FRAME])
        studio.tick()
    assert sorted(told.session for told in studio.messages(OneWay)) == list(range(1, 10))
    assert studio.engine.watch_due_at is not None
    for session in range(1, 10):
        studio.tell(Close(session))
    studio.talk(1.0)
    assert studio.engine.watch_due_at is None


# Round trip


def ntp(seconds):
    return seconds << 32


def reception(ssrc, middle, delay_seconds):
    return ReportBlock(ssrc, 0, 0, 0, 0, middle, round(delay_seconds * 65_536))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 256, 257, 5000])
def test_many_sessions_are_looked_at_a_few_at_a_time_and_each_once_a_second(count):
    rounds, sessions = Rounds(), dict.fromkeys(range(count))
    rounds.opened(0.0)
    looked_at = []
    while rounds.due_at <= 1.26:
        looked_at.append(rounds.turn(sessions, rounds.due_at))
    assert max(map(len, looked_at)) <= MAX_AT_ONCE
    assert {session for part in looked_at for session in part} == set(sessions)


def test_the_way_to_a_phone_is_timed_by_reports_that_pass(studio):
    alice, bob = studio.call()
    studio.talk(0.2, alice, bob)
    sent = studio.now
    assert studio.rtcp(alice, SenderReport(alice.ssrc, ntp(7), 0, 1, 160)) is not None
    studio.now = sent + 1.080
    assert studio.rtcp(bob, ReceiverReport(9, (reception(alice.ssrc, 7 << 16, 1.0),)))
    figures = studio.figures(alice)
    assert figures.b.round_trip_ms == 80.0 and figures.a.round_trip_ms is None


@pytest.mark.parametrize(
    ("middle", "delay"), [(8 << 16, 1.0), (7 << 16, 5.0), (0, 0.0)], ids=["other", "early", "none"]
)
def test_reports_that_cannot_be_true_measure_nothing(studio, middle, delay):
    alice, bob = studio.call()
    studio.rtcp(alice, SenderReport(alice.ssrc, ntp(7), 0, 1, 160))
    studio.now += 1.0
    studio.rtcp(bob, ReceiverReport(9, (reception(alice.ssrc, middle, delay),)))
    assert studio.figures(alice).b.round_trip_ms is None


def test_what_cannot_be_read_passes_all_the_same(studio):
    alice, bob = studio.call()
    source = (alice.address[0], alice.address[1] + 1)
    garbled = bytes.fromhex("81c8ffff00000001")
    passed = studio.engine.receive(alice.port + 1, garbled, source, studio.now)
    assert passed == (bob.port + 1, garbled, (bob.address[0], bob.address[1] + 1))


def test_a_long_way_costs_quality():
    assert mean_opinion_score(0.0, 0.0, 600.0) < mean_opinion_score(0.0, 0.0, 100.0) - 0.3


# Reports of our own


def test_we_report_what_we_send_and_get_where_we_talk_ourselves(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    studio.talk(1.0, caller)
    caller.skip(FRAME)  # lost on its way
    studio.talk(29.0, caller)
    times = [at for at, *_ in studio.reports]
    assert 4 <= len(times) <= 12
    at, port, target, (report, description) = studio.reports[0]
    assert (port, target) == (caller.port + 1, (caller.address[0], caller.address[1] + 1))
    own = caller.packets[0].ssrc
    assert isinstance(report, SenderReport) and report.ssrc == own
    assert isinstance(description, SourceDescription)
    ((named, ((kind, name),)),) = description.chunks
    assert (named, kind, len(name)) == (own, 1, 24)
    sent = [packet for packet in caller.packets if packet.sequence_number]
    assert report.packets in range(100, 500) and report.octets == 160 * report.packets
    assert (report.rtp_timestamp - sent[0].timestamp) & 0xFFFFFFFF == (report.packets - 1) * FRAME
    assert report.ntp_timestamp >> 32 == 2_208_988_800 + int(at)
    (block,) = report.blocks
    assert block.ssrc == caller.ssrc
    assert block.cumulative_lost == 1 and block.fraction_lost > 0
    later = studio.reports[1][3][0].blocks[0]
    assert (later.cumulative_lost, later.fraction_lost) == (1, 0)
    assert later.highest_sequence > block.highest_sequence


def test_the_answer_to_our_report_times_the_way(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    while not studio.reports:
        studio.talk(0.1, caller)
    at, _, _, (report, _) = studio.reports[0]
    middle = report.ntp_timestamp >> 16 & 0xFFFFFFFF
    studio.now = at + 0.550
    studio.rtcp(
        caller, SenderReport(caller.ssrc, ntp(9), 0, 1, 1, (reception(report.ssrc, middle, 0.5),))
    )
    assert studio.figures(caller).a.round_trip_ms == pytest.approx(50.0, abs=0.1)
    came = studio.now
    count = len(studio.reports)
    while len(studio.reports) == count:
        studio.talk(0.1, caller)
    at, _, _, (report, _) = studio.reports[-1]
    assert report.blocks[0].last_sender_report == 9 << 16
    assert report.blocks[0].delay_since / 65_536 == pytest.approx(at - came, abs=0.001)


def test_no_reports_of_ours_go_into_a_call_that_is_only_relayed(studio):
    alice, bob = studio.call()
    studio.talk(20.0, alice, bob)
    assert studio.reports == []
