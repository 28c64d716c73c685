"""baresip as both phones: sound from file to file, keys, hold, and calls that come to nothing."""

from functools import partial

import pytest
import sound
from baresip import Baresip
from switchboard import ANA, BEKA, until

SAID = {"ana": 1, "beka": 2}
"""Each says something of its own."""


@pytest.fixture
def make_phone(tmp_path):
    """Makes phones of a line, and ends them before the switch."""
    phones = []

    def make(board, login, seconds=30.0, rate=sound.RATE, **options):
        speech = sound.speech(seconds, SAID[login])
        speech = speech if rate == sound.RATE else sound.wideband(speech)
        said = sound.write_wav(tmp_path / f"{login}.wav", speech, rate)
        options["rate"] = rate
        folder = tmp_path / f"{login}{len(phones)}"
        phones.append(Baresip(board, folder, login, said, **options))
        return phones[-1]

    yield make
    for made in phones:
        made.close()


@pytest.fixture
def phone(board, make_phone):
    """Those of the running switch."""
    return partial(make_phone, board)


@pytest.mark.parametrize(
    ("tier", "transport"), [("kernel", "udp"), ("relay", "tcp"), ("recorded", "udp")]
)
def test_what_each_says_is_what_the_other_hears(make_board, make_phone, tier, transport):
    """To the sample, whoever passes it on: nothing on the way decodes it."""
    fast_path = "off" if tier == "relay" else "auto"
    board = make_board(
        MEDIA__FAST_PATH=fast_path, MEDIA__LATCH_SECONDS="1", RECORDING__TONE="false"
    )
    board.start()
    if tier == "recorded":
        board.ask("line_set", number=BEKA, key="record", value="yes")
    phones = {login: make_phone(board, login, 3.0, transport=transport) for login in SAID}
    phones["ana"].command("dial", BEKA)
    for made in phones.values():
        made.hears("CALL_ESTABLISHED")
    (call,) = board.ask("call_list")
    passed_on_by = {"kernel": {"kernel", "relay"}, "relay": {"relay"}, "recorded": {"sound"}}[tier]
    (worker,) = board.ask("media_show")
    if tier == "kernel" and worker["fast_path"] != "none":
        passed_on_by.remove("relay")
    until(lambda: live(board, call)["media"]["tier"] in passed_on_by, "the tier is reached", 3)
    for made in phones.values():
        made.hears("CALL_CLOSED")  # when its file is played to the end
    for speaker, listener in (("ana", "beka"), ("beka", "ana")):
        said, heard = (sound.read_wav(path) for path in
                       (phones[speaker].folder / "said.wav", phones[listener].heard))  # fmt: skip
        found = sound.match(said, heard)
        assert (found.gaps, found.frames) == (0, 150), found
        assert found.coded_once and found.correlation > 0.999, found
        own = sound.read_wav(phones[listener].folder / "said.wav")
        assert sound.match(own, heard).correlation < 0.2  # nobody hears themselves
    record = board.cdr()
    assert (record["sip_status"], record["codec"], record["calling"]) == (200, "PCMU", ANA)
    assert 3000 < record["duration_ms"] < 5000
    assert record["media"]["caller"]["lost"] == record["media"]["callee"]["lost"] == 0


def live(board, call):
    return board.ask("call_show", call_id=call["id"])


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_the_echo_test_gives_back_what_was_said(board, phone, codec):
    """Played by the switch itself in real time, on a machine that may be busy: what comes late
    is lost, so the best of a few calls counts."""
    found = [echo(board, phone("ana", 3.0, codec=codec))]
    while found[-1].correlation <= 0.99 and len(found) < 6:
        found.append(echo(board, phone("ana", 3.0, codec=codec)))
    assert found[-1].correlation > 0.99 and abs(found[-1].level_db) < 0.2, found
    record = board.cdrs()[-1]
    assert (record["type"], record["direction"], record["codec"]) == (
        "service",
        "service",
        codec.upper(),
    )
    assert record["called"] == "*43" and record["media"]["caller"]["packets"] > 140
    assert record["media"]["caller"]["one_way"] is False


