"""What a real switch says to a real phone: 1111, and why a call is refused, sample by sample."""

import numpy as np
import pytest
import sound
from baresip import Baresip

from rtp.sound_file import load
from softswitch.config.config import load as load_config
from softswitch.operations.network.prompts import prompt_build
from softswitch.prompts.library import scan

pytest.importorskip("espeakng_loader", reason="espeakng-loader isn't installed")

BALANCE = ("balance-is", "10", "lari")
NOT_IN_SERVICE = ("refused-not-in-service",)


@pytest.fixture
def board(make_board):
    """A switch for which what these tests hear was read out while it serves, in English."""
    made = make_board()
    config = load_config(made.folder / "softswitch.toml")
    made.start()
    prompt_build(config, "en", tokens=(*BALANCE, *NOT_IN_SERVICE))
    assert made.ask("prompt_reload") == len(BALANCE) + len(NOT_IN_SERVICE)
    made.library = scan(config)
    return made


@pytest.fixture
def make_phone(board, tmp_path):
    made = []

    def make(login):
        said = sound.write_wav(tmp_path / f"{login}.wav", sound.speech(20.0, 2))
        made.append(Baresip(board, tmp_path / login, login, said))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


def recorded(board, tokens):
    """The recordings one after the other: what is to be heard."""
    files = [load(board.library.get("en", token).path).samples for token in tokens]
    return np.concatenate(files).astype(float)


def assert_heard(board, phone, tokens):
    said = recorded(board, tokens)
    heard = sound.read_wav(phone.heard)
    found = sound.match(said, heard)
    # G.711 and a jitter buffer stand between; a gap is a frame that isn't as it was recorded.
    assert found.correlation > 0.98 and abs(found.level_db) < 1.0, found
    assert found.gaps <= 2, found


def test_a1_the_balance_is_heard_whole(board, make_phone):
    phone = make_phone("ana")
    phone.command("dial", "1111")
    phone.hears("CALL_ESTABLISHED")
    phone.hears("CALL_CLOSED", 20.0)
    assert_heard(board, phone, BALANCE)
    record = board.cdr()
    assert (record["type"], record["sip_status"], record["price"]) == ("service", 200, "0.00")


def test_a_refused_caller_hears_why_before_the_status(board, make_phone):
    phone = make_phone("poor")
    phone.command("dial", "+442012345678")  # there is no trunk
    closed = phone.hears("CALL_CLOSED", 20.0)
    assert closed["param"].startswith("404"), closed
    assert_heard(board, phone, NOT_IN_SERVICE)
    assert board.cdr()["sip_status"] == 404
