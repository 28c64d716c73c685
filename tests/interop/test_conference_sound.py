"""Two baresips in a dial-in room: each hears the other, and not itself."""

import pytest
import sound
from baresip import Baresip
from switchboard import ANA, until

SECONDS = 12.0


@pytest.fixture
def phones(board, tmp_path):
    made = []
    for seed, login in enumerate(("ana", "beka"), 1):
        said = sound.write_wav(tmp_path / f"{login}.wav", sound.speech(SECONDS, seed))
        made.append(Baresip(board, tmp_path / login, login, said))
    yield made
    for phone in made:
        phone.close()


def test_a7_what_one_says_in_a_room_the_other_hears(board, phones):
    board.cli("room", "add", "100", "--line", ANA)
    for phone in phones:
        phone.command("dial", "*88")
        phone.hears("CALL_ESTABLISHED")
    for phone in phones:
        phone.command("sndcode", "100#")
    until(lambda: len(board.ask("conference_list")) == 2, "both are in the room", 15.0)
    rows = board.ask("conference_list")
    assert [(row["number"], row["owner"]) for row in rows] == [("100", ANA)] * 2
    for phone in phones:
        phone.hears("CALL_CLOSED", 30.0)  # when its file is played to the end, or the owner left
    ana, beka = phones
    said = {phone: sound.read_wav(phone.folder / "said.wav") for phone in phones}
    for speaker, listener in ((ana, beka), (beka, ana)):
        heard = sound.read_wav(listener.heard)
        # Three seconds of the end, when both were surely in.
        piece = said[speaker][int(7.0 * sound.RATE) : int(10.0 * sound.RATE)]
        own = said[listener][int(7.0 * sound.RATE) : int(10.0 * sound.RATE)]
        assert sound.match(piece, heard).correlation > 0.8
        assert sound.match(own, heard).correlation < 0.2
