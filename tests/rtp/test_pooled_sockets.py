"""Sockets that rest open between two sessions: nothing of the one reaches the other."""

import asyncio
import gc
import os
import resource
import select
import socket

import pytest

from rtp.client import MediaSettings, MediaWorkers
from rtp.sockets import UNUSED_SECONDS, UdpSockets
from tests.rtp.test_media_worker_process import REPORT, Call, Phone, rtp, way

__all__ = ["way"]

HOST, PORT = "127.77.2.1", 20_600  # where no other test has ports in use


class Pool:
    """The sockets of a worker, its clock, and a phone."""

    def __init__(self, host=HOST, max_pairs=None):
        self.epoll = select.epoll()
        self.now = 100.0
        self.closed = []
        self.sockets = UdpSockets(host, self.epoll, self.closed.append, lambda: self.now, max_pairs)
        self.host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.phone = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.phone.bind((host, 0))

    def session(self, *ports):
        for port in ports:
            self.sockets.bind(port)
        for port in ports:
            self.sockets.release(port)

    def says(self, data, port=PORT):
        self.phone.sendto(data, (self.host, port))

    def hears(self, port=PORT):
        """All that waits at a port."""
        heard = []
        while True:
            try:
                heard.append(self.sockets.by_port[port].socket.recv(2048))
            except BlockingIOError:
                return heard

    def ready(self):
        return [fd for fd, _ in self.epoll.poll(0)]

    @property
    def open_ports(self):
        return sorted(media_socket.port for media_socket in self.sockets.by_fd.values())

    def close(self):
        self.phone.close()
        for media_socket in self.sockets.by_fd.values():
            media_socket.socket.close()
        self.epoll.close()


@pytest.fixture
def pool():
    made = Pool()
    yield made
    made.close()


def test_a_later_session_has_the_sockets_of_the_former(pool):
    pool.sockets.bind(PORT)
    pair = pool.sockets.by_port[PORT], pool.sockets.by_port[PORT + 1]
    pool.sockets.release(PORT)
    assert pool.closed == [pair[0].fd, pair[1].fd]
    assert pool.sockets.by_port == {}
    pool.sockets.bind(PORT)
    assert (pool.sockets.by_port[PORT], pool.sockets.by_port[PORT + 1]) == pair
    for port in (PORT, PORT + 1):
        pool.says(b"new", port)
        assert pool.ready() == [pool.sockets.by_port[port].fd]
        assert pool.hears(port) == [b"new"]


def test_it_hears_nothing_that_waited_in_them(pool):
    pool.sockets.bind(PORT)
    for data in (b"", b"late", bytes(172)):
        pool.says(data)
        pool.says(data, PORT + 1)
    pool.sockets.release(PORT)
    pool.sockets.bind(PORT)
    assert pool.hears() == pool.hears(PORT + 1) == []
    assert pool.ready() == []


def test_it_hears_nothing_that_came_while_they_rested(pool):
    pool.session(PORT)
    pool.says(b"late")
    pool.says(b"late", PORT + 1)
    assert pool.ready() == []
    pool.sockets.bind(PORT)
    assert pool.hears() == pool.hears(PORT + 1) == []


def test_a_socket_that_was_connected_hears_the_next_phone(pool):
    pool.sockets.bind(PORT)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as former:
        former.bind((HOST, 0))
        media_socket = pool.sockets.by_port[PORT]
        assert pool.sockets.connect(media_socket, former.getsockname())
        pool.says(b"a stranger's")
        former.sendto(b"late", (HOST, PORT))
    media_socket.socket.send(b"to nobody")  # its phone is gone, which an ICMP error says
    pool.sockets.release(PORT)
    pool.sockets.bind(PORT)
    pool.says(b"new")
    assert pool.hears() == [b"new"]
    assert pool.sockets.by_port[PORT].peer is None


def test_sockets_of_ipv6_are_made_anew():
    try:
        pool = Pool("::1")
    except OSError:
        pytest.skip("there is no IPv6")
    pool.session(PORT)
    assert pool.open_ports == []
    pool.sockets.bind(PORT)
    pool.says(b"new")
    assert pool.hears() == [b"new"]
    pool.close()


