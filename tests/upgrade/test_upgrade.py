"""Databases of released versions, filled by those versions themselves, are brought to this one.

`fill.py` made the fixtures; 0.1.0 has accounts with packages, rents, orders, wallets and caps, two
tariffs, three calls, and one that lived when its switch was killed.
"""

import gzip
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import inspect

from billing.facts.ledger import Difference
from billing.stores.store import Store
from softswitch.config.config import load
from softswitch.control.errors import OperationError
from softswitch.database import schema
from softswitch.operations.installation import setup
from softswitch.process.working_set import WorkingSet, WorkingSetLoader
from softswitch.subscribers.directory_store import DirectoryStore

HERE = Path(__file__).parent
CONFIGURATION = """
[switch]
domain = "127.0.0.1"
country = "GE"
currency = "GEL"
[database]
url = "{url}"
"""
VERSIONS = {"0.1.0": "0036"}
"""Released versions, with the revision of their schema."""


def filled(version: str, kind: str) -> str:
    name = f"version_{version.replace('.', '_')}.{kind}.sql.gz"
    return gzip.decompress((HERE / name).read_bytes()).decode()


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request, tmp_path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fresh.db"
    return request.getfixturevalue("own_database")


@pytest.fixture
def old(fresh_url, tmp_path, postgresql_of):
    """The configuration of a switch whose database is of version 0.1.0."""
    url = postgresql_of(fresh_url)
    if url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path}/old.db"
        connection = sqlite3.connect(tmp_path / "old.db")
        connection.executescript(filled("0.1.0", "sqlite"))
        connection.close()
    else:
        subprocess.run(
            ["psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={url}"],
            input=filled("0.1.0", "postgresql"), text=True, check=True, capture_output=True,
        )  # fmt: skip
    path = tmp_path / "softswitch.toml"
    path.write_text(CONFIGURATION.format(url=url))
    return load(path)


@pytest.fixture
def postgresql_of():
    """Makes another empty database on the server of a URL; SQLite's stays."""

    def make(url: str) -> str:
        if url.startswith("sqlite"):
            return url
        name = "old_" + url.rpartition("?")[0].rpartition("/")[2]
        store = Store(url)
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        store.close()
        return url.replace("/own", "/old_own")

    return make


def layout(engine) -> dict[str, dict[str, tuple[str, bool]]]:
    """Tables with their columns, types and whether they may be NULL."""
    found = inspect(engine)
    return {
        table: {
            column["name"]: (str(column["type"]), column["nullable"])
            for column in found.get_columns(table)
        }
        for table in found.get_table_names()
    }


def test_a_filled_database_of_0_1_0_is_brought_to_this_version(old, fresh_url):
    store = Store(old.database.url)
    with store.engine.begin() as connection:
        before = connection.exec_driver_sql("SELECT * FROM ledger_entries ORDER BY id").fetchall()
        prices = connection.exec_driver_sql(
            "SELECT call_id, leg, sip_status, duration_ms, price_micros FROM cdrs ORDER BY id"
        ).fetchall()
    store.close()
    rows = setup.prepare(old)
    assert rows[-1]["result"] == f"brought from version 0036 to {schema.CURRENT}"

    store = Store(old.database.url)
    with store.engine.begin() as connection:
        after = connection.exec_driver_sql("SELECT * FROM ledger_entries ORDER BY id").fetchall()
    assert [tuple(row)[: len(before[0])] for row in after] == [tuple(row) for row in before]
    assert len(before) == 28
    kept = sorted(store.cdrs(), key=lambda cdr: cdr.setup_at)
    assert [(c.call_id, c.leg, c.sip_status, c.duration_ms, c.price_micros) for c in kept] == (
        sorted(
            (tuple(row) for row in prices), key=lambda row: [c.call_id for c in kept].index(row[0])
        )
    )
    assert [(cdr.sip_status, cdr.called) for cdr in kept] == [
        (200, "+995322000102"), (200, "+442012345678"), (486, "+995322000102"),
    ]  # fmt: skip
    assert store.verify() == []
    store.close()
    fresh = Store(fresh_url)
    schema.migrate(fresh.engine)
    upgraded = Store(old.database.url)
    assert layout(upgraded.engine) == layout(fresh.engine)
    fresh.close()
    upgraded.close()


def test_the_upgraded_switch_knows_its_lines_and_ends_the_call_that_lived(old):
    setup.prepare(old)
    store = Store(old.database.url)
    known = WorkingSet()
    WorkingSetLoader(store, DirectoryStore(store.engine), known).load()
    lines = [known.directory.line(line_id) for line_id in known.directory.line_ids()]
    assert sorted(line.login for line in lines) == ["ana", "beka", "cira", "poor"]
    assert [trunk.name for trunk in known.directory.trunks()] == ["carrier"]
    assert known.tariffs["night"].currency == known.tariffs["default"].currency == "GEL"
    (live,) = store.live_calls()
    (cdr,) = store.recover()
    assert (cdr.call_id, cdr.recovered) == (live.call_id, True)
    assert cdr.price_micros > 0
    assert store.verify() == list[Difference]()
    store.close()


def test_a_database_of_a_newer_version_is_refused_with_words(old):
    setup.prepare(old)
    store = Store(old.database.url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9001'")
    store.close()
    words = "has version 9001, newer than this program's .*: install the newer program, or restore"
    with pytest.raises(OperationError, match=words):
        setup.prepare(old)  # as `init` and `serve` do
    with pytest.raises(OperationError, match=words), setup.opened(old):
        pass  # as every other command does


def test_the_fixtures_are_of_the_released_versions():
    for version, revision in VERSIONS.items():
        for kind in ("sqlite", "postgresql"):
            assert f"'{revision}'" in filled(version, kind)


def test_an_upgrade_that_fails_leaves_the_old_database_whole(old, monkeypatch):
    store = Store(old.database.url)
    before = layout(store.engine)

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("the machine was switched off")

    from alembic.operations import Operations

    monkeypatch.setattr(Operations, "create_index", breaks)  # one of the last steps needs it
    with pytest.raises(RuntimeError, match="switched off"):
        schema.migrate(store.engine)
    assert schema.version(store.engine) == VERSIONS["0.1.0"]
    assert layout(store.engine) == before
    store.close()
