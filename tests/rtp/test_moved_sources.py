"""A phone whose NAT gives it another port in the middle of a call; times are literal seconds."""

import asyncio

import pytest
from studio import Shelf
from test_media_worker_process import Call, Phone, rtp, until, with_workers
from test_relay_latching import ALICE, BOB, MALLORY, Conversation, to_a, to_b

from rtp.control import Elsewhere, Latched, Open, Relearn, SetRemote, SideSpec, Start
from rtp.engine import Engine
from rtp.ports import PortPool
from rtp.sound import SoundTier

NEW = (ALICE[0], 61_000)
"""What the NAT made of Alice's port later."""


def talking(**how):
    """A call that has talked for a second, and whose window is long over."""
    call = Conversation(**how)
    call.stream("a", ALICE, 0.1, 50)
    call.stream("b", BOB, 0.1, 50)
    return call


def behind_nat():
    call = Conversation(a=("10.0.0.5", 4000), a_signalling=ALICE[0])
    call.stream("a", ALICE, 0.1, 50)
    call.stream("b", BOB, 0.1, 50)
    return call


def reopen(call, how, now):
    sdp = call.relay.sides[0].latch.announced
    if how == "offer":
        call.say("a", sdp, now=now)
    elif how == "hold and resume":
        call.say("a", sdp, now=now - 5.0, direction="recvonly")
        call.say("a", sdp, now=now)
    else:
        call.relay.sides[0].relearn(None, now)


HOWS = ["offer", "hold and resume", "refresh or registration"]


@pytest.mark.parametrize("make", [talking, behind_nat])
@pytest.mark.parametrize("how", HOWS)
def test_a_new_port_takes_over_while_the_window_is_open_again_and_the_old_one_is_silent(make, how):
    call = make()
    reopen(call, how, 60.0)
    heard = call.stream("a", NEW, 60.1, 40)
    assert heard[:25] == [None] * 25 and heard[26:] == [to_b(BOB)] * 14
    assert call.hear("b", BOB, 61.0) == to_a(NEW)


@pytest.mark.parametrize("how", HOWS)
def test_late_packets_of_the_old_port_only_delay_it(how):
    call = behind_nat()
    reopen(call, how, 60.0)
    for index in range(5):
        call.hear("a", ALICE, 60.0 + index * 0.02, rtp(200 + index, 1))
    heard = call.stream("a", NEW, 60.12, 60)
    assert heard[20] is None and heard[30] == to_b(BOB)


@pytest.mark.parametrize("how", HOWS)
def test_an_old_port_that_speaks_keeps_its_place(how):
    call = behind_nat()
    reopen(call, how, 60.0)
    for index in range(200):
        now = 60.0 + index * 0.02
        assert call.hear("a", ALICE, now, rtp(200 + index, 1)) == to_b(BOB)
        assert call.hear("a", NEW, now + 0.01, rtp(index, 9)) is None
    assert call.hear("b", BOB, 64.0) == to_a(ALICE)


@pytest.mark.parametrize("start", [20.0, 70.0])
def test_outside_of_any_window_nothing_changes_but_it_is_noted(start):
    call = behind_nat()
    reopen(call, "offer", 60.0) if start > 60 else None
    assert call.stream("a", NEW, start, 200) == [None] * 200
    assert call.hear("b", BOB, start + 5) == to_a(ALICE)
    assert call.relay.sides[0].latch.elsewhere == NEW
    assert call.hear("a", ALICE, start + 5) == to_b(BOB)


def test_a_window_opened_by_a_refresh_lets_what_was_noted_take_over():
    call = talking()
    call.stream("a", NEW, 20.0, 200)
    call.relay.sides[0].relearn(None, 25.0)
    assert call.stream("a", NEW, 25.0, 40)[-1] == to_b(BOB)
    assert call.relay.sides[0].latch.elsewhere is None


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("start", [0.0, 1.0, 2.9, 30.0])
def test_another_host_never_takes_over(how, start):
    call = behind_nat()
    reopen(call, how, 60.0)
    assert call.stream("a", MALLORY, 60.0 + start, 200, ssrc=6) == [None] * 200
    assert call.hear("b", BOB, 65.0 + start) == to_a(ALICE)
    assert call.relay.sides[0].latch.elsewhere is None


