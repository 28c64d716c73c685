"""Phones that reach the switch through a proxy: Kamailio as the edge in front of it."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
import sound
from baresip import Baresip
from switchboard import BEKA, CIRA, HERE, free_ports, until

MODULES = sorted(Path("/usr/lib").glob("**/kamailio/modules"))


@contextlib.contextmanager
def kamailio(tmp_path, port, switch_port, host="127.0.0.1", second_port=0):
    """Kamailio in front of a switch on 127.0.0.1, or of two."""
    if shutil.which("kamailio") is None or not MODULES:
        pytest.skip("Kamailio isn't installed (Debian package kamailio)")
    text = (HERE / "kamailio.cfg").read_text()
    named = {"EDGE_HOST": host, "EDGE_PORT": port, "SWITCH_PORT": switch_port,
             "SECOND_PORT": second_port or switch_port, "MODULES": MODULES[0]}  # fmt: skip
    for name, value in named.items():
        text = text.replace(name, str(value))
    (tmp_path / "kamailio.cfg").write_text(text)
    with open(tmp_path / "kamailio.log", "w") as log:
        process = subprocess.Popen(
            ["kamailio", "-f", str(tmp_path / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "8",
             "-Y", str(tmp_path)],
            stdout=log, stderr=log,
        )  # fmt: skip
        until(lambda: f":{port:04X}" in Path("/proc/net/udp").read_text(), "Kamailio listens", 60)
        yield
        process.terminate()
        process.wait(10)


@pytest.fixture
def edge(board, tmp_path):
    """The port of a Kamailio in front of the switch."""
    (port,) = free_ports(1)
    with kamailio(tmp_path, port, board.port):
        yield port


@pytest.fixture
def phone(board, edge, tmp_path):
    """Makes phones behind the edge."""
    with contextlib.ExitStack() as made:

        def make(login, seed, **options):
            said = sound.write_wav(tmp_path / f"{login}.wav", sound.speech(30.0, seed))
            new = Baresip(board, tmp_path / login, login, said, port=edge, **options)
            made.callback(new.close)
            return new

        yield make


def test_a_call_with_hold_passes_the_edge(board, edge, phone):
    ana, beka = phone("ana", 1), phone("beka", 2)
    assert {row["source"] for row in board.ask("registration_list")} == {f"127.0.0.1:{edge}"}
    ana.command("dial", BEKA)
    for made in (ana, beka):
        made.hears("CALL_ESTABLISHED")
    ana.command("hold")
    beka.hears("CALL_REMOTE_SDP")
    ana.command("resume")
    beka.hears("CALL_REMOTE_SDP")
    board.talk(1.0)
    beka.command("hangup")
    ana.hears("CALL_CLOSED")
    record = board.cdr()
    assert (record["sip_status"], record["ended_by"]) == (200, "callee")
    assert record["media"]["caller"]["packets"] > 30 and record["media"]["callee"]["packets"] > 30


def test_keys_early_media_and_a_transfer_pass_the_edge(board, edge, phone):
    ana, beka, cira = phone("ana", 1), phone("beka", 2, early=True), phone("cira", 3)
    ana.command("dial", BEKA)
    ana.hears("CALL_PROGRESS")
    beka.command("accept")
    for made in (ana, beka):
        made.hears("CALL_ESTABLISHED")
    ana.command("sndcode", "5")
    assert beka.hears("CALL_DTMF_START")["param"] == "5"
    beka.command("transfer", f"sip:{CIRA}@127.0.0.1:{edge}")
    cira.hears("CALL_ESTABLISHED")
    beka.hears("CALL_CLOSED")
    board.talk(1.0)
    ana.command("hangup")
    cira.hears("CALL_CLOSED")
    assert {row["leg"]: row["called"] for row in board.cdrs()} == {"a": BEKA, "b": CIRA}


def test_cancelled_through_the_edge(board, phone):
    ana, beka = phone("ana", 1), phone("beka", 2, answers=False)
    ana.command("dial", BEKA)
    ana.hears("CALL_RINGING")
    ana.command("hangup")
    beka.hears("CALL_CLOSED")
    assert board.cdr()["sip_status"] == 487
