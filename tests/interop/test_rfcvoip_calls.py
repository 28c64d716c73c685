"""rfcvoip as both phones, over the transports that it knows."""

import pytest
from pyvoip_phone import AUDIBLE, PyVoip
from switchboard import BEKA

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
