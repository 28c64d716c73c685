"""pyVoIP as a phone: with itself and with baresip, both ways."""

import pytest
import sound
from baresip import Baresip
from pyvoip_phone import AUDIBLE, PyVoip
from switchboard import ANA, BEKA

pytest.importorskip("pyVoIP", reason="pyVoIP isn't installed")


@pytest.fixture
def phones(board, tmp_path):
    """Ana's phone is pyVoIP; `make` gives Beka one of either kind."""
    made = [PyVoip(board, "ana", 440)]

    def make(kind, **options):
        if kind is PyVoip:
            made.append(PyVoip(board, "beka", 620))
        else:
            said = sound.write_wav(tmp_path / "beka.wav", sound.speech(20.0, 2))
            made.append(Baresip(board, tmp_path / "beka", "beka", said, **options))
        return made[-1]

    yield made[0], make
    for phone in made:
        phone.close()


def test_two_of_them_hear_each_others_tone(board, phones):
    ana, make = phones
    beka = make(PyVoip)
    assert {row["login"] for row in board.ask("registration_list")} == {"ana", "beka"}
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
    record = board.cdr()
    assert (record["sip_status"], record["ended_by"]) == (200, "caller")
    assert record["billed_seconds"] in (2, 3)


def test_it_calls_baresip_which_hangs_up(board, phones):
    ana, make = phones
    beka = make(Baresip)
    ana.do("call", BEKA)
    ana.says("answered")
    beka.hears("CALL_RTPESTAB")
    beka.command("hangup")
    ana.says("ended")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "callee")


def test_baresip_calls_it_and_sends_keys(board, phones):
    ana, make = phones
    beka = make(Baresip)
    beka.command("dial", ANA)
    ana.says("incoming")
    ana.do("answer")
    beka.hears("CALL_RTPESTAB")
    for digit in "5#":  # pyVoIP takes digits that follow each other closely for one
        for _ in range(3):  # and overlooks one now and then when the machine is busy
            beka.command("sndcode", digit)
            if ana.has_said("digit", 3.0):
                break
        assert ana.says("digit")["digit"] == digit
    ana.do("hangup")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "callee")


def test_it_declines(board, phones):
    ana, make = phones
    beka = make(Baresip)
    beka.command("dial", ANA)
    ana.says("incoming")
    ana.do("deny")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (486, "callee")


def test_its_caller_gives_up(board, phones):
    ana, make = phones
    beka = make(Baresip)
    beka.command("dial", ANA)
    ana.says("incoming")
    beka.command("hangup")
    record = board.cdr()  # though pyVoIP never says that it was cancelled
    assert (record["sip_status"], record["ended_by"]) == (487, "caller")
