"""Packets through SRTP by the fast ways: in batches, and one by one."""

import asyncio
import socket
import time

import pytest
from browser import OUR_PASSWORD, certificate, check, fingerprint

from rtp.client import MediaSettings, MediaWorkers
from rtp.control import Keys, WebTerms
from rtp.dtls import Dtls, DtlsContext
from rtp.lanes import SecureLane
from rtp.packet import HEADER, is_rtp
from rtp.relay import RelaySide
from rtp.ring_lanes import RingLanes
from rtp.socket_address import IPV4_OCTETS, IPV6_OCTETS, address_octets, address_of
from rtp.sockets import can_send_to
from rtp.srtp import Srtp

HOSTS = {"127.0.0.1": IPV4_OCTETS, "::1": IPV6_OCTETS}
KEYS = Keys("AEAD_AES_128_GCM", bytes(range(28)), bytes(range(28, 56)))
PORTS = (31_000, 31_199)
"""Below those that the system hands out, which a worker would hold against one of another test."""


def packet(sequence, ssrc=7, payload_type=0):
    head = HEADER.pack(0x80, payload_type, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, ssrc)
    return head + bytes(160)


def udp(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(0)
    return made


def heard(made):
    """What waits at a socket."""
    came = []
    while True:
        try:
            came.append(made.recv(4096))
        except BlockingIOError:
            return came


class Ways:
    """A browser and a plain phone, with the sockets of the switch between them."""

    def __init__(self, host):
        try:
            self.ring = RingLanes(2048, HOSTS[host])
        except OSError as error:
            pytest.skip(f"there is no io_uring: {error}")
        if not can_send_to(self.ring):
            pytest.skip("io_uring sends to no addresses here")
        self.host = host
        self.browser, self.a, self.b, self.phone = (udp(host) for _ in range(4))
        self.b.connect(self.phone.getsockname()[:2])
        self.phone.connect(self.b.getsockname()[:2])
        self.far = Srtp(Keys(KEYS.suite, KEYS.theirs, KEYS.ours))
        self.side_a, self.side_b = RelaySide.of(None, 3.0), RelaySide.of(None, 3.0)
        self.side_a.secure = Srtp(KEYS, counts_sent=True)

    def open(self):
        at = self.browser.getsockname()[:2]
        there = SecureLane(self.b.fileno(), self.side_a, self.side_b, at, None)
        back = SecureLane(self.a.fileno(), self.side_b, self.side_a, None, at)
        assert self.ring.open_secure(self.a.fileno(), there)
        assert self.ring.open_secure(self.b.fileno(), back)

    def say(self, data, sender=None):
        (sender or self.browser).sendto(data, self.a.getsockname()[:2])

    def close(self):
        self.ring.close()
        for made in (self.browser, self.a, self.b, self.phone):
            made.close()


@pytest.fixture(params=HOSTS)
def ways(request):
    made = Ways(request.param)
    made.open()
    yield made
    made.close()


def test_a_batch_is_opened_for_the_phone_and_sealed_for_the_browser(ways):
    sent = [packet(number) for number in range(65_520, 65_550)]
    back = [packet(number, ssrc=9) for number in range(30)]
    for there, here in zip(sent, back, strict=True):
        ways.say(ways.far.seal(there))
        ways.phone.send(here)
    assert ways.ring.pass_on(1.0) == 60
    assert heard(ways.phone) == sent
    came = heard(ways.browser)
    assert not set(came) & set(back)
    assert [ways.far.open(data) for data in came] == back
    for side in (ways.side_a, ways.side_b):
        side.catch_up()
        figures = side.stream.figures(0, 0)
        assert (figures.packets, figures.octets, figures.lost) == (30, 4800, 0)
    assert ways.side_a.seen == ((7, 65_549),)
    assert ways.side_a.sent == ((9, 29),)


def test_what_is_forged_or_repeated_goes_nowhere(ways):
    sealed = [ways.far.seal(packet(number)) for number in range(4)]
    forged = sealed[1][:-1] + bytes([sealed[1][-1] ^ 1])
    for data in (sealed[0], forged, sealed[0], packet(2), sealed[3]):
        ways.say(data)
    ways.ring.pass_on(1.0)
    assert heard(ways.phone) == [packet(0), packet(3)]
    ways.side_a.catch_up()
    assert (ways.side_a.stream.packets, ways.side_a.strays) == (2, 3)


def test_strangers_and_other_protocols_are_left_to_the_worker_with_their_source(ways):
    stranger = udp(ways.host)
    sealed = ways.far.seal(packet(0))
    report = ways.far.seal(bytes.fromhex("80c9000100000007"))
    ways.say(sealed, stranger)
    for data in (b"\x00\x01stun", b"\x16dtls", report, b"", sealed):
        ways.say(data)
        ways.ring.pass_on(1.0)
    assert heard(ways.phone) == [packet(0)]
    fd, browser = ways.a.fileno(), ways.browser.getsockname()[:2]
    assert ways.ring.unusual == [
        (fd, sealed, stranger.getsockname()[:2]),
        (fd, b"\x00\x01stun", browser),
        (fd, b"\x16dtls", browser),
        (fd, report, browser),
        (fd, b"", browser),
    ]
    stranger.close()


def test_a_packet_with_no_room_for_its_seal_is_left_to_the_worker(ways):
    long = packet(0) + bytes(1200)
    ways.phone.send(long)
    ways.phone.send(packet(1))
    ways.ring.pass_on(1.0)
    assert [ways.far.open(data) for data in heard(ways.browser)] == [packet(1)]
    assert ways.ring.unusual == [(ways.b.fileno(), long, None)]


def test_payload_types_change_between_opening_and_sealing():
    ways = Ways("127.0.0.1")
    ways.side_a.renumbering, ways.side_b.renumbering = {126: 101}, {101: 126}
    ways.open()
    ways.say(ways.far.seal(packet(0, payload_type=0x80 | 126)))
    ways.say(ways.far.seal(packet(1)))
    ways.phone.send(packet(0, payload_type=101))
    ways.ring.pass_on(1.0)
    assert heard(ways.phone) == [packet(0, payload_type=0x80 | 101), packet(1)]
    assert [ways.far.open(data) for data in heard(ways.browser)] == [packet(0, payload_type=126)]
    ways.close()


def test_a_closed_lane_leaves_packets_to_the_careful_way(ways):
    assert ways.ring.close_lane(ways.a.fileno())
    sealed = ways.far.seal(packet(0))
    ways.say(sealed)
    assert ways.ring.pass_on(1.0) == 0
    assert ways.a.recvfrom(2048)[0] == sealed
    assert len(ways.ring) == 1


@pytest.mark.parametrize("address", [("192.0.2.7", 9), ("2001:db8::7", 65_535)])
def test_an_address_is_written_and_read(address):
    octets = address_octets(address)
    assert (len(octets), address_of(octets)) == (16 if "." in address[0] else 28, address)


@pytest.mark.parametrize("host", ["phone.example.org", "fe80::1%lo", ""])
def test_what_is_no_numeric_address_is_not_written(host):
    assert address_octets((host, 5060)) is None


# A real worker


class Browser:
    """A browser that has set itself up with a worker."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket, self.target = udp(host), (host, port)
        self.socket.settimeout(10)
        self.ask()
        dtls = Dtls(DtlsContext(certificate("browser")), "active", (fingerprint("switch"),))
        dtls.begin(time.monotonic())
        while dtls.keys is None:
            for data in dtls.to_send():
                self.socket.sendto(data, self.target)
            dtls.receive(self.socket.recv(2048), time.monotonic())
        for data in dtls.to_send():
            self.socket.sendto(data, self.target)
        self.srtp = Srtp(dtls.keys)

    def ask(self):
        """Nominate the pair, and wait for the answer."""
        self.socket.sendto(check("ours:theirs"), self.target)
        while self.socket.recv(2048)[0] >= 4:
            pass  # a report of the switch

    def say(self, data):
        self.socket.sendto(self.srtp.seal(data), self.target)

    def hear(self):
        """The next packet of sound."""
        while True:
            data = self.socket.recv(2048)
            if is_rtp(data):
                return self.srtp.open(data)


@pytest.mark.parametrize("batch_from", [None, 1], ids=["single packets", "batches"])
def test_a_browser_goes_on_talking_when_its_network_changes(batch_from):
    asyncio.run(_talk(batch_from))


async def _talk(batch_from):
    settings = MediaSettings(certificate=certificate("switch"), batch_from=batch_from)
    media = MediaWorkers("127.0.0.1", PORTS, 1, settings)
    await media.start()
    try:
        session = await media.open("127.0.0.1", "127.0.0.1")
        phone = udp("127.0.0.1")
        phone.settimeout(10)
        port = phone.getsockname()[1]
        named = (fingerprint("browser"),)
        terms = WebTerms("ours", OUR_PASSWORD, "theirs", named)
        session.set_remote("a", None, 9, 9, "sendrecv", web=terms)
        session.set_remote("b", "127.0.0.1", port, port + 1, "sendrecv")
        await session.figures()  # the worker knows by then
        browser = Browser(session.a_port)
        _both_ways(browser, phone, session.b_port, 0)
        moved = udp("127.0.0.1")
        moved.settimeout(10)
        before, browser.socket = browser.socket, moved
        browser.say(packet(20))  # not proved yet: goes nowhere
        browser.ask()
        _both_ways(browser, phone, session.b_port, 21)
        figures = await session.close()
        assert (figures.a.packets, figures.a.lost, figures.a.strays) == (40, 1, 1)
        assert (figures.b.packets, figures.b.lost, figures.b.strays) == (40, 1, 0)
        before.close()
        moved.close()
        phone.close()
    finally:
        await media.close()


def _both_ways(browser, phone, port, first):
    for sequence in range(first, first + 20):
        browser.say(packet(sequence))
        assert phone.recv(2048) == packet(sequence)
        phone.sendto(packet(sequence, ssrc=9), ("127.0.0.1", port))
        assert browser.hear() == packet(sequence, ssrc=9)
