"""The move of a switch's books from SQLite to PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command_line import copy_switch
from operating import refused
from sqlalchemy import MetaData, inspect, select, text

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from billing.stores.store import Store
from softswitch.config.config import Config, load
from softswitch.control.claim import DatabaseClaim
from softswitch.operations.accounts import accounts
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.installation.database_move import move
from softswitch.operations.lines import lines
from softswitch.webhooks.store import Webhook, WebhookStore

CDR = Cdr(
    "c1", leg="a", direction="internal", type="local", account=1, line="+995322000001",
    calling="+995322000001", called="+995322000002", called_dialled="0322000002",
    presented="+995322000001", trunk=None, setup_at=1_000, ringing_at=None, answered_at=None,
    ended_at=2_000, ring_ms=0, duration_ms=0, sip_status=486, cause=17, ended_by="callee",
)  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, empty_switch: Path) -> Config:
    """A switch on SQLite with two accounts, their lines and money, a call and a webhook."""
    copy_switch(empty_switch, tmp_path)
    config = load(tmp_path / "softswitch.toml")
    with setup.opened(config) as context:
        fill(context)
    return config


def fill(context: Context) -> None:
    for name in ("Ana", "Beka"):
        accounts.account_add(context, name)
        accounts.account_topup(context, name, "12.345678", f"cash-{name}")
    for place, who in enumerate(("Ana", "Beka", "Beka"), 1):
        lines.line_add(context, f"+99532200000{place}", who, "secret")
    lines.line_set(context, "+995322000001", "display_name", "ანა")
    lines.line_remove(context, "+995322000003")
    WebhookStore(context.billing.engine).add(
        Webhook(0, 1, "https://example.org/", ("*",), "secret", "", 0, 1, 0)
    )
    context.do(WriteCdr(CDR))


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    store, tables = Store(url), MetaData()
    tables.reflect(store.engine)
    found = {}
    with store.engine.connect() as connection:
        for name in sorted(tables.tables):
            columns = sorted(tables.tables[name].columns, key=lambda column: column.name)
            rows = connection.execute(select(*columns)).all()
            found[name] = sorted(map(tuple, rows), key=repr)
    store.close()
    return found


def moved(config: Config, url: str) -> Config:
    """The configuration after the move."""
    path = config.path
    path.write_text(path.read_text().replace("sqlite:///var/softswitch.db", url))
    return load(path)


def test_every_row_is_moved_and_the_file_put_aside(config: Config, own_database: str) -> None:
    before = contents(config.database.url)
    row = move(config, own_database)
    assert contents(own_database) == before
    assert (row["accounts"], row["payments_and_charges"], row["cdrs"]) == (2, 4, 1)
    assert row["rows"] == sum(map(len, before.values())) - 1  # the schema's version isn't copied
    assert row["differences"] == []
    assert config.database_file is not None and not config.database_file.exists()
    assert contents(f"sqlite:///{row['kept']}") == before


def test_the_switch_goes_on_where_it_was(config: Config, own_database: str) -> None:
    move(config, own_database)
    with setup.opened(moved(config, own_database)) as context:
        assert records.ledger_verify(context)["ok"]
        assert accounts.account_show(context, "Ana")["balance"] == "12.345678"
        assert [line.display_name for line in context.directory.lines()] == ["ანა", ""]
        accounts.account_add(context, "Cira")
        # The id of the line that was removed, 3, isn't another subscriber's.
        assert lines.line_add(context, "+995322000004", "Cira", "secret")["id"] == 4
        context.do(WriteCdr(msgspec.structs.replace(CDR, call_id="c2")))
        with context.billing.engine.connect() as connection:
            events = connection.execute(text("SELECT ref FROM webhook_events ORDER BY id"))
            assert list(events.scalars()) == ["c1-a", "c2-a"]


def test_a_database_that_holds_something_is_left_alone(config: Config, own_database: str) -> None:
    store = Store(own_database)
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebodys (id INTEGER)"))
    assert "has tables already: name an empty database" in refused(move, config, own_database)
    assert inspect(store.engine).get_table_names() == ["somebodys"]
    store.close()
    assert config.database_file is not None and config.database_file.exists()


def test_a_row_that_the_server_refuses_undoes_everything(config: Config, own_database: str) -> None:
    source = Store(config.database.url)
    with source.engine.begin() as connection:  # SQLite takes what is longer than its column
        connection.execute(text("UPDATE lines SET display_name = :long"), {"long": "x" * 129})
    source.close()
    said = refused(move, config, own_database)
    assert "lines: value too long for type character varying(128)" in said
    target = Store(own_database)
    assert inspect(target.engine).get_table_names() == []
    target.close()
    assert config.database_file is not None and config.database_file.exists()


def test_nothing_is_moved_while_a_switch_serves(config: Config, own_database: str) -> None:
    store = Store(config.database.url)
    claim = DatabaseClaim(store.engine, config.database_file, config.database_name)
    claim.take()
    assert "a switch is running: stop it first" in refused(move, config, own_database)
    claim.release()
    store.close()


def test_only_sqlite_is_moved_and_only_to_postgresql(config: Config, own_database: str) -> None:
    assert "no database to move to" in refused(move, config, "sqlite:///other.db")
    there = moved(config, own_database)
    assert "books are moved from SQLite" in refused(move, there, own_database)
