"""The kernel tier in a network that changes, attached the older way, and where it may not be."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import Machines
from talking import Place, machines, status_of, talk_at
from test_media_worker_process import until

from rtp.kernel import netlink
from rtp.kernel.flows import Flow
from rtp.kernel.network import Clsact, Network, Tcx
from rtp.kernel.probe import probe
from rtp.kernel.tier import LOOPBACK, KernelTier, KernelUnavailable
from rtp.source import Counted

__all__ = ["machines"]

ROOT = Path(__file__).parents[2]
PORTS = (41_000, 41_099)


@pytest.fixture
def alone():
    """A machine of its own, so that nothing is left on this one."""
    made = Machines()
    made.add("switch")
    yield made
    made.remove()


@contextlib.contextmanager
def tier_by(*methods):
    try:
        tier = KernelTier(PORTS, methods)
    except KernelUnavailable as why:
        pytest.skip(f"no kernel tier here: {why}")
    try:
        yield tier
    finally:
        tier.close()


@pytest.mark.parametrize("method", [Tcx, Clsact])
def test_a_packet_passes_by_either_way_of_attaching(alone, method):
    with alone.on("switch"), tier_by(method) as tier:
        probe(tier, PORTS)
        assert (tier.method, tier.interfaces, len(tier)) == (method.name, ["lo"], 0)


def test_a_machine_whose_loopback_interface_is_down(alone):
    alone.ip("switch", "link", "set", "lo", "down")
    with (
        alone.on("switch"),
        tier_by(Tcx) as tier,
        pytest.raises(KernelUnavailable, match="loopback interface"),
    ):
        probe(tier, PORTS)


LEAVES_A_FILTER = """
import os, signal, sys
from rtp.kernel.network import Clsact
from rtp.kernel.tier import KernelTier
KernelTier((41_000, 41_099), (Clsact,))
print("attached", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def filters(machines):
    """What tc(8) sees on the loopback interface."""
    shown = machines.tc("switch", "filter", "show", "dev", "lo", "ingress")
    return re.findall(r"handle 0x1 (\S+) direct-action", shown.stdout)


def test_what_a_killed_process_left_is_removed_by_the_next(alone):
    with alone.on("switch"), tier_by(Clsact):
        pass
    with alone.on("switch"):
        killed = subprocess.run(
            [sys.executable, "-c", LEAVES_A_FILTER], cwd=ROOT, capture_output=True, text=True
        )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "attached\n")
    (left,) = filters(alone)
    with alone.on("switch"), tier_by(Clsact) as tier:
        (ours,) = filters(alone)
        assert ours == f"softswitch-relay:{os.getpid()}" != left
        probe(tier, PORTS)
    assert filters(alone) == []


def test_filters_of_others_stay(alone):
    with alone.on("switch"), tier_by(Clsact) as tier:
        network = Network()
        network._do(netlink.add_filter(network._next(), LOOPBACK, tier._program, "somebodys"))
        network.close()
        assert sorted(filters(alone)) == [f"softswitch-relay:{os.getpid()}", "somebodys"]
    assert filters(alone) == ["somebodys"]


AS_NOBODY = """
import contextlib, os
from rtp.kernel.probe import try_machine
from rtp.kernel.tier import KernelUnavailable
with contextlib.suppress(PermissionError):  # then it has no capabilities already
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    print(try_machine((41_000, 41_099)))
except KernelUnavailable as why:
    print(why)
"""


def test_an_ordinary_user_is_told_what_is_missing():
    run = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], cwd=ROOT, capture_output=True, text=True
    )
    assert run.stdout == (
        "bpf(2): Operation not permitted (CAP_BPF and CAP_NET_ADMIN are needed)\n"
    ), run.stderr


PLACES = [
    pytest.param(("10.9.0.1", "10.1.0.2", "10.2.0.2"), "10.1.0.2/32", "10.11.0", id="IPv4"),
    pytest.param(
        ("2001:db8:9::1", "2001:db8:1::2", "2001:db8:2::2"),
        "2001:db8:1::2/128",
        "2001:db8:11:",
        id="IPv6",
    ),
]


@pytest.mark.parametrize(("hosts", "alice", "net"), PLACES)
def test_a_peer_that_is_reached_another_way_is_followed(machines, hosts, alice, net):
    """First its route moves to a second cable, then back, and that cable is pulled out."""
    dot = "." if "." in net else ":"
    switch_end, alice_end = f"{net}{dot}1", f"{net}{dot}2"
    bits = "/24" if dot == "." else "/64"
    family = "-4" if dot == "." else "-6"
    machines.cable("switch", (switch_end + bits,), "alice", (alice_end + bits,))
    width = alice.partition("/")[2]

    def route(name, what, destination, *more):
        machines.ip(name, family, "route", what, destination, *more)

    async def on(talk, interfaces):
        """Until the program is there, and the call with it."""
        async with asyncio.timeout(10):
            while (await status_of(talk.media)).interfaces != interfaces:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await talk.tier("kernel")
        assert (await status_of(talk.media)).kernel_lanes == 2

    async def story():
        await until(lambda: machines.knows("switch", switch_end, alice_end))
        await until(lambda: machines.knows("alice", alice_end, switch_end))
        async with talk_at(Place(machines, *hosts)) as talk:
            await talk.tier("kernel")
            await on(talk, ("lo", "alice", "bob"))
            # Until the worker has heard of it a packet or two may still go the old way.
            async with talk.unheard():
                route("switch", "add", alice, "via", alice_end)
                await on(talk, ("lo", "alice", "bob", "alice2"))
            route("alice", "add", f"{hosts[0]}/{width}", "via", switch_end)
            await talk.more(20)
            route("alice", "del", f"{hosts[0]}/{width}")
            async with talk.unheard():
                route("switch", "del", alice)
                machines.ip("switch", "link", "del", "alice2")
                await on(talk, ("lo", "alice", "bob"))
            await talk.more(20)
            await talk.stop()
            assert talk.missed(talk.bob, talk.alice) == set()
            assert talk.missed(talk.alice, talk.bob) == set()
            assert (await talk.session.close()).a.lost == 0

    asyncio.run(story())


