"""Pages of a SQLite database that its connections keep in memory."""

import contextlib
import ctypes
import ctypes.util
import sqlite3

import pytest
from sqlalchemy import text

from billing.stores.store import Store

CONNECTIONS = 5
"""As many as the pool keeps."""
MIB = 1 << 20


def memory_used():
    """The function that returns the octets that SQLite has allocated, of the library that the
    driver uses."""
    found = ctypes.util.find_library("sqlite3")
    library = None if found is None else ctypes.CDLL(found)
    if library is None:
        pytest.skip("SQLite isn't a shared library here")
    library.sqlite3_libversion.restype = ctypes.c_char_p
    if library.sqlite3_libversion().decode() != sqlite3.sqlite_version:
        pytest.skip("the driver has another SQLite")
    library.sqlite3_memory_used.restype = ctypes.c_int64
    return library.sqlite3_memory_used


@pytest.fixture
def books(tmp_path):
    """A database of 20 MB."""
    made = Store(f"sqlite:///{tmp_path}/books.db")
    with made.engine.begin() as connection:
        connection.execute(text("create table rows (number integer primary key, octets blob)"))
        rows = [{"octets": bytes(2000)} for _ in range(10_000)]
        connection.execute(text("insert into rows (octets) values (:octets)"), rows)
    yield made
    made.close()


def test_connections_of_the_pool_keep_little_of_a_large_database(books):
    used, reader = memory_used(), books.engine.execution_options(reading=True)
    with contextlib.ExitStack() as opened:
        before = used()
        for _ in range(CONNECTIONS):
            connection = opened.enter_context(reader.connect())
            connection.execute(text("select sum(length(octets)) from rows")).scalar()
        assert used() - before < CONNECTIONS * MIB // 2


def test_a_transaction_of_many_pages_still_commits_whole(books):
    with books.engine.begin() as connection:
        connection.execute(text("update rows set octets = zeroblob(1500)"))
    with books.engine.connect() as connection:
        found = connection.execute(text("select count(*), sum(length(octets)) from rows")).one()
    assert tuple(found) == (10_000, 15_000_000)