def test_what_no_session_has_needed_for_a_minute_is_closed(pool):
    pool.session(PORT)
    pool.now += UNUSED_SECONDS - 1
    pool.session(PORT + 2)
    assert pool.sockets.resting_pairs == 2
    pool.now += 1
    pool.sockets.bind(PORT + 4)
    assert pool.open_ports == [PORT + 2, PORT + 3, PORT + 4, PORT + 5]


def test_more_than_the_limit_are_not_kept():
    pool = Pool(max_pairs=2)
    pool.session(PORT, PORT + 2, PORT + 4)
    assert pool.sockets.resting_pairs == 2
    pool.sockets.bind(PORT + 6)  # in place of the one that has rested longest
    assert len(pool.open_ports) == 4
    assert pool.sockets.resting_pairs == 1
    pool.close()


def test_a_worker_that_drains_gives_them_back_as_its_sessions_end(pool):
    pool.session(PORT, PORT + 2, PORT + 4)
    pool.sockets.bind(PORT + 6)
    pool.sockets.keep_none()
    pool.sockets.release(PORT + 6)
    assert pool.open_ports == list(range(PORT + 2, PORT + 6))
    pool.session(PORT + 2)
    assert pool.open_ports == []


def test_a_session_gets_the_descriptors_of_resting_pairs_if_there_are_no_others(pool):
    pool.session(PORT, PORT + 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()
    used = [os.dup(pool.epoll.fileno())]  # of the numbers below the limit none is free then
    while used[-1] < max(pool.sockets.by_fd):
        used.append(os.dup(pool.epoll.fileno()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used[-1] + 1, hard))
    try:
        pool.sockets.bind(PORT + 4)
        pool.sockets.bind(PORT + 6)
        with pytest.raises(OSError, match="Too many open files"):
            pool.sockets.bind(PORT + 8)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in used:
            os.close(number)
    assert pool.open_ports == list(range(PORT + 4, PORT + 8))


class PhoneHere(Phone):
    """One that sends to this file's host."""

    def __init__(self):
        super().__init__(HOST)

    def send(self, data, port, *, rtcp=False):
        (self.rtcp if rtcp else self.rtp).sendto(data, (HOST, port))


class CallHere(Call):
    def __init__(self, session):
        self.session = session
        self.alice, self.bob = PhoneHere(), PhoneHere()


def test_a_call_on_the_ports_of_another_hears_its_own_phones_alone(way):
    async def story(media):
        first = CallHere(await media.open(HOST, HOST))
        ports = {first.session.a_port, first.session.b_port}
        await first.connect()
        await first.exchange(0, 5)
        left = first.alice, first.bob
        ((_, during),) = await media.statuses()
        await first.session.close()

        def speak_on(start):
            for sequence in range(start, start + 20):
                for phone in left:
                    for port in ports:
                        phone.send(rtp(sequence, 1), port)
                        phone.send(REPORT, port + 1, rtcp=True)

        speak_on(5)
        second = CallHere(await media.open(HOST, HOST))
        assert {second.session.a_port, second.session.b_port} == ports
        await second.connect()
        await second.exchange(0, 5)
        speak_on(25)
        await second.exchange(5, 5)
        second.alice.send(REPORT, second.session.a_port + 1, rtcp=True)
        assert await second.bob.heard(rtcp=True) == [REPORT]
        assert await second.alice.hears_nothing()
        ((_, after),) = await media.statuses()
        assert after.files == during.files
        figures = await second.close()
        assert (figures.a.packets, figures.b.packets) == (10, 10)
        for phone in left:
            assert await phone.heard(6, within=0.15) == []
            phone.close()

    async def begin():
        settings = MediaSettings(quarantine_seconds=0.0, **way)
        media = MediaWorkers(HOST, (PORT + 20, PORT + 23), 1, settings)
        await media.start()
        try:
            await story(media)
        finally:
            await media.close()

    asyncio.run(begin())
