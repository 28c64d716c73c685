"""Three nodes behind the edge, and a phone of each behind a NAT of its own: every pair talks, with
sound both ways."""

import contextlib
import itertools
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from cluster import MODULES, Cluster
from namespaces import Machines
from scripted_phone import PATIENCE_SECONDS, ScriptedPhone, talk
from switchboard import until

from benchmarks.lines import fill
from billing.stores.store import Store

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
EDGE = "10.99.0.10"
HOSTS = {"one": "10.99.0.1", "two": "10.99.0.2", "three": "10.99.0.3"}
LINES = {f"line{place}": f"+995{place:09d}" for place in range(1, 11)}
"""More than nodes, since the edge chooses the node of a line's registrations by its name."""
CALLS = 60
"""Calls after which each node has surely had one."""


@pytest.fixture
def machines():
    """The operator's machine with three nodes and the edge, and three homes with a router each."""
    if shutil.which("kamailio") is None or not MODULES or shutil.which("nft") is None:
        pytest.skip("Kamailio or nft isn't installed (Debian packages kamailio, nftables)")
    made = Machines()
    try:
        made.add("operator")
        for address in (EDGE, *HOSTS.values()):
            made.ip("operator", "address", "add", f"{address}/32", "dev", "lo")
        for home in range(3):
            nat, inside = f"nat{home}", f"home{home}"
            for name in (nat, inside):
                made.add(name)
            made.cable("operator", [f"10.98.{home}.1/30"], nat, [f"10.98.{home}.2/30"])
            made.cable(nat, [f"192.168.1{home}.1/24"], inside, [f"192.168.1{home}.2/24"])
            made.ip(nat, "route", "add", "default", "via", f"10.98.{home}.1")
            made.ip(inside, "route", "add", "default", "via", f"192.168.1{home}.1")
            with made.on(nat):
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
                for rule in (
                    "add table ip nat",
                    "add chain ip nat out { type nat hook postrouting priority 100 ; }",
                    "add rule ip nat out oifname operator masquerade random",
                ):
                    made.run(nat, "nft", rule)
        yield made
    finally:
        made.remove()


def phone_at(machines, home, login, port):
    """A phone that knows its private address alone."""
    address = f"192.168.1{home}.2"
    with machines.on(f"home{home}"):
        return ScriptedPhone(login, address, address, (EDGE, port))


def registers(phone):
    """True once a phone is registered; a datagram may be lost while everything begins."""
    phone.sip.settimeout(3)
    try:
        return phone.register() == 200
    except TimeoutError:
        return False
    finally:
        phone.sip.settimeout(PATIENCE_SECONDS)


def registered_at(store):
    """The node at which each line's phone registered."""
    with store.engine.connect() as connection:
        return dict(connection.exec_driver_sql("SELECT aor, node FROM bindings").all())


def one_of_each_node(machines, cluster, store):
    """Three phones that registered at three nodes, as the edge chose by their names."""
    for login in LINES:
        with contextlib.closing(phone_at(machines, 0, login, cluster.port)) as phone:
            until(lambda phone=phone: registers(phone), "a phone is registered", 60)
    chosen = {node: login for login, node in registered_at(store).items()}
    assert chosen.keys() == HOSTS.keys(), chosen
    phones = [phone_at(machines, home, login, cluster.port)
              for home, login in enumerate(chosen.values())]  # fmt: skip
    for phone in phones:
        until(lambda phone=phone: registers(phone), "a phone is registered", 60)
    assert {registered_at(store)[phone.login] for phone in phones} == HOSTS.keys()
    return phones


def test_every_pair_of_phones_behind_nats_of_their_own_talks_through_each_node(
    machines, own_database, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", own_database)
    with machines.on("operator"):
        cluster = Cluster(tmp_path, own_database, {}, HOSTS, EDGE)
        store = Store(own_database)
        fill(store.engine, len(LINES), "127.0.0.1", 1_000_000_000)
        with cluster.running():
            until(lambda: cluster.serving() == HOSTS.keys(), "all nodes serve", 60)
            phones = one_of_each_node(machines, cluster, store)
            pairs = list(itertools.permutations(phones, 2))
            served = set()
            for calls, (caller, callee) in enumerate(itertools.cycle(pairs), 1):
                talk(caller, callee, LINES[callee.login], f"call-{calls}")
                until(lambda count=calls: len(store.cdrs()) == count, "the record", 30)
                if calls >= len(pairs):
                    served = {
                        node
                        for node, board in cluster.nodes.items()
                        if "call ended" in (board.folder / "var" / "softswitch.log").read_text()
                    }
                    if served == HOSTS.keys() or calls == CALLS:
                        break
            for phone in phones:
                phone.close()
        assert served == HOSTS.keys()
        cdrs = store.cdrs()
        assert {cdr.sip_status for cdr in cdrs} == {200}
        assert min(cdr.media.caller.packets for cdr in cdrs) > 0
        assert min(cdr.media.callee.packets for cdr in cdrs) > 0
        assert store.verify() == []
        store.close()
