"""Migrations of a database that has rows."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from billing.stores.store import Store
from softswitch.database import schema
from softswitch.subscribers.bulk_store import BulkStore


def at_version(engine: Engine, version: str) -> None:
    """Make a database as an older release left it."""
    config = Config()
    config.set_main_option("script_location", "softswitch.database:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_sqlite_copies_tables_to_which_others_refer_and_keeps_their_rows(tmp_path: Path) -> None:
    with contextlib.closing(Store(f"sqlite:///{tmp_path}/x.db")) as store:
        at_version(store.engine, "0067")
        job = "('j', 'suspend', 'x', 'late', 'done', 1, 'ops', NULL)"
        item = "VALUES ('{}', 1, 7, 'active', 'suspended', 'done', '')"
        with store.engine.begin() as connection:
            connection.execute(text(f"INSERT INTO bulk_jobs VALUES {job}"))
            connection.execute(text("INSERT INTO bulk_items " + item.format("j")))
        assert schema.migrate(store.engine) is True
        columns = inspect(store.engine).get_columns("bulk_jobs")
        assert [str(c["type"]) for c in columns if c["name"] == "value"] == ["VARCHAR(500)"]
        found = BulkStore(store.engine).job("j")
        assert found is not None and found.reason == "late"
        with store.engine.connect() as connection:
            triggers = connection.execute(
                text("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'")
            ).scalars()
            assert "notices" in set(triggers)
        with pytest.raises(IntegrityError), store.engine.begin() as connection:
            connection.execute(text("INSERT INTO bulk_items " + item.format("gone")))
