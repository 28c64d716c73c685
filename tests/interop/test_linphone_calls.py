"""linphonec with a baresip at the other end: keys, what is heard before the answer, giving up."""

import contextlib

import pytest
import sound
from baresip import Baresip
from linphone import Linphone
from switchboard import ANA


@pytest.fixture
def phones(board, tmp_path):
    """Beka's phone is a linphonec; makes Ana's, a baresip."""
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    with contextlib.ExitStack() as stack:
        beka = Linphone(board, tmp_path / "beka", "beka", said)
        stack.callback(beka.close)

        def make(**options):
            ana = Baresip(board, tmp_path / "ana", "ana", said, **options)
            stack.callback(ana.close)
            return ana

        yield beka, make


def test_its_keys_are_heard(board, phones):
    beka, make = phones
    ana = make()
    beka.do(f"call {ANA}")
    beka.says("Media streams established")
    ana.hears("CALL_ESTABLISHED")
    board.talk(1.0)
    beka.do("5")
    assert ana.hears("CALL_DTMF_START")["param"] == "5"
    beka.do("terminate")
    ana.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "caller")


def test_it_hears_the_called_phone_before_the_answer(board, phones):
    beka, make = phones
    ana = make(early=True)
    beka.do(f"call {ANA}")
    beka.says("[Ee]arly media")
    assert board.ask("call_list")[0]["state"] == "ringing"
    ana.command("accept")
    beka.says("Media streams established")
    beka.do("terminate")
    ana.hears("CALL_CLOSED")
    assert board.cdr()["sip_status"] == 200


def test_it_gives_up(board, phones):
    beka, make = phones
    ana = make(answers=False)
    beka.do(f"call {ANA}")
    ana.hears("CALL_INCOMING")
    beka.do("terminate")
    ana.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (487, "caller")
