"""baresip with SRTP over TLS: sound arrives whole, and no key is found anywhere."""

import contextlib
import re

import pytest
import sound
from baresip import MODULES, Baresip
from certificates import Authority
from switchboard import BEKA, LINES


@pytest.fixture
def secure(make_board, tmp_path):
    """A switch that listens by TLS on its second port, logs everything, and keeps traces."""
    pair = Authority(tmp_path).issue("127.0.0.1")
    board = make_board()
    listen = board.environment["SOFTSWITCH_SIP__LISTEN"]
    board.environment["SOFTSWITCH_SIP__LISTEN"] = f"{listen},tls:127.0.0.1:{board.second_port}"
    board.environment["SOFTSWITCH_TLS__CERTIFICATES"] = f"{pair.certificate}:{pair.key}"
    board.environment["SOFTSWITCH_LOG__LEVEL"] = "debug"
    board.start()
    return board


@pytest.mark.parametrize(
    ("ana", "beka"),
    [("srtp-mand", "srtp-mand"), ("srtp-mand", ""), ("srtp", "srtp-mand")],
    ids=["SRTP-SRTP", "SRTP-RTP", "optional-mandatory"],
)
def test_what_one_says_is_what_the_other_hears(secure, tmp_path, ana, beka):
    if not MODULES or not (MODULES[-1] / "srtp.so").exists():
        pytest.skip("baresip has no srtp module")
    with contextlib.ExitStack() as stack:
        phones = {}
        for seed, (login, encryption) in enumerate((("ana", ana), ("beka", beka)), 1):
            said = sound.write_wav(tmp_path / f"{login}.wav", sound.speech(3.0, seed))
            if encryption == "srtp-mand":
                secure.cli("line", "set", LINES[login][0], "srtp", "required")
            phone = Baresip(
                secure, tmp_path / login, login, said,
                transport="tls", port=secure.second_port,
                encryption=encryption,
            )  # fmt: skip
            phones[login] = stack.enter_context(contextlib.closing(phone))
        phones["ana"].command("dial", BEKA)
        for phone in phones.values():
            phone.hears("CALL_ESTABLISHED")
        for phone in phones.values():
            phone.hears("CALL_CLOSED")
        for speaker, listener in (("ana", "beka"), ("beka", "ana")):
            said = sound.read_wav(phones[speaker].folder / "said.wav")
            found = sound.match(said, sound.read_wav(phones[listener].heard))
            assert found.correlation > 0.99, found
    record = secure.cdr()
    assert record["sip_status"] == 200
    trace = str(secure.cli("call", "trace", record["call_id"]))
    shown = re.findall(r"inline:([^\s|\\]+)", trace)
    assert shown and {*"".join(shown)} == {"x"}
    log = (secure.folder / "var" / "softswitch.log").read_text()
    assert "call ended" in log and "inline:" not in log