def test_inconsistent_packets_never_take_over():
    call = behind_nat()
    reopen(call, "offer", 60.0)
    for index in range(140):
        assert call.hear("a", NEW, 60.0 + index * 0.02, rtp(index, ssrc=index)) is None


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_a_side_that_needs_not_send_is_not_taken_over(direction):
    """Its silence means nothing."""
    call = talking()
    call.say("a", ALICE, now=60.0, direction=direction)
    assert call.stream("a", NEW, 60.0, 200) == [None] * 200


def test_a_phone_that_registered_from_another_network_is_followed_there():
    call = behind_nat()
    elsewhere = ("203.0.113.9", 7000)
    call.relay.sides[0].relearn(elsewhere[0], 60.0)
    assert call.stream("a", elsewhere, 60.1, 40)[-1] == to_b(BOB)


class NoSockets:
    def bind(self, rtp_port):
        pass

    def release(self, rtp_port):
        pass

    def keep_none(self):
        pass


def test_the_switch_is_told_of_a_source_that_moved_and_of_one_that_may_not():
    start = Start("127.0.0.1", 20_000, 29_999, 0, 3.0, 60.0, 300.0, 5.0)
    pool = PortPool(20_000, 29_999, lambda ports: None, 5.0)
    engine = Engine(start, pool, NoSockets(), SoundTier(Shelf(), lambda bits: 1))
    engine.handle(Open(1, SideSpec(ALICE[0]), SideSpec(BOB[0])), 0.0)
    port = engine.take_messages()[0].a_rtp_port
    engine.handle(SetRemote(1, "a", *ALICE, 4001, "sendrecv"), 0.0)
    engine.handle(SetRemote(1, "b", *BOB, 5001, "sendrecv"), 0.0)
    engine.receive(port, rtp(0, 1), ALICE, 0.1)
    assert engine.take_messages() == [Latched(1, "a", *ALICE)]
    for index in range(200):
        engine.receive(port, rtp(index, 1), NEW, 20.0 + index * 0.02)
    assert engine.take_messages() == [Elsewhere(1, "a", *NEW)]
    engine.handle(Relearn(1, "a"), 30.0)
    for index in range(60):
        engine.receive(port, rtp(index, 1), NEW, 30.0 + index * 0.02)
    assert engine.take_messages() == [Latched(1, "a", *NEW)]


@pytest.mark.parametrize("fast_path", [False, True])
@pytest.mark.parametrize("how", ["offer", "refresh"])
def test_a_worker_hears_a_new_port_on_a_connected_socket(how, fast_path):
    async def story(media):
        told = []
        media.on_source = lambda session, side, source, heard: told.append((side, source, heard))
        call = Call(await media.open("127.0.0.1", "127.0.0.1"))
        await call.connect()
        await call.exchange(0, 30)
        moved = Phone()
        for index in range(20):
            moved.send(rtp(index, 5), call.session.a_port)
            await asyncio.sleep(0.02)
        assert await call.bob.hears_nothing()
        if how == "offer":
            call.negotiate("a", call.alice)
        else:
            call.session.relearn("a")
        await call.told()

        async def speak():
            for index in range(300):
                moved.send(rtp(index, 5), call.session.a_port)
                call.bob.send(rtp(1000 + index, 2), call.session.b_port)
                await asyncio.sleep(0.02)

        speaking = asyncio.ensure_future(speak())
        await until(lambda: told)
        assert told == [("a", (moved.host, moved.port), True)]
        await moved.heard(50, within=3.0)
        assert len(await moved.heard(5)) == len(await call.bob.heard(5)) == 5
        speaking.cancel()
        assert call.session.latched["a"] == (moved.host, moved.port)
        moved.close()
        await call.close()

    with_workers(story, fast_path=fast_path)


def test_a_worker_notes_another_port_of_a_side_that_fell_silent():
    async def story(media):
        told = []
        media.on_source = lambda session, side, source, heard: told.append((side, source, heard))
        call = Call(await media.open("127.0.0.1", "127.0.0.1"))
        await call.connect()
        await call.exchange(0, 30)
        moved = Phone()

        async def speak():
            for index in range(500):
                moved.send(rtp(index, 5), call.session.a_port)
                call.bob.send(rtp(1000 + index, 2), call.session.b_port)
                await asyncio.sleep(0.02)

        speaking = asyncio.ensure_future(speak())
        await until(lambda: told)
        assert told == [("a", (moved.host, moved.port), False)]
        assert call.session.elsewhere == {"a": (moved.host, moved.port)}
        assert await moved.hears_nothing() and await call.bob.hears_nothing()
        speaking.cancel()
        moved.close()
        await call.close()

    with_workers(story)