@pytest.mark.parametrize(
    ("codec", "rate", "delay"), [("pcma", 8000, 0.0), ("g722/16000", 16_000, 0.25)]
)
def test_phones_without_a_common_codec_hear_each_other(board, phone, codec, rate, delay):
    """As the echo: made in real time, so the best of a few calls counts. G.722 parts the bands by
    filters, which delay a voice by a quarter of a sample."""
    speech = sound.delayed(sound.speech(3.0, SAID["ana"]), delay)
    found = []
    while not found or (found[-1].correlation <= 0.98 and len(found) < 3):
        ana, beka = phone("ana", 3.0, rate, codec=codec), phone("beka", 3.0, codec="pcmu")
        ana.command("dial", BEKA)
        for made in (ana, beka):
            made.hears("CALL_ESTABLISHED")
            made.hears("CALL_CLOSED")
        found.append(sound.match(speech, sound.read_wav(beka.heard)))
        for made in (ana, beka):
            made.close()
    assert found[-1].correlation > 0.98 and abs(found[-1].level_db) < 0.3, found
    record = board.cdrs()[-1]
    assert (record["sip_status"], record["codec"]) == (200, f"{codec[:4].upper()}/PCMU")


def echo(board, ana):
    """Call it once; how what came back matches what was said."""
    ana.command("dial", "*43")
    ana.hears("CALL_ESTABLISHED")
    (call,) = board.ask("call_list")
    until(lambda: live(board, call)["media"]["caller"]["packets"] > 10, "sound is counted live")
    ana.hears("CALL_CLOSED")  # when its file is played to the end
    said, heard = (sound.read_wav(path) for path in (ana.folder / "said.wav", ana.heard))
    ana.close()
    return sound.match(said, heard)


def test_keys_pass(board, phone):
    ana, beka = phone("ana"), phone("beka")
    ana.command("dial", BEKA)
    for made in (ana, beka):
        made.hears("CALL_RTPESTAB")
    ana.command("sndcode", "12#")
    assert [beka.hears("CALL_DTMF_START")["param"] for _ in range(3)] == ["1", "2", "#"]
    beka.command("hangup")
    ana.hears("CALL_CLOSED")
    assert board.cdr()["ended_by"] == "callee"


def test_keys_are_told_in_info_to_a_line_that_is_set_so(board, phone):
    board.ask("line_set", number=BEKA, key="dtmf", value="info")
    ana, beka = phone("ana"), phone("beka")
    ana.command("dial", BEKA)
    for made in (ana, beka):
        made.hears("CALL_RTPESTAB")
    ana.command("sndcode", "34*")
    assert [beka.hears("CALL_DTMF_START")["param"] for _ in range(3)] == ["3", "4", "*"]
    beka.command("hangup")
    ana.hears("CALL_CLOSED")


def test_hold_and_resume(board, phone):
    ana, beka = phone("ana"), phone("beka")
    ana.command("dial", BEKA)
    ana.hears("CALL_ESTABLISHED")
    beka.hears("CALL_ESTABLISHED")
    for command in ("hold", "resume"):
        ana.command(command)
        beka.hears("CALL_REMOTE_SDP")
        assert ana.hears("CALL_REMOTE_SDP")["param"] == "answer"
    ana.command("hangup")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (200, "caller")


def test_the_caller_gives_up(board, phone):
    ana, beka = phone("ana"), phone("beka", answers=False)
    ana.command("dial", BEKA)
    ana.hears("CALL_RINGING")
    beka.hears("CALL_INCOMING")
    ana.command("hangup")
    beka.hears("CALL_CLOSED")
    assert (board.cdr()["sip_status"], board.cdr()["ended_by"]) == (487, "caller")


def test_the_called_phone_declines(board, phone):
    ana, beka = phone("ana"), phone("beka", answers=False)
    ana.command("dial", BEKA)
    beka.hears("CALL_INCOMING")
    beka.command("hangup")
    ana.hears("CALL_CLOSED")
    record = board.cdr()
    assert (record["sip_status"], record["ended_by"], record["price"]) == (486, "callee", "0.00")


def test_a_phone_that_ends_takes_its_registration_along(board, phone):
    ana = phone("ana")
    assert [row["login"] for row in board.ask("registration_list")] == ["ana"]
    ana.close()
    assert board.ask("registration_list") == []
