"""Real workers: processes, sockets on loopback, and what goes wrong with them."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from rtp.client import MediaError, MediaSettings, MediaWorkers, WorkerLost
from rtp.ring_lanes import RingLanes

HOST = "127.0.0.1"
REPORT = bytes.fromhex("80c90001 00000001")


class Phone:
    """An RTP and an RTCP socket."""

    def __init__(self, host=HOST):
        self.rtp, self.rtcp = udp_pair(host)
        self.host, self.port = self.rtp.getsockname()

    def close(self):
        self.rtp.close()
        self.rtcp.close()

    def send(self, data, port, *, rtcp=False):
        (self.rtcp if rtcp else self.rtp).sendto(data, (HOST, port))

    async def heard(self, count=1, *, rtcp=False, within=2.0):
        """The next so many datagrams; fewer if they don't come in time."""
        loop = asyncio.get_running_loop()
        heard = []
        try:
            async with asyncio.timeout(within):
                while len(heard) < count:
                    heard.append(await loop.sock_recv(self.rtcp if rtcp else self.rtp, 4096))
        except TimeoutError:
            pass
        return heard

    async def hears_nothing(self):
        return await self.heard(within=0.15) == []


def udp_pair(host):
    """Two ports in a row, the first of them even."""
    while True:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtp.bind((host, 0))
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            port = rtp.getsockname()[1]
            if port % 2:
                raise OSError("odd")
            rtcp.bind((host, port + 1))
        except OSError:
            rtp.close()
            rtcp.close()
            continue
        return rtp, rtcp


class Call:
    """Two phones and their session."""

    def __init__(self, session):
        self.session = session
        self.alice, self.bob = Phone(), Phone()

    def negotiate(self, side, phone, direction="sendrecv"):
        self.session.set_remote(side, phone.host, phone.port, phone.port + 1, direction)

    async def connect(self):
        self.negotiate("a", self.alice)
        self.negotiate("b", self.bob)
        await self.told()

    async def told(self):
        """Until the worker knows; messages and packets go different ways, but it answers a question
        after it has done what it was told before."""
        await self.session.figures()

    async def exchange(self, start, count):
        """Packets both ways, bit by bit as sent."""
        for sequence in range(start, start + count):
            there, back = rtp(sequence, 1), rtp(sequence, 2)
            self.alice.send(there, self.session.a_port)
            self.bob.send(back, self.session.b_port)
            assert await self.bob.heard() == [there]
            assert await self.alice.heard() == [back]

    def close(self):
        self.alice.close()
        self.bob.close()
        return self.session.close()


