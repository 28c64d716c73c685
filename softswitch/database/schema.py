"""The database's schema: which version it has, and bringing it up to date."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, String, column, inspect, select, table
from sqlalchemy.exc import IntegrityError

from billing.stores.sqlite_writer import driver_of

CURRENT = "0070"
"""The newest revision in migrations/; a test compares it with alembic's own answer."""


def version(engine: Engine) -> str | None:
    """The database's revision, or None when it has no tables yet."""
    engine = engine.execution_options(reading=True)  # waits for no writer
    if not inspect(engine).has_table("alembic_version"):
        return None
    query = select(column("version_num", String)).select_from(table("alembic_version"))
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def migrate(engine: Engine) -> bool:
    """Bring the database to CURRENT; True if there was anything to do."""
    if version(engine) == CURRENT:
        return False
    with _open_for_migration(engine) as connection:
        upgrade(connection)
    return True


def upgrade(connection: Connection) -> None:
    """Bring the database to CURRENT in a transaction of the caller's."""
    # Alembic takes longer to load than most commands to run.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "softswitch.database:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _open_for_migration(engine: Engine) -> Iterator[Connection]:
    """A transaction in which tables that others refer to can be copied and replaced.

    SQLite drops the old table of a copy, which a foreign key to it would forbid; so keys are off
    meanwhile, and looked through before the commit (https://sqlite.org/lang_altertable.html, the
    last section). They can be switched only between transactions.

    Raises:
        IntegrityError: a migration left a row whose foreign key leads nowhere.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        driver = driver_of(connection)
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                before = set(driver.execute("PRAGMA foreign_key_check"))
                yield connection
                broken = set(driver.execute("PRAGMA foreign_key_check")) - before
                if broken:
                    tables = ", ".join(sorted({row[0] for row in broken}))
                    fault = sqlite3.IntegrityError(f"a migration broke references of {tables}")
                    raise IntegrityError("PRAGMA foreign_key_check", None, fault)
        finally:
            driver.execute("PRAGMA foreign_keys = ON")
