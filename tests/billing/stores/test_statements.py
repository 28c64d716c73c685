"""Statements that write many rows at once, against the same ones row by row."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    update,
)
from sqlalchemy.dialects import sqlite

from billing.stores.statements import MAX_ROWS, Writing

THINGS = Table(
    "things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text),
    Column("version", Integer),
)  # fmt: skip
INSERT = insert(THINGS), ("id", "name", "version")
UPDATE = (
    update(THINGS)
    .where(THINGS.c.id == bindparam("key"))
    .where(THINGS.c.version == bindparam("known"))
    .values(name=func.coalesce(bindparam("new"), THINGS.c.name), version=bindparam("next")),
    ("new", "next", "key", "known"),
)
DELETE = delete(THINGS).where(THINGS.c.id == bindparam("key")), ("key",)
COUNTS = st.integers(0, 3 * MAX_ROWS)


def written(statement, names, rows, *, at_once):
    """A table of 100 rows after the statement, and how many rows it touched."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, version INTEGER)")
    database.executemany("INSERT INTO things VALUES (?, ?, 1)", [(n, f"t{n}") for n in range(100)])
    writing = Writing(statement, sqlite.dialect(), names)
    writing._joins = at_once
    cursor = database.cursor()
    touched = writing.run(cursor, iter(rows), len(rows)) if rows else 0
    return database.execute("SELECT * FROM things ORDER BY id").fetchall(), touched


def both(statement, names, rows):
    at_once = written(statement, names, rows, at_once=True)
    assert at_once == written(statement, names, rows, at_once=False)
    return at_once


@given(COUNTS)
def test_many_rows_are_inserted_as_one_by_one(count):
    rows = [(100 + n, None if n % 3 else f"name {n}?", n) for n in range(count)]
    table, touched = both(*INSERT, rows)
    assert (table[100:], touched) == (rows, count)


@given(st.lists(st.integers(0, 120), unique=True))
def test_many_rows_are_deleted_as_one_by_one(keys):
    table, touched = both(*DELETE, [(key,) for key in keys])
    assert touched == 100 - len(table) == sum(key < 100 for key in keys)


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(1, 2)), unique_by=lambda row: row[0]))
def test_many_rows_are_updated_as_one_by_one_if_they_are_as_known(changes):
    rows = [(None if key % 2 else f"new {key}", 7, key, known) for key, known in changes]
    table, touched = both(*UPDATE, rows)
    assert touched == sum(key < 100 and known == 1 for key, known in changes)
    assert {row[0] for row in table if row[2] == 7} == {
        key for key, known in changes if key < 100 and known == 1
    }


def test_a_row_that_is_there_fails_the_statement():
    with pytest.raises(sqlite3.IntegrityError):
        written(*INSERT, [(n, "x", 1) for n in (200, 201, 50, 202)], at_once=True)
