"""Two switches on one PostgreSQL behind Kamailio: three phones, each behind a NAT of its own."""

import itertools
import signal

import pytest
from scripted_phone import ScriptedPhone, talk
from switchboard import ANA, BEKA, CIRA, LINES, Switchboard, free_ports, until
from test_behind_kamailio import kamailio

from softswitch.cli.main import run

EDGE = "127.0.0.10"
NUMBERS = {"ana": ANA, "beka": BEKA, "cira": CIRA}
NODES = ("one", "two")


@pytest.fixture
def nodes(tmp_path, own_database, monkeypatch):
    """Two running switches by name."""
    monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", own_database)
    made = {}
    for name in NODES:
        folder = tmp_path / name
        folder.mkdir()
        if not made:
            Switchboard.create(folder, {login: LINES[login] for login in NUMBERS})
        else:  # the accounts and lines are there
            text = (made["one"].folder / "softswitch.toml").read_text()
            (folder / "softswitch.toml").write_text(text)
            assert run(["-c", str(folder / "softswitch.toml"), "init"]) == 0
        made[name] = Switchboard(
            folder, SWITCH__NODE=name, CLUSTER__NODES=",".join(NODES), SIP__EDGES=EDGE,
            SIP__ALIASES=EDGE, GUARD__EXEMPT="",
        )  # fmt: skip
    for board in made.values():
        board.start()
    yield made
    for board in made.values():
        if board.process is not None:
            assert board.stop() == 0
        log = (board.folder / "var" / "softswitch.log").read_text()
        errors = [line for line in log.splitlines() if "level=error" in line]
        assert [line for line in errors if "the database is away" not in line] == []


@pytest.fixture
def phones(nodes, tmp_path):
    """Three phones, of which two registered at one node and one at the other."""
    (port,) = free_ports(1, EDGE)
    ports = [nodes[name].port for name in NODES]
    with kamailio(tmp_path, port, ports[0], EDGE, ports[1]):
        made = {
            login: ScriptedPhone(login, f"127.0.0.{20 + place}", f"10.0.0.{place}", (EDGE, port))
            for place, login in enumerate(NUMBERS)
        }
        made["beka"].node = "two"
        for phone in made.values():
            until(lambda phone=phone: phone.register() == 200, "a phone is registered", 60)
        yield made
        for phone in made.values():
            phone.close()


def test_every_pair_of_phones_talks_through_either_node_and_through_the_one_that_lives(
    nodes, phones
):
    pairs = list(itertools.permutations(phones, 2))
    for (caller, callee), node in zip(pairs, itertools.cycle(NODES), strict=False):
        phones[caller].node = node
        talk(phones[caller], phones[callee], NUMBERS[callee], f"{caller}-{callee}-{node}")
    for board in nodes.values():
        until(lambda board=board: not board.ask("call_list"), "all calls are over", 60)
    cdrs = nodes["one"].ask("cdr_list")
    assert [cdr["sip_status"] for cdr in cdrs] == [200] * 6
    assert {(cdr["calling"], cdr["called"]) for cdr in cdrs} == {
        (NUMBERS[caller], NUMBERS[callee]) for caller, callee in pairs
    }
    heard = [cdr["media"][side]["packets"] for cdr in cdrs for side in ("caller", "callee")]
    assert min(heard) > 0
    rows = nodes["two"].ask("registration_list")
    assert {row["login"]: row["source"] for row in rows} == {
        login: "{}:{}".format(*phone.sip.getsockname()) for login, phone in phones.items()
    }
    # The node dies at which two of them registered.
    nodes["one"].process.send_signal(signal.SIGKILL)
    nodes["one"].process.wait(30)
    nodes["one"].process.stdout.close()
    nodes["one"].process = None
    for phone in phones.values():
        phone.node = "two"
    talk(phones["beka"], phones["ana"], ANA, "to-the-dead-node's-phone")
    talk(phones["ana"], phones["cira"], CIRA, "between-the-dead-node's-phones")
