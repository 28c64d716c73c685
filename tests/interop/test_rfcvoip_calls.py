"""rfcvoip as both phones, over the transports that it knows."""

import contextlib

import pytest
import sound
from baresip import Baresip
from pyvoip_phone import AUDIBLE, PyVoip
from switchboard import ANA, BEKA

pytest.importorskip("rfcvoip", reason="rfcvoip isn't installed")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_of_them_hear_each_others_tone(board, transport):
    options = {"library": "rfcvoip", "transport": transport}
    ana = PyVoip(board, "ana", 440, **options)
    beka = PyVoip(board, "beka", 620, **options)
    try:
        ana.do("call", BEKA)
        beka.says("incoming")
        beka.do("answer")
        for phone in (ana, beka):
            phone.says("answered")
        board.talk(1.5)
        ana.do("hangup")
        for phone, hertz in ((ana, 620), (beka, 440)):
            heard = phone.says("ended")
            assert abs(heard["hertz"] - hertz) <= 10 and heard["level"] > AUDIBLE, heard
    finally:
        for phone in (ana, beka):
            phone.close()
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "caller")


@pytest.fixture
def phones(board, tmp_path):
    """Ana's phone is an rfcvoip, Beka's a baresip."""
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    with contextlib.ExitStack() as stack:
        ana = PyVoip(board, "ana", 440, library="rfcvoip")
        stack.callback(ana.close)
        beka = Baresip(board, tmp_path / "beka", "beka", said)
        stack.callback(beka.close)
        yield ana, beka


def test_it_hears_keys(board, phones):
    ana, beka = phones
    beka.command("dial", ANA)
    ana.says("incoming")
    ana.do("answer")
    beka.hears("CALL_RTPESTAB")
    for _ in range(3):  # it overlooks one now and then when the machine is busy
        beka.command("sndcode", "5")
        if ana.has_said("digit", 3.0):
            break
    assert ana.says("digit")["digit"] == "5"
    ana.do("hangup")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "callee")


def test_its_caller_gives_up(board, phones):
    ana, beka = phones
    beka.command("dial", ANA)
    ana.says("incoming")
    beka.command("hangup")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (487, "caller")
