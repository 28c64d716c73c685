"""Lamps and texts of phones that nobody here wrote."""

import contextlib
import re

import pytest
import sound
from baresip import LAMP, LAMP_SECONDS, Baresip
from linphone import Linphone
from switchboard import ANA, BEKA, until

WORDS = ["first", "second", "third"]


@pytest.fixture
def phone(board, tmp_path):
    made = []
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(1.0, 1))

    def start(login, *modules):
        made.append(Baresip(board, tmp_path / login, login, said, modules=modules))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def closing():
    """Takes phones, and ends them before the switch."""
    with contextlib.ExitStack() as stack:
        yield lambda phone: stack.enter_context(contextlib.closing(phone))


def subscribed(board, phone):
    """A phone whose lamp follows Ana's mailbox."""
    with board.late(LAMP_SECONDS):
        ana = phone("ana", LAMP)
    until(lambda: board.ask("subscription_list"), "it subscribes", 30)
    return ana


def test_its_lamp_follows_the_mailbox(board, phone):
    board.ask("line_set", number=ANA, key="waiting", value="1/0")
    ana = subscribed(board, phone)
    until(lambda: "Voice-Message: 1/0 (0/0)" in ana.log, "it is told")
    board.ask("line_set", number=ANA, key="waiting", value="2/5")
    until(lambda: "Voice-Message: 2/5 (0/0)" in ana.log, "it is told of the change")


def test_a_text_from_linphone_to_linphone(board, tmp_path):
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(1.0, 1))
    ana, beka = (Linphone(board, tmp_path / login, login, said) for login in ("ana", "beka"))
    try:
        ana.do(f"chat sip:{BEKA}@127.0.0.1 shall we meet")
        beka.says(r"shall we meet")
        assert ANA in beka.output
    finally:
        ana.close()
        beka.close()


def test_texts_to_an_absent_linphone_come_once_and_in_order_after_a_restart(
    board, tmp_path, closing
):
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(1.0, 1))
    ana = closing(Linphone(board, tmp_path / "ana", "ana", said))

    def stored() -> list[dict]:
        return board.ask("sms_conversation", line=BEKA, peer=ANA)

    for number, word in enumerate(WORDS, 1):
        ana.do(f"chat sip:{BEKA}@127.0.0.1 the {word} text")
        until(lambda n=number: len(stored()) == n, f"the {word} text is stored")
    board.stop()
    board.start()
    beka = closing(Linphone(board, tmp_path / "beka", "beka", said))
    beka.says("the third text")
    until(lambda: {row["state"] for row in stored()} == {"delivered"}, "all are delivered")
    board.talk(1.0)
    assert re.findall(r"the (\w+) text", beka.output) == WORDS
    assert [row["text"] for row in reversed(stored())] == [f"the {word} text" for word in WORDS]
