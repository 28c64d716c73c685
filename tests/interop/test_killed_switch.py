"""kill -9 in the middle of calls, again and again on one database: nothing is lost or billed
twice, and nobody pays for more than was proven."""

import random
import signal
import time

import pytest
from switchboard import BEKA, Switchboard, until

from billing.facts.rating import charge
from billing.stores.store import Store

CALLS = 20
JOURNAL_MS = 1_000
LATE_MS = 500
"""A busy machine may write a proof of life so much later than it should."""
ANA_ACCOUNT = 1


class Round:
    """Twenty calls from Ana to Beka, which a kill of the switch cuts off."""

    def __init__(self, board: Switchboard, number: int) -> None:
        self.board = board
        self._names = [f"{side}{number}" for side in ("callee", "caller")]
        many = ("-m", str(CALLS), "-l", str(CALLS), "-r", "100", "-d", "30000")
        files = [(*many, "-trace_shortmsg", "-shortmessage_file", name) for name in self._names]
        self._runs = [board.answers("answers.xml", board.phones[1], *files[0])]
        self._runs.append(board.sipp("call.xml", board.phones[0], *files[1], login="ana",
                                     password="secret", number=BEKA))  # fmt: skip

    def kill(self, seconds: float) -> int:
        """Let them call for so long; the epoch milliseconds of the kill."""
        time.sleep(seconds)
        self.board.stop(signal.SIGKILL)
        killed_at = time.time_ns() // 1_000_000
        for run in self._runs:
            run.kill()
            run.communicate()
        return killed_at

    def _messages(self, name: str) -> list[list[str]]:
        """Rows of direction, Call-ID, CSeq and first line."""
        text = (self.board.folder / name).read_text(errors="replace")
        rows = (line.split("\t") for line in text.splitlines())
        return [row[3:7] for row in rows if len(row) >= 7]

    def rang(self) -> int:
        """How many calls the callee heard of."""
        messages = self._messages(self._names[0])
        return len({call_id for _, call_id, _, first in messages if first.startswith("INVITE")})

    def answered(self) -> set[str]:
        """Call-IDs of the calls whose 200 the caller saw."""
        return {
            call_id
            for _, call_id, cseq, first in self._messages(self._names[1])
            if first.startswith("SIP/2.0 200") and cseq.endswith("INVITE")
        }


@pytest.fixture
def board(make_board):
    made = make_board()
    made.start()
    made.register("beka", made.phones[1])
    made.ask("account_topup", account=str(ANA_ACCOUNT), amount="100", payment_id="plenty")
    return made


@pytest.mark.timeout(400)  # so many starts of a real process, on a machine that may be busy
@pytest.mark.parametrize("rounds", [6, pytest.param(20, marks=pytest.mark.long)])
def test_kills_in_the_middle_of_twenty_calls(board, rounds):
    moments = random.Random(1)
    store = Store(f"sqlite:///{board.folder}/var/softswitch.db")
    seen: set[str] = set()
    recovered = rang = answered = 0
    until(lambda: store_has_binding(board), "the registration is kept")
    for number in range(rounds):
        if board.process is None:
            board.start()
        assert [row["login"] for row in board.ask("registration_list")] == ["beka"]
        calls = Round(board, number)
        killed_at = calls.kill(moments.uniform(0.02, 1.5))
        cut_off = {call.call_id: call for call in store.live_calls()}
        board.start()
        assert store.live_calls() == [] and board.ask("call_list") == []
        assert store.verify() == []
        records = {cdr.call_id: cdr for cdr in store.cdrs() if cdr.call_id not in seen}
        assert len(store.cdrs()) == len(seen) + len(records)  # one each
        seen |= records.keys()
        assert records.keys() >= cut_off.keys()
        assert len(records) >= calls.rang()
        by_call_id = {cdr.sip_call_id: cdr for cdr in records.values()}
        assert all(by_call_id[call_id].answered_at for call_id in calls.answered())
        rang += calls.rang()
        answered += len(calls.answered())
        for call_id, call in cut_off.items():
            is_billed_as_proven(records[call_id], call, killed_at)
        recovered += len(cut_off)
    account = store.account(ANA_ACCOUNT)
    spent = sum(cdr.price_micros for cdr in store.cdrs())
    assert (account.balance_micros, account.reserved_micros) == (110_000_000 - spent, 0)
    assert min(recovered, rang, answered) > rounds * CALLS / 2
    store.close()


def store_has_binding(board) -> bool:
    """What a switch that starts now would know."""
    from softswitch.subscribers.directory_store import DirectoryStore

    store = Store(f"sqlite:///{board.folder}/var/softswitch.db")
    try:
        return bool(list(DirectoryStore(store.engine).bindings(time.time())))
    finally:
        store.close()


def is_billed_as_proven(cdr, call, killed_at) -> None:
    assert (cdr.recovered, cdr.ended_by, cdr.ended_at) == (True, "restart", call.last_alive_at)
    assert cdr.ended_at <= killed_at
    if call.answered_at is None:
        assert (cdr.price_micros, cdr.sip_status) == (0, 500)
        return
    proven_ms = call.last_alive_at - call.answered_at
    assert cdr.duration_ms == proven_ms
    assert cdr.price_micros == charge(call.rate, proven_ms).price_micros
    assert proven_ms >= killed_at - call.answered_at - JOURNAL_MS - LATE_MS