def rtp(sequence, ssrc):
    head = struct.pack(">BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, ssrc)
    return head + os.urandom(160)


def port_range(pairs):
    """Free ports, as far as anybody can know."""
    rtp_socket, rtcp_socket = udp_pair(HOST)
    first = rtp_socket.getsockname()[1]
    rtp_socket.close()
    rtcp_socket.close()
    first = min(first, 65_534 - 2 * pairs)
    return first, first + 2 * pairs - 1


async def until(true):
    """Wait for something that nobody tells."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def with_workers(story, *, pairs=200, workers=1, **settings):
    async def begin():
        media = MediaWorkers(HOST, port_range(pairs), workers, MediaSettings(**settings))
        await media.start()
        try:
            await story(media)
        finally:
            await media.close()

    asyncio.run(begin())


@pytest.fixture(params=["single packets", "batches"])
def way(request):
    """Both ways in which a worker relays."""
    if request.param == "single packets":
        return {"batch_from": None}
    try:
        RingLanes(2048).close()
    except OSError as error:
        pytest.skip(f"there is no io_uring: {error}")
    return {"batch_from": 1}


async def call_on(media):
    call = Call(await media.open(HOST, HOST))
    await call.connect()
    return call


def test_sound_and_reports_both_ways(way):
    async def story(media):
        call = await call_on(media)
        assert call.session.a_port % 2 == call.session.b_port % 2 == 0
        await call.exchange(0, 50)
        call.alice.send(REPORT, call.session.a_port + 1, rtcp=True)
        assert await call.bob.heard(rtcp=True) == [REPORT]
        call.bob.send(REPORT, call.session.b_port + 1, rtcp=True)
        assert await call.alice.heard(rtcp=True) == [REPORT]
        assert call.session.latched == {
            "a": (HOST, call.alice.port),
            "b": (HOST, call.bob.port),
        }
        figures = await call.close()
        for side in (figures.a, figures.b):
            assert (side.packets, side.octets, side.lost, side.strays) == (50, 8000, 0, 0)
            assert side.mos is not None
            assert side.mos > 4

    with_workers(story, **way)


def test_multiplexed_reports_on_a_latched_port(way):
    async def story(media):
        call = await call_on(media)
        await call.exchange(0, 5)
        call.alice.send(REPORT, call.session.a_port)
        assert await call.bob.heard(rtcp=True) == [REPORT]
        call.bob.send(REPORT, call.session.b_port + 1, rtcp=True)
        assert await call.alice.heard() == [REPORT]
        await call.exchange(5, 5)
        assert (await call.close()).a.packets == 10

    with_workers(story, **way)


def test_a_spray_before_during_and_after_the_call_gets_nothing(way):
    async def story(media):
        mallory = Phone("127.0.0.66")
        neighbour = Phone()
        session = await media.open(HOST, HOST)
        call = Call(session)

        def spray(start, *strangers):
            for sequence in range(start, start + 50):
                for port in (session.a_port, session.b_port):
                    for stranger in strangers or (mallory, neighbour):
                        stranger.send(rtp(sequence, 66), port)
                        stranger.send(REPORT, port + 1)

        spray(0)
        await call.connect()
        # Not from Alice's own host: if this machine is so busy that she says nothing for half a
        # second, somebody there is taken for her.
        spray(50, mallory)
        await call.exchange(0, 5)
        spray(100)
        await call.exchange(5, 20)
        spray(150)
        await call.exchange(25, 20)
        assert await call.alice.hears_nothing()
        assert await call.bob.hears_nothing()
        figures = await call.close()
        assert figures.a.packets == figures.b.packets == 45
        assert figures.a.strays > 0
        spray(200)
        assert await mallory.hears_nothing()
        assert await neighbour.hears_nothing()
        mallory.close()
        neighbour.close()

    with_workers(story, **way)


def test_a_new_offer_moves_a_phone_and_late_packets_do_not_move_it_back(way):
    async def story(media):
        call = await call_on(media)
        await call.exchange(0, 10)
        old, call.alice = call.alice, Phone()
        call.negotiate("a", call.alice)
        await call.told()
        for sequence in range(10, 15):
            old.send(rtp(sequence, 1), call.session.a_port)
        await call.exchange(15, 10)
        old.send(rtp(25, 1), call.session.a_port)
        await call.exchange(26, 10)
        assert await call.bob.hears_nothing()
        assert await old.hears_nothing()
        old.close()
        assert (await call.close()).a.packets == 30

    with_workers(story, **way)


def test_hold_and_resume(way):
    async def story(media):
        call = await call_on(media)
        await call.exchange(0, 5)
        call.negotiate("a", call.alice, "sendonly")
        call.negotiate("b", call.bob, "recvonly")
        await call.told()
        music = rtp(5, 1)
        call.alice.send(music, call.session.a_port)
        assert await call.bob.heard() == [music]
        call.bob.send(rtp(5, 2), call.session.b_port)
        assert await call.alice.hears_nothing()
        call.negotiate("a", call.alice)
        call.negotiate("b", call.bob)
        await call.told()
        await call.exchange(6, 5)
        await call.close()

    with_workers(story, **way)


def test_a_phone_whose_port_is_closed_for_a_moment(way):
    async def story(media):
        call = await call_on(media)
        await call.exchange(0, 5)
        port = call.bob.port
        call.bob.close()
        for sequence in range(5, 10):
            call.alice.send(rtp(sequence, 1), call.session.a_port)
        await asyncio.sleep(0.02)
        call.bob.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        call.bob.rtp.bind((HOST, port))
        await asyncio.sleep(0.02)
        for sequence in range(10, 20):
            call.alice.send(rtp(sequence, 1), call.session.a_port)
        assert len(await call.bob.heard(10, within=0.5)) >= 9
        await call.close()

    with_workers(story, **way)


def test_silence_is_told():
    async def story(media):
        told = asyncio.get_running_loop().create_future()
        media.on_silent = lambda session, at: told.set_result((session, at))
        call = await call_on(media)
        call.session.owner = "the call"
        await call.exchange(0, 1)
        async with asyncio.timeout(5):
            session, last_packet_at = await told
        assert session is call.session
        assert session.owner == "the call"
        figures = await call.close()
        assert last_packet_at == max(figures.a.last_packet_at, figures.b.last_packet_at)
        now = asyncio.get_running_loop().time()
        assert now - 5 < media.monotonic(last_packet_at) <= now

    with_workers(story, silence_seconds=0.2)


def test_ports_run_out_and_come_back():
    async def story(media):
        sessions = [await media.open(HOST, None) for _ in range(2)]
        with pytest.raises(MediaError, match="no free media port in"):
            await media.open(HOST, None)
        await sessions[0].close()
        again = await media.open(HOST, None)
        assert {again.a_port, again.b_port} == {sessions[0].a_port, sessions[0].b_port}

    with_workers(story, pairs=4, quarantine_seconds=0.0)


def test_a_killed_worker_is_replaced():
    async def story(media):
        lost = asyncio.get_running_loop().create_future()
        media.on_lost = lost.set_result
        call, other = await call_on(media), await call_on(media)
        pid, other_pid = media.pids  # one session went to each
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert await lost is call.session
        with pytest.raises(WorkerLost):
            await call.close()
        with pytest.raises(ConnectionError):
            await call.session.close()
        await other.exchange(0, 3)
        await until(lambda: media.ready == 2)
        assert set(media.pids) - {pid, other_pid}
        for _ in range(4):  # both work
            renewed = await call_on(media)
            await renewed.exchange(0, 3)
            renewed.close()
        await other.close()

    with_workers(story, workers=2)


def test_a_session_is_opened_where_another_one_is_or_was():
    async def story(media):
        sessions = [await media.open(HOST, HOST) for _ in range(4)]
        first, second = sessions[:2]
        assert not first.beside(second)
        for home in (first, second):
            await home.close()
            near = await media.open(HOST, None, beside=home)
            assert near.beside(home)
            await near.close()
        alone = [await media.open_alone(HOST, together=True) for _ in range(3)]
        assert all(one.beside(alone[0]) for one in alone)
        os.kill(media.pids[0], signal.SIGKILL)
        await until(lambda: media.ready == 1)
        with pytest.raises(MediaError):
            await media.open(HOST, None, beside=first)

    with_workers(story, workers=2)


def test_calls_that_wait_for_their_ports_are_counted():
    async def story(media):
        asked = [media.open(HOST, HOST) for _ in range(3)]
        assert (media.opening, media.sessions) == (3, 3)
        await asyncio.gather(*asked)
        assert (media.opening, media.sessions) == (0, 3)

    with_workers(story)


def test_a_death_fails_what_is_awaited():
    async def story(media):
        os.kill(media.pids[0], signal.SIGKILL)
        with pytest.raises(MediaError):
            await media.open(HOST, None)

    with_workers(story)


def test_an_address_that_is_not_ours():
    async def story():
        media = MediaWorkers("192.0.2.1", (20000, 20009))
        with pytest.raises(MediaError, match=r"media on 192\.0\.2\.1"):
            await media.start()
        assert media.pids == []

    asyncio.run(story())


def test_a_worker_ends_with_its_switch_and_not_before():
    async def story(media):
        (pid,) = media.pids
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        await (await media.open(HOST, None)).close()
        await media.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    with_workers(story)


def test_a_hundred_calls_at_once():
    async def story(media):
        sessions = await asyncio.gather(*(media.open(HOST, None) for _ in range(100)))
        ports = {port for session in sessions for port in (session.a_port, session.b_port)}
        assert len(ports) == 200
        assert media.sessions == 100
        await asyncio.gather(*(session.close() for session in sessions))
        assert media.sessions == 0

    with_workers(story, pairs=300, workers=3)


def allowed(niceness):
    """The nice level that a process of ours can have, if it asks for this one."""
    asks = f"import os; os.setpriority(os.PRIO_PROCESS, 0, {niceness})"
    ended = subprocess.run([sys.executable, "-c", asks], stderr=subprocess.DEVNULL, check=False)
    return os.getpriority(os.PRIO_PROCESS, 0) if ended.returncode else niceness


def test_a_busy_switch_takes_all_answers_in_one_turn():
    """Answers that come while the switch is busy don't wait a turn each: at some ten milliseconds,
    calls waited for seconds for their ports."""

    async def story(media):
        asked = [asyncio.ensure_future(media.statuses()) for _ in range(40)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # written
        time.sleep(0.5)  # noqa: ASYNC251 - busy, while the worker answers one by one
        turns_with_answers = 0
        while any(before := [not answer.done() for answer in asked]):
            await asyncio.sleep(0)
            turns_with_answers += sum(before) > sum(not answer.done() for answer in asked)
        assert turns_with_answers <= 4

    with_workers(story)


@pytest.mark.parametrize("niceness", [0, -7])
def test_the_scheduler_prefers_a_worker_as_far_as_the_system_lets_it(niceness):
    expected = allowed(niceness) if niceness else os.getpriority(os.PRIO_PROCESS, 0)

    async def story():
        media = MediaWorkers(HOST, port_range(4), 1, MediaSettings(niceness=niceness))
        await media.start()
        try:
            ((_, status),) = await media.statuses()
            assert status.niceness == expected
        finally:
            await media.close()

    asyncio.run(story())