def test_packets_that_come_by_another_interface_than_the_one_that_leads_back(machines):
    """The kernel would wait for them where they never come: the sockets have them instead."""
    switch_end, alice_end = "10.12.0.1", "10.12.0.2"
    machines.cable("switch", (f"{switch_end}/24",), "alice", (f"{alice_end}/24",))

    async def story():
        await until(lambda: machines.knows("alice", alice_end, switch_end))
        machines.ip("alice", "route", "add", "10.9.0.1/32", "via", switch_end)
        async with talk_at(Place(machines, "10.9.0.1", "10.1.0.2", "10.2.0.2")) as talk:
            await talk.tier("kernel")
            async with asyncio.timeout(10):
                while (await status_of(talk.media)).relay_lanes != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            status = await status_of(talk.media)
            assert (status.kernel_lanes, status.refused) == (
                1,
                "alice: packets pass the program by",
            )
            await talk.more()
            await talk.stop()
            assert talk.missed(talk.bob, talk.alice) == set()
            assert talk.missed(talk.alice, talk.bob) == set()
        machines.ip("switch", "link", "del", "alice2")

    asyncio.run(story())


@pytest.mark.parametrize(
    "host", ["10.1.0.1", "10.9.0.1", "2001:db8:1::1", "2001:db8:9::1", "::1", "127.0.0.1"]
)
def test_phones_on_the_machine_of_the_switch_under_any_of_its_addresses(machines, host):
    class SameMachine(Place):
        def socket(self, name, host, port=0):
            return self.machines.udp("switch", host, port)

    async def story():
        async with talk_at(SameMachine(machines, host, host, host)) as talk:
            await talk.tier("kernel")
            await talk.stop()
            assert (await status_of(talk.media)).kernel_lanes == 2
            assert talk.missed(talk.bob, talk.alice) == set()

    asyncio.run(story())


def test_a_peer_on_this_machine_and_one_elsewhere_are_relayed(machines):
    class Between(Place):
        def socket(self, name, host, port=0):
            return self.machines.udp("switch" if name == "alice" else name, host, port)

    async def story():
        async with talk_at(Between(machines, "10.9.0.1", "10.9.0.1", "10.2.0.2")) as talk:
            await talk.more(20)
            status = await status_of(talk.media)
            assert (status.kernel_lanes, status.relay_lanes) == (0, 2)
            assert status.refused == "only one of 10.2.0.2 and 10.9.0.1 is this machine"
            await talk.stop()
            assert talk.missed(talk.bob, talk.alice) == set()

    asyncio.run(story())


def test_a_phone_behind_a_bridge(machines):
    """As those of virtual machines and containers are."""
    machines.cable("switch", (), "alice", ("10.13.0.2/24",))
    machines.ip("switch", "link", "add", "br0", "type", "bridge")
    machines.ip("switch", "link", "set", "alice2", "master", "br0")
    machines.ip("switch", "address", "add", "10.13.0.1/24", "dev", "br0")
    machines.ip("switch", "link", "set", "br0", "up")
    machines.ip("alice", "route", "add", "10.9.0.1/32", "via", "10.13.0.1")

    async def story():
        await until(lambda: machines.knows("alice", "10.13.0.2", "10.13.0.1"))
        async with talk_at(Place(machines, "10.9.0.1", "10.13.0.2", "10.2.0.2")) as talk:
            await talk.tier("kernel")
            await talk.stop()
            status = await status_of(talk.media)
            assert (status.kernel_lanes, set(status.interfaces)) == (2, {"lo", "bob", "br0"})
            assert talk.missed(talk.bob, talk.alice) == set()
            assert talk.missed(talk.alice, talk.bob) == set()

    asyncio.run(story())
    machines.ip("switch", "link", "del", "br0")
    machines.ip("switch", "link", "del", "alice2")


def test_a_phone_behind_a_tunnel_is_left_to_the_sockets(alone):
    made = alone.ip("switch", "tuntap", "add", "tun0", "mode", "tun", check=False)
    if made.returncode:
        pytest.skip(f"no tunnel can be made here: {made.stderr.strip()}")
    alone.ip("switch", "address", "add", "10.50.0.1/24", "dev", "tun0")
    alone.ip("switch", "link", "set", "tun0", "up")
    here, phone = ("10.50.0.1", PORTS[0]), ("10.50.0.2", 4000)
    with alone.on("switch"), tier_by(Tcx, Clsact) as tier:
        flow = Flow(here, phone, here, phone, None, 8000)
        assert tier.install(flow, Counted(0, 0, 0.0, 0, 0, 0, 0), 1) is None
        assert tier.refused == "tun0: its packets have no Ethernet header"
