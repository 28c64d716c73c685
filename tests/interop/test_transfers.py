"""Transfers asked for by real phones: who talks in the end, and who pays for it."""

import contextlib

import pytest
import sound
from baresip import Baresip
from linphone import Linphone
from switchboard import ANA, BEKA, CIRA


@pytest.fixture
def baresips(board, tmp_path):
    """Ana's, Beka's and Cira's phones."""
    with contextlib.ExitStack() as made:
        phones = {}
        for seed, login in enumerate(("ana", "beka", "cira"), 1):
            said = sound.write_wav(tmp_path / f"{login}.wav", sound.speech(30.0, seed))
            phones[login] = Baresip(board, tmp_path / login, login, said)
            made.callback(phones[login].close)
        yield phones


def records(board):
    return {row["leg"]: row for row in board.cdrs()}


def test_baresip_transfers_blindly(board, baresips):
    ana, beka, cira = baresips.values()
    ana.command("dial", BEKA)
    for phone in (ana, beka):
        phone.hears("CALL_ESTABLISHED")
    beka.command("transfer", f"sip:{CIRA}@127.0.0.1:{board.port}")
    cira.hears("CALL_ESTABLISHED")
    beka.hears("CALL_CLOSED")
    board.talk(1.0)
    ana.command("hangup")
    cira.hears("CALL_CLOSED")
    found = records(board)
    assert (found["a"]["calling"], found["a"]["called"]) == (ANA, BEKA)
    assert (found["b"]["line"], found["b"]["called"], found["b"]["direction"]) == (
        BEKA,
        CIRA,
        "forwarded",
    )
    assert found["b"]["ended_by"] == "caller"


@pytest.fixture
def linphones(board, tmp_path):
    """Ana's, Beka's and Cira's phones."""
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    with contextlib.ExitStack() as made:
        phones = []
        for login in ("ana", "beka", "cira"):
            phones.append(Linphone(board, tmp_path / login, login, said))
            made.callback(phones[-1].close)
        yield phones


def answers(phone):
    phone.says("Receiving new incoming call")
    phone.do("answer")
    phone.says("Media streams established")


def test_linphone_transfers_blindly(board, linphones):
    ana, beka, cira = linphones
    ana.do(f"call {BEKA}")
    answers(beka)
    beka.do(f"transfer {CIRA}")
    answers(cira)
    beka.says("Call 1 .* ended")
    board.talk(1.0)
    ana.do("terminate")
    cira.says("Call 1 .* ended")
    found = records(board)
    assert (found["b"]["line"], found["b"]["called"]) == (BEKA, CIRA)


def test_linphone_transfers_attended(board, linphones):
    ana, beka, cira = linphones
    ana.do(f"call {BEKA}")
    answers(beka)
    beka.do("pause")
    ana.says("Call 1 .* paused")
    beka.do(f"call {CIRA}")
    answers(cira)
    beka.says("Media streams established")
    beka.do("transfer 1 --to-call 2")
    beka.says("has been transfered")
    board.talk(3.0)
    ana.do("terminate")
    cira.says("Call 1 .* ended")
    first, second = sorted(board.cdrs(), key=lambda row: row["account"])
    assert (first["account"], first["called"]) == (1, BEKA)
    assert (second["account"], second["called"]) == (2, CIRA)
    for side in ("caller", "callee"):
        assert first["media"][side]["packets"] > 100
