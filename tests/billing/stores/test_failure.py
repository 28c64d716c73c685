"""What is said of a database that can't write."""

import shutil
import sqlite3
from collections import namedtuple

import pytest

from billing.stores.failure import explained

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def full(tmp_path):
    """A real SQLITE_FULL: the database may have no more pages."""
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    return caught.value


def test_a_full_disk_is_said_with_the_space_that_is_left(full, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 3 << 20))
    assert explained(full, tmp_path / "x.db") == (
        f"the disk is full: 3 MB are free in {tmp_path}; nothing was changed; "
        "make room and try again"
    )


def test_other_failures_are_said_as_sqlite_says_them(tmp_path):
    connection = sqlite3.connect(tmp_path / "x.db")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("SELECT * FROM calls")
    connection.close()
    assert explained(caught.value, tmp_path / "x.db") == "no such table: calls"


def test_a_servers_failure_is_said_as_it_says_it(full):
    assert explained(full, None) == "database or disk is full"


def test_a_lock_of_an_unknown_holder(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN IMMEDIATE")
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("INSERT INTO t VALUES (1)")
        other.close()
    said = explained(caught.value, tmp_path / "y.db")
    assert said == (
        "it is locked by another process: nothing was changed; try again when that is done"
    )
