"""Relay sessions in one process, over a virtual network and in virtual time."""

import asyncio
import selectors
import struct

import pytest

from rtp.local import LocalMedia
from rtp.session import MediaError, MediaSettings

ALICE, BOB = ("192.0.2.1", 4000), ("198.51.100.2", 5000)
EPOCH_MS = 1_700_000_000_000


class JumpingSelector(selectors.BaseSelector):
    """Never waits: time jumps instead."""

    def __init__(self):
        self.now = 0.0

    def register(self, fileobj, events, data=None):
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj):
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout=None):
        assert timeout is not None, "everybody waits for something that never comes"
        self.now += timeout
        return []

    def get_map(self):
        return {}


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.now


class Network:
    """Keeps what the relay sends."""

    def __init__(self):
        self.sent = []

    def send(self, local_port, data, target):
        self.sent.append((local_port, data, target))


def run(story, *, loop=JumpingLoop, **settings):
    async def begin():
        network = Network()
        silent = []
        media = LocalMedia(
            asyncio.get_running_loop(),
            network,
            (20000, 20007),
            MediaSettings(**settings),
            epoch_offset_ms=EPOCH_MS,
            on_silent=lambda session, at: silent.append((session.id, at)),
        )
        await media.start()
        await story(media, network, silent)
        await media.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(begin())


def rtp(sequence):
    return struct.pack(">BBHII", 0x80, 0, sequence, sequence * 160, 1)


async def connected(media):
    session = await media.open(ALICE[0], BOB[0])
    session.set_remote("a", ALICE[0], ALICE[1], ALICE[1] + 1, "sendrecv")
    session.set_remote("b", BOB[0], BOB[1], BOB[1] + 1, "sendrecv")
    return session


def test_a_call_of_one_second():
    async def story(media, network, silent):
        session = await connected(media)
        assert (session.a_port, session.b_port) == (20000, 20002)
        for sequence in range(50):
            media.receive(session.a_port, rtp(sequence), ALICE)
            media.receive(session.b_port, rtp(sequence), BOB)
            await asyncio.sleep(0.02)
        assert network.sent[:2] == [(20002, rtp(0), BOB), (20000, rtp(0), ALICE)]
        assert len(network.sent) == 100
        assert session.latched == {"a": ALICE, "b": BOB}
        figures = await session.close()
        assert figures.a.packets == figures.b.packets == 50
        assert figures.a.last_packet_at == EPOCH_MS + 980
        assert (media.sessions, media.ports_in_use) == (0, 0)
        assert session.close() is session.close()
        session.set_remote("a", *ALICE, 4001, "sendrecv")

    run(story)


def test_a_call_that_falls_silent():
    async def story(media, network, silent):
        session = await connected(media)
        await asyncio.sleep(5.0)
        media.receive(session.a_port, rtp(1), ALICE)
        await asyncio.sleep(59.9)
        assert silent == []
        await asyncio.sleep(0.2)
        assert silent == [(session.id, EPOCH_MS + 5000)]
        assert media.monotonic(EPOCH_MS + 5000) == 5.0
        await session.close()

    run(story, silence_seconds=60.0)


def test_ports_run_out_and_come_back():
    async def story(media, network, silent):
        first = await media.open(None, None)
        await media.open(None, None)
        with pytest.raises(MediaError, match="20000-20007"):
            await media.open(None, None)
        await first.close()
        await asyncio.sleep(5.0)
        assert (await media.open(None, None)).a_port == first.a_port

    run(story, quarantine_seconds=5.0)


def test_a_call_that_gave_up_before_its_ports_were_open():
    async def story(media, network, silent):
        media.open(None, None).cancel()
        await asyncio.sleep(0.1)
        assert (media.sessions, media.ports_in_use) == (0, 0)

    run(story)


def test_a_loop_whose_timers_do_not_say_when():
    """As uvloop's."""
    uvloop = pytest.importorskip("uvloop")

    async def story(media, network, silent):
        session = await connected(media)
        media.receive(session.a_port, rtp(0), ALICE)  # silence is due at once
        assert network.sent == [(session.b_port, rtp(0), BOB)]
        async with asyncio.timeout(10):
            while not silent:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await session.close()

    run(story, loop=uvloop.new_event_loop, silence_seconds=0.0003)
