"""Where media comes from and goes to, as conversations; times are literal seconds."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.control import SetRemote
from rtp.latch import CONSISTENT_PACKETS
from rtp.relay import SIDE_A, SIDE_B, Component, Relay

RTP, RTCP = Component.RTP, Component.RTCP
ALICE, BOB = ("192.0.2.1", 4000), ("198.51.100.2", 5000)
ALICE_RTCP, BOB_RTCP = ("192.0.2.1", 4001), ("198.51.100.2", 5001)
MALLORY = ("203.0.113.66", 6666)


def rtp(sequence, ssrc=1):
    return struct.pack(">BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc)


REPORT = bytes.fromhex("80c90001 00000001")
STUN = bytes.fromhex("00010000 2112a442") + bytes(12)


class Conversation:
    """A relay with both sides negotiated at second 0."""

    def __init__(self, a=ALICE, b=BOB, a_signalling=ALICE[0], b_signalling=BOB[0]):
        self.relay = Relay(a_signalling, b_signalling, 3.0)
        self.say("a", a, now=0.0)
        self.say("b", b, now=0.0)

    def say(self, side, address, now, direction="sendrecv", rtcp_port=None):
        host, port = address
        rtcp_port = port + 1 if rtcp_port is None else rtcp_port
        self.relay.set_remote(SetRemote(1, side, host, port, rtcp_port, direction), now)

    def hear(self, side, source, now, data=None, component=RTP):
        """Where a packet goes that comes to a side."""
        index = SIDE_A if side == "a" else SIDE_B
        if data is None:
            data = rtp(round(now * 50))
        return self.relay.receive(index, component, data, source, now)

    def stream(self, side, source, start, packets, ssrc=1):
        """A packet every 20 ms; where each goes."""
        return [
            self.hear(side, source, start + index * 0.02, rtp(index, ssrc))
            for index in range(packets)
        ]

    def strays(self, side):
        return self.relay.sides[SIDE_A if side == "a" else SIDE_B].strays


def to_a(address, component=RTP):
    return SIDE_A, component, address


def to_b(address, component=RTP):
    return SIDE_B, component, address


def test_phones_that_tell_the_truth():
    call = Conversation()
    assert call.hear("a", ALICE, 0.1) == to_b(BOB)
    assert call.hear("b", BOB, 0.1) == to_a(ALICE)


def test_early_media_goes_to_a_caller_who_has_not_sent_yet():
    call = Conversation()
    assert call.hear("b", BOB, 0.1) == to_a(ALICE)


def test_a_caller_behind_nat_is_learned_from_the_address_of_its_sip():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    mapped = ("192.0.2.1", 61234)
    assert call.hear("b", BOB, 0.05) == to_a(("10.0.0.5", 4000))
    heard = call.stream("a", mapped, 0.1, CONSISTENT_PACKETS)
    assert heard == [None] * (CONSISTENT_PACKETS - 1) + [to_b(BOB)]
    assert call.hear("b", BOB, 0.2) == to_a(mapped)


def test_a_caller_behind_nat_may_begin_to_talk_late():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    assert call.stream("a", ("192.0.2.1", 61234), 20.0, 3)[-1] == to_b(BOB)


def test_a_wrong_port_in_sdp_is_learned_if_the_right_one_stays_silent():
    call = Conversation()
    heard = call.stream("a", ("192.0.2.1", 4444), 0.0, 40)
    assert heard[:25] == [None] * 25  # half a second for the announced one
    assert heard[30] == to_b(BOB)
    assert call.hear("b", BOB, 1.0) == to_a(("192.0.2.1", 4444))


def test_what_was_learned_yields_to_the_announced_address_while_the_window_is_open():
    call = Conversation()
    call.stream("a", ("192.0.2.1", 4444), 0.0, 40)
    assert call.hear("a", ALICE, 2.0) == to_b(BOB)
    assert call.hear("b", BOB, 2.0) == to_a(ALICE)
    assert call.hear("a", ("192.0.2.1", 4444), 2.1) is None


def test_nothing_is_learned_after_the_window():
    call = Conversation()
    assert call.stream("a", ("192.0.2.1", 4444), 3.0, 100) == [None] * 100
    assert call.hear("b", BOB, 6.0) == to_a(ALICE)
    assert call.hear("a", ALICE, 7.0) == to_b(BOB)


@pytest.mark.parametrize("start", [0.0, 1.0, 2.9, 30.0])
def test_a_stranger_who_sprays_gets_nothing_and_is_not_heard(start):
    call = Conversation()
    assert call.stream("a", MALLORY, start, 200, ssrc=6) == [None] * 200
    assert call.hear("b", BOB, start + 4.1) == to_a(ALICE)
    assert call.strays("a") == 200


def test_a_stranger_who_sprays_while_it_rings_gets_nothing():
    relay = Relay(ALICE[0], None, 3.0)
    relay.set_remote(SetRemote(1, "a", *ALICE, 4001, "sendrecv"), 0.0)
    beside = (ALICE[0], 9999)
    for index in range(500):
        assert relay.receive(SIDE_A, RTP, rtp(index), beside, index * 0.02) is None
    relay.set_remote(SetRemote(1, "b", *BOB, 5001, "sendrecv"), 10.0)
    assert relay.receive(SIDE_A, RTP, rtp(501), beside, 10.01) is None
    assert relay.receive(SIDE_B, RTP, rtp(1), BOB, 10.02) == to_a(ALICE)
    assert relay.receive(SIDE_A, RTP, rtp(1, 9), ALICE, 10.03) == to_b(BOB)
    assert relay.receive(SIDE_A, RTP, rtp(502), beside, 10.9) is None


def test_one_of_unknown_origin_is_believed_last_of_all():
    call = Conversation(b=("10.0.0.9", 5000), b_signalling=None)
    elsewhere = ("198.51.100.77", 5555)
    heard = call.stream("b", elsewhere, 0.0, 60)
    assert heard[:50] == [None] * 50
    assert heard[55] == to_a(ALICE)


def test_inconsistent_packets_are_not_learned():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    mapped = ("192.0.2.1", 61234)
    for index in range(60):
        assert call.hear("a", mapped, index * 0.02, rtp(index, ssrc=index)) is None
    for index in range(60):
        assert call.hear("a", mapped, 1.2 + index * 0.02, rtp(7)) is None


def test_once_latched_nobody_else_is_heard():
    call = Conversation()
    call.hear("a", ALICE, 0.1)
    assert call.stream("a", ("192.0.2.1", 4444), 0.2, 100) == [None] * 100
    assert call.strays("a") == 100


def test_after_a_new_offer_late_packets_of_the_old_port_are_ignored():
    call = Conversation()
    call.hear("a", ALICE, 0.1)
    moved = ("192.0.2.1", 4100)
    call.say("a", moved, now=10.0)
    assert call.hear("b", BOB, 10.01) == to_a(moved)
    assert call.hear("a", ALICE, 10.02) is None
    assert call.hear("a", ALICE, 10.04) is None
    assert call.hear("a", ALICE, 10.06) is None
    assert call.hear("a", moved, 10.08) == to_b(BOB)
    assert call.hear("a", ALICE, 10.10) is None
    assert call.hear("b", BOB, 10.12) == to_a(moved)


def test_the_old_port_can_be_negotiated_again():
    call = Conversation()
    call.say("a", ("192.0.2.1", 4100), now=10.0)
    call.say("a", ALICE, now=11.0)
    assert call.hear("a", ALICE, 11.1) == to_b(BOB)


def test_the_same_address_again_keeps_the_latch():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    mapped = ("192.0.2.1", 61234)
    call.stream("a", mapped, 0.1, 3)
    call.say("a", ("10.0.0.5", 4000), now=60.0)
    assert call.hear("a", mapped, 60.02) == to_b(BOB)
    assert call.hear("b", BOB, 60.02) == to_a(mapped)


def test_signalling_from_a_new_address_is_a_new_hint():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    call.relay.set_remote(SetRemote(1, "a", "10.0.0.5", 4000, 4001, "sendrecv", "192.0.2.99"), 5.0)
    assert call.stream("a", ("192.0.2.99", 7000), 5.1, 3)[-1] == to_b(BOB)


@pytest.mark.parametrize(
    ("direction", "gets_media"),
    [("sendrecv", True), ("recvonly", True), ("sendonly", False), ("inactive", False)],
)
def test_media_goes_only_to_who_wants_to_receive(direction, gets_media):
    call = Conversation()
    call.say("a", ALICE, now=5.0, direction=direction)
    assert call.hear("b", BOB, 5.1) == (to_a(ALICE) if gets_media else None)
    assert call.hear("a", ALICE, 5.1) == to_b(BOB)  # music on hold
    assert call.hear("b", BOB_RTCP, 5.2, REPORT, RTCP) == to_a(ALICE_RTCP, RTCP)


def test_hold_by_a_null_address_and_resume():
    call = Conversation()
    call.hear("a", ALICE, 0.1)
    call.say("a", ("0.0.0.0", 4000), now=5.0)
    assert call.relay.on_hold
    assert call.hear("b", BOB, 5.1) is None
    assert call.hear("b", BOB_RTCP, 5.1, REPORT, RTCP) is None
    call.say("a", ALICE, now=9.0)
    assert not call.relay.on_hold
    assert call.hear("b", BOB, 9.1) == to_a(ALICE)


def test_rtcp_goes_to_the_port_above_or_the_announced_one():
    call = Conversation()
    assert call.hear("a", ALICE_RTCP, 0.1, REPORT, RTCP) == to_b(BOB_RTCP, RTCP)
    call.say("b", BOB, now=1.0, rtcp_port=5999)
    assert call.hear("a", ALICE_RTCP, 1.1, REPORT, RTCP) == to_b((BOB[0], 5999), RTCP)
    assert call.hear("a", MALLORY, 1.2, REPORT, RTCP) is None
    assert call.hear("a", ALICE_RTCP, 1.2, rtp(1), RTCP) is None


def test_rtcp_of_a_peer_behind_nat_follows_its_rtp():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling="192.0.2.1")
    mapped = ("192.0.2.1", 61235)
    assert call.hear("a", mapped, 0.05, REPORT, RTCP) is None
    call.stream("a", ("192.0.2.1", 61234), 0.1, 3)
    assert call.hear("a", mapped, 0.2, REPORT, RTCP) == to_b(BOB_RTCP, RTCP)
    assert call.hear("b", BOB_RTCP, 0.3, REPORT, RTCP) == to_a(mapped, RTCP)
    assert call.hear("a", ("192.0.2.1", 61999), 0.4, REPORT, RTCP) is None


def test_multiplexed_rtcp_is_told_apart():
    call = Conversation()
    assert call.hear("a", ALICE, 0.1, REPORT) == to_b(BOB_RTCP, RTCP)
    assert call.hear("b", BOB_RTCP, 0.2, REPORT, RTCP) == to_a(ALICE)
    assert call.hear("b", BOB, 0.3, REPORT) == to_a(ALICE)
    assert call.hear("a", ALICE, 0.4, REPORT) == to_b(BOB)
    assert call.relay.figures(0).a.packets == 0


def test_what_is_no_rtp_stays_here():
    call = Conversation()
    call.hear("a", ALICE, 0.1)
    for rubbish in (b"", b"\r\n", STUN, rtp(1)[:11], b"\x16\xfe\xff" + bytes(30)):
        assert call.hear("a", ALICE, 0.2, rubbish) is None
    assert call.strays("a") == 0
    assert call.hear("a", MALLORY, 0.2, STUN) is None
    assert call.strays("a") == 1


def test_an_address_that_is_a_name_is_learned_from_signalling():
    call = Conversation(a=("phone.example.com", 4000), a_signalling="192.0.2.1")
    assert call.hear("b", BOB, 0.05) is None
    assert call.stream("a", ("192.0.2.1", 4000), 0.1, 3)[-1] == to_b(BOB)
    assert call.hear("b", BOB, 0.2) == to_a(("192.0.2.1", 4000))


def test_ipv6_however_it_is_written():
    call = Conversation(a=("2001:DB8:0:0::1", 4000), a_signalling="2001:db8::1")
    assert call.hear("a", ("2001:db8::1", 4000), 0.1) == to_b(BOB)


def test_figures_of_both_sides():
    call = Conversation()
    call.stream("a", ALICE, 1.0, 50)
    call.stream("b", BOB, 1.0, 10)
    figures = call.relay.figures(1_000_000)
    assert (figures.a.packets, figures.b.packets) == (50, 10)
    assert figures.a.first_packet_at == 1_001_000
    assert figures.a.last_packet_at == 1_001_980
    assert call.relay.last_packet_at == pytest.approx(1.98)


sources = st.sampled_from([ALICE, BOB, MALLORY, ALICE_RTCP, (ALICE[0], 4444)])
datagrams = st.one_of(
    st.binary(max_size=40), st.builds(rtp, st.integers(0, 200), st.integers(1, 2)), st.just(REPORT)
)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), sources, st.sampled_from(list(Component)), datagrams),
        max_size=60,
    )
)
def test_whatever_comes_nothing_goes_to_a_stranger(packets):
    call = Conversation()
    for index, (side, source, component, data) in enumerate(packets):
        forward = call.hear(side, source, index * 0.05, data, component)
        assert forward is None or forward[2] != MALLORY
