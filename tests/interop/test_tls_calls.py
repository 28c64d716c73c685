"""Signalling over TLS, with clients that nobody here wrote."""

import contextlib

import pytest
import sound
from baresip import Baresip
from certificates import Authority
from linphone import Linphone
from pyvoip_phone import PyVoip
from switchboard import ANA, BEKA


@pytest.fixture
def secure(make_board, tmp_path):
    """A switch that listens by TLS on its second port."""
    pair = Authority(tmp_path).issue("127.0.0.1")
    board = make_board()
    listen = board.environment["SOFTSWITCH_SIP__LISTEN"]
    board.environment["SOFTSWITCH_SIP__LISTEN"] = f"{listen},tls:127.0.0.1:{board.second_port}"
    board.environment["SOFTSWITCH_TLS__CERTIFICATES"] = f"{pair.certificate}:{pair.key}"
    board.start()
    return board


@pytest.fixture
def closing():
    """Takes phones, and ends them before the switch."""
    with contextlib.ExitStack() as stack:
        yield lambda phone: stack.enter_context(contextlib.closing(phone))


def transports(board) -> set[str]:
    return {row["transport"] for row in board.ask("registration_list")}


def test_rfcvoip_calls_rfcvoip(secure, closing):
    pytest.importorskip("rfcvoip", reason="rfcvoip isn't installed")
    options = {"library": "rfcvoip", "transport": "tls", "port": secure.second_port}
    ana = closing(PyVoip(secure, "ana", 440, **options))
    beka = closing(PyVoip(secure, "beka", 620, **options))
    assert transports(secure) == {"tls"}
    ana.do("call", BEKA)
    beka.says("incoming")
    beka.do("answer")
    for phone in (ana, beka):
        phone.says("answered")
    secure.talk(1.0)
    beka.do("hangup")
    for phone in (ana, beka):
        phone.says("ended")
    assert (secure.cdr()["sip_status"], secure.cdr()["ended_by"]) == (200, "callee")


def test_baresip_calls_baresip_and_holds(secure, closing, tmp_path):
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    options = {"transport": "tls", "port": secure.second_port}
    ana = closing(Baresip(secure, tmp_path / "ana", "ana", said, **options))
    beka = closing(Baresip(secure, tmp_path / "beka", "beka", said, **options))
    assert transports(secure) == {"tls"}
    ana.command("dial", BEKA)
    for phone in (ana, beka):
        phone.hears("CALL_ESTABLISHED")
    for command in ("hold", "resume"):
        ana.command(command)
        beka.hears("CALL_REMOTE_SDP")
    beka.command("hangup")
    ana.hears("CALL_CLOSED")
    assert (secure.cdr()["sip_status"], secure.cdr()["ended_by"]) == (200, "callee")


def test_linphone_calls_a_phone_on_udp(secure, closing, tmp_path):
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    options = {"transport": "tls", "port": secure.second_port}
    beka = closing(Linphone(secure, tmp_path / "beka", "beka", said, **options))
    ana = closing(Baresip(secure, tmp_path / "ana", "ana", said))
    assert transports(secure) == {"tls", "udp"}
    beka.do(f"call {ANA}")
    ana.hears("CALL_ESTABLISHED")
    beka.says("Media streams established")
    beka.do("terminate")
    ana.hears("CALL_CLOSED")
    assert (secure.cdr()["sip_status"], secure.cdr()["ended_by"]) == (200, "caller")
