"""Calls that the kernel passes on, numbered packet by packet."""

import asyncio

import pytest
from kernel_maps import entries, hash_maps, resident_bytes
from talking import EVENTS, Home, Phone, machines, media_at, place, status_of, talk_at
from test_media_worker_process import HOST, until

from rtp.kernel.probe import try_machine
from rtp.kernel.tier import KernelUnavailable

__all__ = ["machines", "place"]


MAX_GROWTH_BYTES = 1 << 20
"""Of a worker over 900 calls: about a kilobyte for each that left something would be more."""
LATE = 9_000_000
"""The number of a packet from a place that was left."""


@pytest.fixture(scope="module", autouse=True)
def _kernel():
    try:
        try_machine((40_000, 40_999))
    except KernelUnavailable as why:
        pytest.skip(f"no kernel tier here: {why}")


def test_a_call_walks_through_all_tiers_and_back_without_losing_a_packet(place, tmp_path):
    async def story():
        async with talk_at(place) as talk:
            session = talk.session
            await talk.tier("kernel")

            recording, over = session.record(str(tmp_path / "1.wav"), "both", max_seconds=60)
            await talk.tier("sound")
            session.stop_recording(recording)
            assert (await over).reason == "stopped"
            await talk.tier("kernel")

            session.listen("a")
            await talk.tier("sound")
            session.listen("a", digits=False)
            await talk.tier("kernel")

            async with talk.unheard():
                session.hear("a", "echo")
                session.hear("b", "echo")
                await talk.tier("sound")
                session.hear("a", "room", 1)
                session.hear("b", "room", 1)
                await talk.more()
                session.hear("a", "peer")
                session.hear("b", "peer")
                await talk.tier("kernel")

            talk.negotiate()  # as at a re-INVITE that changes nothing
            await talk.tier("kernel")
            await talk.stop()
            assert talk.missed(talk.bob, talk.alice) == set()
            assert talk.missed(talk.alice, talk.bob) == set()
            for phone in (talk.alice, talk.bob):
                assert len(phone.came) == len(set(phone.came))
            figures = await session.close()
            for side, phone in ((figures.a, talk.alice), (figures.b, talk.bob)):
                assert side.packets == side.expected == phone.sent
                assert (side.lost, side.octets) == (0, 160 * phone.sent)

    asyncio.run(story())


def test_keys_go_by_user_space_and_are_counted_with_the_rest():
    async def story():
        async with talk_at(Home()) as talk:
            await talk.tier("kernel")
            for payload_type in (EVENTS, 0x80 | EVENTS, EVENTS):
                talk.alice.say(payload_type)
                await talk.more(3)
            await talk.stop()
            assert talk.missed(talk.bob, talk.alice) == set()
            figures = await talk.session.close()
            assert (figures.a.packets, figures.a.lost) == (talk.alice.sent, 0)

    asyncio.run(story())


def test_lost_packets_are_counted_though_the_kernel_alone_saw_the_others():
    async def story():
        async with talk_at(Home()) as talk:
            await talk.tier("kernel")
            talk.alice.sent += 7
            await talk.more()
            talk.alice.sent += 4
            await talk.tier("kernel")
            await talk.stop()
            figures = await talk.session.close()
            assert (figures.a.lost, figures.b.lost) == (11, 0)
            assert figures.a.packets == talk.alice.sent - 11
            assert 0 < figures.a.jitter_ms < 100

    asyncio.run(story())


def test_a_transfer_changes_the_peer_and_takes_the_lanes_along(place):
    async def story():
        async with talk_at(place) as talk:
            await talk.tier("kernel")
            before, talk.alice = talk.alice, Phone(place, "alice", place.alice, 1)
            talk.alice.to, talk.alice.sent = before.to, before.sent
            talk.negotiate()
            await talk.session.figures()
            before.listen()
            heard = len(before.came)
            await talk.tier("kernel")
            before.sent = LATE
            before.say()
            await talk.stop()
            before.listen()
            assert LATE not in talk.bob.came
            assert len(before.came) == heard
            assert talk.alice.came[-1] == talk.bob.sent - 1
            assert (await status_of(talk.media)).kernel_lanes == 2
            before.socket.close()

    asyncio.run(story())


