"""Media workers that die or hang under a real switch: their calls end, the others go on."""

import os
import signal

import pytest
from switchboard import ANA, BEKA, CIRA, until


@pytest.fixture
def talking(make_board):
    """Two workers, with a call on each."""
    board = make_board(MEDIA__WORKERS="2", MEDIA__HUNG_SECONDS="2")
    board.start()
    board.register("beka", board.phones[1])
    runs = [board.answers("answers.xml", board.phones[1], "-m", "2")]
    for number, login in enumerate(("ana", "cira")):
        runs.append(
            board.sipp("call.xml", board.phones[2 * number], "-d", "6000", login=login,
                       password="secret", number=BEKA)
        )  # fmt: skip
        until(lambda count=number + 1: len(calls_that_talk(board)) == count, "they talk")
    yield board
    for run in runs:
        run.kill()
        run.communicate()


def calls_that_talk(board):
    return [call for call in board.ask("call_list") if call["state"] == "talking"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_calls_of_a_lost_worker_end_with_a_record_and_others_go_on(talking, how):
    board = talking
    first, second = board.ask("media_show")
    assert (first["sessions"], second["sessions"]) == (1, 1)
    os.kill(first["worker"], how)
    until(lambda: len(board.ask("call_list")) == 1, "one call is over")
    (record,) = until(lambda: board.ask("cdr_list"), "it is recorded")
    (goes_on,) = board.ask("call_list")
    assert {record["calling"], goes_on["calling"]} == {ANA, CIRA}
    assert (record["ended_by"], record["sip_status"]) == ("media_timeout", 200)

    rows = until(lambda: both_ready(board), "the worker is replaced")
    assert {row["worker"] for row in rows} - {first["worker"], second["worker"]}
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert log.count("media worker ready") == 3
    board.ask("call_hangup", call_id=goes_on["id"])
    assert len(board.cdrs()) == 2
    rows = both_ready(board)
    assert [(row["sessions"], row["ports_in_use"]) for row in rows] == [(0, 0), (0, 0)]


def both_ready(board):
    rows = board.ask("media_show")
    return rows if [row["state"] for row in rows] == ["ready", "ready"] else None
