"""A switch is told to stop while a phone that is gone is rung."""

import signal

import pytest
from switchboard import BEKA, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


def test_a_call_to_a_dead_phone_holds_a_stopping_switch_for_20_seconds_alone(make_board):
    board = make_board(CALLS__DRAIN_SECONDS="170")
    board.start()
    board.register("beka", board.phones[1])  # and nobody answers there
    caller = board.sipp("call.xml", board.phones[0], "-timeout", "150s", login="ana",
                        password="secret", number=BEKA)  # fmt: skip
    until(lambda: board.ask("call_list"), "the phone is rung", 30)
    board.process.send_signal(signal.SIGTERM)
    assert board.process.wait(100) == 0
    board.process.stdout.close()
    board.process = None
    caller.communicate(timeout=60)
    (errors,) = board.folder.glob("*_errors.log")
    assert "480 Temporarily Unavailable" in errors.read_text()
    (cdr,) = board.cli("cdr", "list")
    assert (cdr["sip_status"], cdr["ended_by"]) == (480, "restart")
