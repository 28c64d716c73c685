"""baresip leaves a message and another one fetches it; what was said is what is heard. A switch
that is killed meanwhile keeps what was recorded until then."""

import signal
import time

import pytest
import sound
from baresip import LAMP, LAMP_SECONDS, Baresip
from switchboard import ANA, until

MESSAGE_SECONDS = 9.0


@pytest.fixture
def phone(board, tmp_path):
    """Makes phones of a line, and ends them before the switch."""
    phones = []

    def make(login, seconds, seed, *modules):
        said = sound.write_wav(tmp_path / f"{login}{seed}.wav", sound.speech(seconds, seed))
        folder = tmp_path / f"{login}{len(phones)}"
        phones.append(Baresip(board, folder, login, said, modules=modules))
        return phones[-1]

    yield make
    for made in phones:
        made.close()


def with_lamp(board, phone):
    """Ana's phone, whose lamp follows her mailbox."""
    with board.late(LAMP_SECONDS):
        ana = phone("ana", 40.0, 2, LAMP)
    until(lambda: board.ask("subscription_list"), "it subscribes", 30)
    return ana


def messages(board):
    return board.ask("voicemail_list", number=ANA)


def test_E5_a_message_is_left_lights_the_lamp_and_is_fetched(board, phone, tmp_path):
    board.ask("voicemail_enable", number=ANA, takes="always")
    ana = with_lamp(board, phone)
    beka = phone("beka", MESSAGE_SECONDS, 1)
    beka.command("dial", ANA)
    beka.hears("CALL_CLOSED", 20)  # when its file is played to the end
    until(lambda: messages(board), "the message is there")
    until(lambda: "Voice-Message: 1/0 (0/0)" in ana.log, "the lamp is lit")
    (message,) = messages(board)
    board.cli("voicemail", "export", ANA, message["id"], str(tmp_path / "message.wav"))
    kept = sound.read_wav(tmp_path / "message.wav")
    said = sound.read_wav(beka.folder / "said.wav")
    assert len(kept) > 4 * 8000  # the rest was said to the greeting and the tone
    found = sound.match(kept, said)
    assert found.correlation > 0.98 and abs(found.level_db) < 0.3, found

    ana.command("dial", "*97")
    ana.hears("CALL_ESTABLISHED")
    time.sleep(0.5)
    ana.command("sndcode", "1")
    until(lambda: messages(board)[0]["state"] == "saved", "it is heard to its end", 30)
    until(lambda: "Voice-Message: 0/1 (0/0)" in ana.log, "the lamp goes out")
    ana.command("hangup")
    ana.hears("CALL_CLOSED")
    heard = sound.read_wav(ana.heard)
    found = sound.match(kept, heard)
    assert found.correlation > 0.95, found
    left, fetched = board.cdrs()
    assert (left["answered_by"], left["sip_status"]) == ("voicemail", 200)
    assert (fetched["type"], fetched["called"], fetched["price"]) == ("service", "*97", "0.00")


def test_a_switch_killed_while_it_records_keeps_the_beginning(make_board, tmp_path):
    board = make_board()
    board.start()
    board.ask("voicemail_enable", number=ANA, takes="always")
    said = sound.write_wav(tmp_path / "said.wav", sound.speech(30.0, 1))
    beka = Baresip(board, tmp_path / "beka", "beka", said)
    try:
        beka.command("dial", ANA)
        beka.hears("CALL_ESTABLISHED")
        folder = board.folder / "var" / "voicemail"
        until(lambda: any(p.stat().st_size > 60_000 for p in folder.glob("*.part")), "it records")
        assert messages(board) == []
        board.stop(signal.SIGKILL)
    finally:
        beka.close()
    board.start()
    (message,) = messages(board)
    assert message["state"] == "new" and message["seconds"] > 2.0
    assert board.ask("line_show", number=ANA)["waiting"] == "1/0"
    assert [path.name for path in folder.iterdir()] == [f"{message['id']}.wav"]
    board.cli("voicemail", "export", ANA, message["id"], str(tmp_path / "message.wav"))
    kept = sound.read_wav(tmp_path / "message.wav")
    assert sound.match(kept, sound.read_wav(said)).correlation > 0.98
