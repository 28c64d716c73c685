"""RTP bleed and injection (RELIABILITY 1 to 4): somebody sprays all media ports, 5,000 packets a
second, before, during and after a call, on hold and when its ports are used again. He gets nothing,
and nobody hears him; with and without the kernel tier, between machines."""

import asyncio
import contextlib
import itertools
import os
import random
import struct

import pytest
from talking import STRANGE, Phone, Place, Talk, machines, media_at, status_of

__all__ = ["machines"]

PAIRS = 4
"""Two calls' worth: the second call gets the ports of the first."""
FIRST = 40_000
SPRAYED_A_SECOND = 5000
STEP_SECONDS = 0.004
MALLORY = 66


def _datagrams():
    """What he tries: RTP of a stream of his own, of the victims' own, other payload types, reports,
    STUN, DTLS and rubbish."""
    for sequence in itertools.count():
        for ssrc in (MALLORY, 1, 2):
            for payload_type in (0, 0x80, 101):
                head = struct.pack(">BBHI", 0x80, payload_type, sequence & 0xFFFF, sequence * 160)
                yield head + struct.pack(">I", ssrc) + STRANGE
        yield bytes.fromhex("80c80006") + struct.pack(">I", MALLORY) + bytes(20)
        yield bytes.fromhex("80c90001") + struct.pack(">I", 1)
        yield bytes.fromhex("81cb0001") + struct.pack(">I", 2)  # goodbye
        yield bytes.fromhex("000100002112a442") + os.urandom(12)
        yield bytes.fromhex("16feff0000000000000000") + os.urandom(20)
        report = bytes.fromhex("80c80006") + struct.pack(">I", 1) + bytes(20)
        for octets in range(13):
            yield report[:octets]


class Mallory:
    """Sprays from a machine of his own, and from another port of Alice's."""

    def __init__(self, place, ports):
        far = "10.3.0.2" if "." in place.switch else "2001:db8:3::2"
        self._sockets = [place.socket("mallory", far), place.socket("alice", place.alice)]
        self._targets = [(place.switch, port) for port in ports]
        self._datagrams = _datagrams()
        self._chance = random.Random(7)
        self.sent = 0
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.ensure_future(self._spray())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for made in self._sockets:
            made.close()

    async def _spray(self):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            await asyncio.sleep(STEP_SECONDS)
            # A machine that was busy sends the rest, but not all at once.
            due = (loop.time() - begun) * SPRAYED_A_SECOND
            for _ in range(min(int(due) - self.sent, 200)):
                with contextlib.suppress(ConnectionError):
                    made = self._chance.choice(self._sockets)
                    made.sendto(next(self._datagrams), self._chance.choice(self._targets))
                self.sent += 1

    async def sprays(self, packets=500):
        """Until he has sent so many more."""
        wanted = self.sent + packets
        while self.sent < wanted:  # noqa: ASYNC110
            await asyncio.sleep(STEP_SECONDS)

    def got(self):
        """Whatever came back to him."""
        got = []
        for made in self._sockets:
            while True:
                try:
                    got.append(made.recv(2048))
                except BlockingIOError:
                    break
                except ConnectionError:
                    continue  # "port unreachable" is no sound
        return got


@pytest.fixture(params=["IPv4", "IPv6"])
def place(request, machines):
    if request.param == "IPv4":
        return Place(machines, "10.9.0.1", "10.1.0.2", "10.2.0.2")
    return Place(machines, "2001:db8:9::1", "2001:db8:1::2", "2001:db8:2::2")


@pytest.fixture(params=[True, False], ids=["kernel", "relay"])
def fast_path(request):
    if request.param:
        from rtp.kernel.probe import try_machine
        from rtp.kernel.tier import KernelUnavailable

        try:
            try_machine((40_000, 40_999))
        except KernelUnavailable as why:
            pytest.skip(f"no kernel tier here: {why}")
    return request.param


def test_a_spray_over_all_ports_gets_nothing_and_is_not_heard(place, fast_path):
    async def story():
        tier = "kernel" if fast_path else "relay"
        settings = {"fast_path": fast_path, "quarantine_seconds": 0.5}
        async with (
            media_at(place, ports=(FIRST, FIRST + 2 * PAIRS - 1), **settings) as media,
            Mallory(place, range(FIRST, FIRST + 2 * PAIRS)) as mallory,
        ):
            await mallory.sprays()
            used = await one_call(media, place, mallory, tier)
            await mallory.sprays()
            again = await one_call(media, place, mallory, tier)
            while used.isdisjoint(again):  # the order of the ports is by chance
                again = await one_call(media, place, mallory, tier)
            assert mallory.got() == []
            status = await status_of(media)
            assert (status.sessions, status.kernel_lanes, status.relay_lanes) == (0, 0, 0)

    asyncio.run(story())


async def one_call(media, place, mallory, tier):
    """From its ports to its end, with a hold; Alice and Bob hear each other and nobody else."""
    session = await media.open(place.alice, place.bob)
    await mallory.sprays()  # its ports are open, and nothing is negotiated
    async with Talk(place, media, session) as talk:
        await talk.tier(tier)
        await mallory.sprays()
        talk.negotiate("inactive")
        await mallory.sprays()
        talk.negotiate()
        await talk.tier(tier)
        await mallory.sprays()
        late = Phone(place, "alice", place.alice, 1)  # a new place, as after a re-INVITE
        talk.alice, late = late, talk.alice
        talk.alice.to, talk.alice.sent = late.to, late.sent
        talk.negotiate()
        await mallory.sprays()
        await talk.more(20)
        await talk.stop()
        figures = await session.close()
        late.socket.close()
        for phone in (talk.alice, talk.bob):
            assert phone.other == [], phone.other[:3]
        assert len(talk.bob.came) > 30 and len(talk.alice.came) > 10
        assert figures.a.packets <= talk.alice.sent
        assert figures.a.strays > 0
    return {session.a_port, session.b_port}
