"""Phones that talk without a pause, and note what comes of it; at home or between machines."""

import asyncio
import contextlib
import socket
import struct

import pytest
from namespaces import Machines
from test_media_worker_process import HOST, port_range

from rtp.client import MediaSettings, MediaWorkers
from rtp.formats import Formats

SWITCH4, SWITCH6 = "10.9.0.1", "2001:db8:9::1"
EVENTS = 101
STRANGE = b"\xee" * 160
"""A payload that no phone sends."""


@pytest.fixture(scope="module")
def machines():
    """A switch with one address, and three phones, each on a cable of its own."""
    made = Machines()
    try:
        for name in ("switch", "alice", "bob", "mallory"):
            made.add(name)
        made.ip("switch", "address", "add", f"{SWITCH4}/32", "dev", "lo")
        made.ip("switch", "address", "add", f"{SWITCH6}/128", "dev", "lo")
        for number, name in enumerate(("alice", "bob", "mallory"), 1):
            net4, net6 = f"10.{number}.0", f"2001:db8:{number}:"
            made.cable(
                "switch",
                (f"{net4}.1/24", f"{net6}:1/64"),
                name,
                (f"{net4}.2/24", f"{net6}:2/64"),
            )
            made.ip(name, "route", "add", "default", "via", f"{net4}.1")
            made.ip(name, "-6", "route", "add", "default", "via", f"{net6}:1")
        yield made
    finally:
        made.remove()


class Place:
    """The place of the worker and the phones."""

    def __init__(self, machines, switch, alice, bob):
        self.machines = machines
        self.switch, self.alice, self.bob = switch, alice, bob

    def socket(self, name, host, port=0):
        return self.machines.udp(name, host, port)

    def on_switch(self):
        return self.machines.on("switch")


class Home(Place):
    """This machine's loopback interface."""

    def __init__(self):
        super().__init__(None, HOST, HOST, "127.0.0.2")

    def socket(self, name, host, port=0):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.bind((host, port))
        return made

    def on_switch(self):
        return contextlib.nullcontext()


@pytest.fixture(params=["loopback", "IPv4", "IPv6"])
def place(request):
    if request.param == "loopback":
        return Home()
    machines = request.getfixturevalue("machines")
    if request.param == "IPv4":
        return Place(machines, SWITCH4, "10.1.0.2", "10.2.0.2")
    return Place(machines, SWITCH6, "2001:db8:1::2", "2001:db8:2::2")


class Phone:
    """Sends numbered packets, and notes the numbers of those that come."""

    def __init__(self, place, name, host, ssrc):
        self.socket = place.socket(name, host)
        self.address = self.socket.getsockname()[:2]
        self.ssrc = ssrc
        self.sent = 0
        self.came = []
        self.other = []
        """Packets that aren't a phone's: the switch's own sound, or a stranger's."""
        self.to = None

    def say(self, payload_type=0):
        header = struct.pack(
            ">BBHII", 0x80, payload_type, self.sent & 0xFFFF, self.sent * 160, self.ssrc
        )
        self.socket.sendto(header + struct.pack(">I", self.sent) * 40, self.to)
        self.sent += 1

    def listen(self):
        """Take what came from the other phone; what the switch itself says is something else."""
        while True:
            try:
                data, source = self.socket.recvfrom(2048)
            except BlockingIOError:
                return
            assert source[:2] == self.to
            ssrc = struct.unpack_from(">I", data, 8)[0] if len(data) == 172 else None
            if ssrc in (1, 2) and data[12:] == data[12:16] * 40 != STRANGE:
                self.came.append(struct.unpack_from(">I", data, 12)[0])
            else:
                self.other.append(data)


class Talk:
    """Two phones that never stop talking, unless one is in `mute`."""

    def __init__(self, place, media, session):
        self.media, self.session, self.place = media, session, place
        self.alice = Phone(place, "alice", place.alice, 1)
        self.bob = Phone(place, "bob", place.bob, 2)
        self.alice.to = (place.switch, session.a_port)
        self.bob.to = (place.switch, session.b_port)
        self.elsewhere = []
        """The numbers of packets of both that needn't reach the other."""
        self.mute = set()
        self._talking = None

    def negotiate(self, direction="sendrecv"):
        for side, phone in (("a", self.alice), ("b", self.bob)):
            host, port = phone.address
            formats = Formats(event_payload_type=EVENTS)
            self.session.set_remote(side, host, port, port + 1, direction, formats=formats)

    async def __aenter__(self):
        self.negotiate()
        await self.session.figures()  # the worker answers when it has done the rest
        self._talking = asyncio.ensure_future(self._talk())
        return self

    async def _talk(self):
        while True:
            for phone in (self.alice, self.bob):
                if phone not in self.mute:
                    phone.say()
                phone.listen()
            await asyncio.sleep(0.004)

    async def __aexit__(self, *_):
        await self.stop()
        self.alice.socket.close()
        self.bob.socket.close()

    async def stop(self):
        self._talking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._talking
        await asyncio.sleep(0.05)
        self.alice.listen()
        self.bob.listen()

    async def tier(self, wanted):
        """Until the call is there, and some packets more."""
        async with asyncio.timeout(10):
            while True:
                await self.session.figures()
                if self.session.tier == wanted:
                    break
                await asyncio.sleep(0.01)
        await self.more()

    async def more(self, packets=8):
        until_sent = self.alice.sent + packets
        while self.alice.sent < until_sent:  # noqa: ASYNC110
            await asyncio.sleep(0.004)

    @contextlib.asynccontextmanager
    async def unheard(self):
        """Send packets that only the switch, or no side, may receive."""
        begin = self.alice.sent - 1
        yield
        await self.session.figures()
        self.elsewhere.append(range(begin, self.alice.sent))

    def missed(self, listener, speaker):
        """Packets that didn't come, though they should have."""
        taken = {number for part in self.elsewhere for number in part}
        return set(range(speaker.sent)) - set(listener.came) - taken


@contextlib.asynccontextmanager
async def media_at(place, *, ports=None, pairs=200, fast_path=True, **settings):
    """A worker on the switch."""
    with place.on_switch():
        chosen = MediaSettings(fast_path=fast_path, **settings)
        media = MediaWorkers(place.switch, ports or port_range(pairs), 1, chosen)
        await media.start()
    try:
        yield media
    finally:
        await media.close()


@contextlib.asynccontextmanager
async def talk_at(place, **settings):
    """A worker on the switch, and a call."""
    async with (
        media_at(place, **settings) as media,
        Talk(place, media, await media.open(place.alice, place.bob)) as talk,
    ):
        yield talk


async def status_of(media):
    """The status of its only worker."""
    ((_, status),) = await media.statuses()
    return status
