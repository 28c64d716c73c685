"""A backup taken under calls and payments has all that was acknowledged before it."""

import threading
import time

import pytest
from switchboard import BEKA, Switchboard, until

from billing.facts.ledger import payment_transaction
from billing.stores.store import Store

CALLS, RATE = 120, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request, tmp_path, monkeypatch):
    """A running switch, and the database of the switch that the backup is restored for."""
    databases = [None, None]
    if request.param == "postgresql":
        databases = [request.getfixturevalue("own_database")]
        databases.append(databases[0].replace("/own", "/restored_own"))
        store = Store(databases[0])
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            name = databases[1].rpartition("?")[0].rpartition("/")[2]
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        store.close()
        monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", databases[0])
    folder = tmp_path / "switch"
    folder.mkdir()
    Switchboard.create(folder)
    board = Switchboard(folder)
    board.start()
    yield board, databases[1]
    if board.process is not None:
        board.stop()


class Payments(threading.Thread):
    """Pays again and again until it is told to stop; remembers what was acknowledged, and when."""

    def __init__(self, board):
        super().__init__(daemon=True)
        self.board, self.stopped, self.acknowledged = board, threading.Event(), []

    def run(self):
        for number in range(10_000):
            if self.stopped.is_set():
                return
            self.board.ask("account_topup", account="2", amount="0.01", payment_id=f"p{number}")
            self.acknowledged.append((f"p{number}", time.time()))
            time.sleep(0.02)


@pytest.mark.timeout(240)
def test_a_backup_under_calls_has_every_acknowledged_payment_and_record(
    served, tmp_path, monkeypatch
):
    board, restored_database = served
    board.register("beka", board.phones[1])
    load = ("-m", str(CALLS), "-r", str(RATE), "-d", "500", "-timeout", "60s")
    callee = board.answers("answers.xml", board.phones[1], "-m", str(CALLS), "-timeout", "60s")
    caller = board.sipp("call.xml", board.phones[0], *load, login="ana", password="secret",
                        number=BEKA)  # fmt: skip
    payments = Payments(board)
    payments.start()
    until(lambda: len(board.ask("cdr_list", limit=20)) >= 20, "calls were settled", 30)

    paid = [payment for payment, _ in payments.acknowledged]
    settled = {(cdr["id"], cdr["price"]) for cdr in board.ask("cdr_list", limit=1000)}
    told = board.cli("backup", str(tmp_path / "backups"))
    assert told["differences"] == 0
    assert len(payments.acknowledged) > len(paid) > 10  # money went on meanwhile
    payments.stopped.set()
    payments.join()
    board.ends_well(caller, 60)
    board.ends_well(callee, 60)
    assert len(board.cdrs()) >= len(settled)
    board.stop()

    new = tmp_path / "new"
    new.mkdir()
    if restored_database is not None:
        monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", restored_database)
    restored = Switchboard(new)
    said = restored.cli("restore", told["backup"])
    assert said["differences"] == []
    assert said["cdrs"] >= len(settled)
    restored.start()
    try:
        kept = {(cdr["id"], cdr["price"]) for cdr in restored.ask("cdr_list", limit=1000)}
        assert settled <= kept
        store = Store(restored_database or f"sqlite:///{new}/var/softswitch.db")
        transactions = {entry.transaction_id for entry in store.ledger(2)}
        store.close()
        assert {payment_transaction(payment) for payment in paid} <= transactions
        assert restored.ask("ledger_verify")["ok"]
        restored.register("beka", restored.phones[1])
        callee = restored.answers("answers.xml", restored.phones[1])
        caller = restored.sipp("call.xml", restored.phones[0], login="ana", password="secret",
                               number=BEKA)  # fmt: skip
        restored.ends_well(caller)
        restored.ends_well(callee)
    finally:
        restored.stop()