def test_a_transfer_to_another_machine_by_user_space(place):
    async def story():
        async with talk_at(place, fast_path=False) as talk:
            await talk.more()
            before, talk.alice = talk.alice, Phone(place, "bob", place.bob, 1)
            talk.alice.to, talk.alice.sent = before.to, before.sent
            talk.negotiate()
            await talk.session.figures()
            await talk.more(20)
            await talk.stop()
            assert talk.bob.came[-1] == talk.alice.sent - 1
            assert talk.alice.came[-1] == talk.bob.sent - 1
            before.socket.close()

    asyncio.run(story())


def test_on_hold_nobody_hears_anything_and_afterwards_everybody_all(place):
    async def story():
        async with talk_at(place) as talk:
            await talk.tier("kernel")
            talk.negotiate("sendonly")
            await status_of(talk.media)  # the worker's answer comes after it has done the rest
            await asyncio.sleep(0.1)  # on a busy machine packets from before are still on their way
            talk.alice.listen()
            talk.bob.listen()
            heard = len(talk.alice.came) + len(talk.bob.came)
            await talk.more()
            assert len(talk.alice.came) + len(talk.bob.came) == heard
            assert (await status_of(talk.media)).kernel_lanes == 0
            talk.negotiate()
            await talk.tier("kernel")
            assert (await status_of(talk.media)).kernel_lanes == 2
            figures = await talk.session.figures()
            assert figures.a.packets > 0 and figures.a.lost == 0

    asyncio.run(story())


def test_silence_of_one_side_and_of_both_is_noticed():
    """What the kernel counted tells that somebody still talks, and since when nobody does."""
    unheard, silent = [], []

    async def story():
        async with talk_at(Home(), silence_seconds=3.0) as talk:
            talk.media.on_one_way = lambda session, side, heard: unheard.append((side, heard))
            talk.media.on_silent = lambda session, last_packet_at: silent.append(last_packet_at)
            await talk.tier("kernel")
            talk.mute = {talk.bob}
            await until(lambda: unheard)  # after more than three seconds
            assert (unheard[0], silent) == (("b", False), [])
            assert talk.session.tier == "kernel"
            talk.mute = {talk.alice, talk.bob}
            await until(lambda: silent)
            figures = await talk.session.close()
            assert silent == [figures.a.last_packet_at]
            assert figures.a.last_packet_at > figures.b.last_packet_at
            assert figures.b.one_way

    asyncio.run(story())


def test_a_thousand_calls_leave_nothing_behind():
    async def story():
        home = Home()
        async with media_at(home, pairs=300, quarantine_seconds=0.0) as media:
            alice, bob = Phone(home, "alice", HOST, 1), Phone(home, "bob", "127.0.0.2", 2)
            at_first = await status_of(media)
            (pid,) = media.pids
            (flows,) = hash_maps(pid)
            await a_hundred_calls(media, alice, bob, flows)
            resident = resident_bytes(pid)
            for _ in range(9):
                await a_hundred_calls(media, alice, bob, flows)
            assert resident_bytes(pid) - resident < MAX_GROWTH_BYTES
            assert entries(flows) == 0
            status = await status_of(media)
            assert (status.sessions, status.kernel_lanes, status.relay_lanes) == (0, 0, 0)
            assert (status.ports_in_use, status.files) == (0, at_first.files)
            assert status.ports_free + status.ports_resting == 300
            alice.socket.close()
            bob.socket.close()

    asyncio.run(story())


async def a_hundred_calls(media, alice, bob, flows):
    """All at once, each of them in the kernel."""
    sessions = await asyncio.gather(*(media.open(HOST, "127.0.0.2") for _ in range(100)))
    for session in sessions:
        for side, phone in (("a", alice), ("b", bob)):
            host, port = phone.address
            session.set_remote(side, host, port, port + 1, "sendrecv")
    await status_of(media)  # so all was negotiated
    for session in sessions:
        for phone, port in ((alice, session.a_port), (bob, session.b_port)):
            phone.to = (HOST, port)
            phone.say()
    async with asyncio.timeout(10):
        while (await status_of(media)).kernel_lanes < 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert entries(flows) == 200
    closed = await asyncio.gather(*(session.close() for session in sessions))
    assert all(figures.a.packets == figures.b.packets == 1 for figures in closed)
