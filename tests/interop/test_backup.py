"""A backup taken under calls and payments has all that was acknowledged before it."""

import threading
import time

import pytest
from switchboard import BEKA, Switchboard, until

from billing.facts.ledger import payment_transaction
from billing.stores.store import Store


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
    yield board, *databases
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


def records(folder, database):
    """The ids and prices of all records."""
    store = Store(database or f"sqlite:///{folder}/var/softswitch.db")
    try:
        return {(cdr.call_id, cdr.leg, cdr.price_micros) for cdr in store.cdrs()}
    finally:
        store.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("rate", "calls"), [(20, 120), pytest.param(200, 4000, marks=pytest.mark.long)]
)
def test_a_backup_under_calls_has_every_acknowledged_payment_and_record(
    served, tmp_path, monkeypatch, rate, calls
):
    board, database, restored_database = served
    board.register("beka", board.phones[1])
    load = ("-m", str(calls), "-r", str(rate), "-d", "500", "-timeout", "60s")
    callee = board.answers("answers.xml", board.phones[1], "-m", str(calls), "-timeout", "60s")
    caller = board.sipp("call.xml", board.phones[0], *load, login="ana", password="secret",
                        number=BEKA)  # fmt: skip
    payments = Payments(board)
    payments.start()
    enough = rate  # a second of calls
    until(lambda: len(board.ask("cdr_list", limit=enough)) >= enough, "calls were settled", 60)
    until(lambda: len(payments.acknowledged) > 20, "payments were acknowledged", 60)

    paid = [payment for payment, _ in payments.acknowledged]
    settled = records(board.folder, database)
    told = board.cli("backup", str(tmp_path / "backups"))
    assert told["differences"] == 0
    assert len(payments.acknowledged) > len(paid) > 10  # money went on meanwhile
    payments.stopped.set()
    payments.join()
    for run in (caller, callee):
        if rate == 20:
            board.ends_well(run, 60)
        else:
            run.communicate(timeout=90)  # what a busy machine refused has its record all the same
    until(lambda: not board.ask("call_list"), "the calls are over")
    assert len(records(board.folder, database)) > len(settled)  # calls went on meanwhile
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
        assert settled <= records(new, restored_database)
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
