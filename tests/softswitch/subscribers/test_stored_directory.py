"""Lines that are read when they are asked for: as if all were in memory."""

import pytest

from billing.facts.authorization import AddAccount
from billing.stores.store import Store
from sip.digest import Algorithm, ha1
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.rented import RentedNumber
from softswitch.subscribers.stored_directory import StoredDirectory

ANA, BEKA, RENTED = "+995322000001", "+995322000002", "+995322000009"


@pytest.fixture
def store(tmp_path):
    billing = Store(f"sqlite:///{tmp_path}/a.db")
    billing.create()
    billing.apply([AddAccount("owner", "person", "GEL", None, "default", 0)])
    made = DirectoryStore(billing.engine)
    secrets = {algorithm: ha1(algorithm, "x", "example.org", "secret") for algorithm in Algorithm}
    made.add_lines([Line(0, ANA, "ana", 1, secrets), Line(0, BEKA, "beka", 1, secrets)])
    yield made
    billing.close()


def test_a_line_is_the_same_by_number_login_and_id_and_is_read_once(store):
    read = []
    directory = StoredDirectory(store, read.append)
    assert read == []
    line = directory.line_by_number(ANA)
    assert line == store.line_by_number(ANA) == store.load().line_by_number(ANA)
    assert directory.line_by_login("ana") == directory.line(line.id) == line
    assert [one.number for one in read] == [ANA]
    assert directory.is_line(BEKA) and not directory.is_line("+995322000003")
    assert [one.number for one in read] == [ANA, BEKA]


def test_a_rented_number_leads_to_its_line(store):
    read = []
    directory = StoredDirectory(store, read.append)
    directory.rented.put([RentedNumber(RENTED, 1, BEKA, False)])
    assert directory.line_by_number(RENTED).number == BEKA
    assert [one.number for one in read] == [BEKA]


def test_whom_nobody_knows_is_nobody(store):
    directory = StoredDirectory(store, lambda line: None)
    assert directory.line(77) is directory.line_by_login("dato") is None
    assert directory.line_by_number("+995322000003") is None
