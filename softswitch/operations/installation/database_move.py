"""The move of a switch's database from SQLite to PostgreSQL.

Everything is copied in one transaction, and compared before it is committed: the number of rows of
each table, and the sum of each of its columns of whole numbers, money among them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import (
    Connection,
    Integer,
    MetaData,
    Numeric,
    Table,
    delete,
    func,
    inspect,
    select,
    text,
)

from billing.stores.failure import explained
from billing.stores.schema import accounts, cdrs, entries
from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.config.values import is_postgresql, without_password
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.database import schema
from softswitch.operations.installation.restore import claimed, row_count
from softswitch.operations.installation.setup import (
    check_not_newer,
    naming_database_errors,
    naming_errors_of,
)
from softswitch.subscribers.directory_store import HIGHEST_REMOVED, settings_table

if TYPE_CHECKING:
    import psycopg
    from psycopg import Copy

ROWS_AT_ONCE = 2000
_SCHEMA_VERSION = "alembic_version"


def move(config: Config, url: str) -> Row:
    """Copy all tables into an empty database, and put the file aside, so that no switch serves the
    old books. Returns what was moved. The configuration isn't changed.

    Raises:
        OperationError: nothing has changed. The switch runs; the source isn't SQLite, the target no
            PostgreSQL or not empty; the target refuses a row, or holds another after copying.
    """
    if config.database_file is None:
        raise OperationError("move_source", name=config.database_name)
    if not is_postgresql(url):
        raise OperationError("move_target", url=without_password(url))
    name = without_password(url)
    with claimed(config) as source, contextlib.closing(Store(url)) as target:
        with naming_database_errors(config):
            check_not_newer(config.database_name, schema.version(source.engine))
            schema.migrate(source.engine)
        # Whoever writes without a switch, a command, waits or fails meanwhile.
        with source.engine.begin() as old, naming_errors_of(name), target.engine.begin() as new:
            moved = _copy_everything(old, new, name)
        with naming_errors_of(name):
            differences = target.verify()
        row: Row = {
            "database": name,
            "tables": len(moved),
            "rows": sum(moved.values()),
            "accounts": row_count(target, accounts),
            "payments_and_charges": row_count(target, entries),
            "cdrs": row_count(target, cdrs),
            "differences": [str(difference) for difference in differences],
        }
        source.close()
    kept = _set_aside(config.database_file)
    return row | {"kept": str(kept), "next": f'[database] url = "{name}" in {config.path}'}


def _copy_everything(old: Connection, new: Connection, name: str) -> dict[str, int]:
    """Copy and compare all tables; returns the rows of each."""
    if inspect(new).get_table_names():
        raise OperationError("move_occupied", name=name)
    schema.upgrade(new)
    sources, targets = MetaData(), MetaData()
    sources.reflect(old)
    targets.reflect(new)
    # Those that others refer to come first, so that each key leads somewhere; rows that the
    # migrations made are removed the other way round. A row that is copied is no event.
    ordered = [table for table in targets.sorted_tables if table.name != _SCHEMA_VERSION]
    for table in reversed(ordered):
        new.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
        new.execute(delete(table))
    moved = {}
    for table in ordered:
        moved[table.name] = _copy(old, sources.tables[table.name], new, table, name)
        new.execute(text(f"ALTER TABLE {table.name} ENABLE TRIGGER USER"))
    for table in ordered:
        _continue_ids(new, table)
    return moved


def _copy(old: Connection, source: Table, new: Connection, target: Table, name: str) -> int:
    """Copy a table and compare what came; returns the number of its rows."""
    columns = [source.c[column.name] for column in target.columns]
    numbers = [place for place, column in enumerate(columns) if isinstance(column.type, Integer)]
    sums: Counter[str] = Counter()
    with _copying(new, target, name) as copy:
        rows = old.execution_options(yield_per=ROWS_AT_ONCE).execute(select(*columns))
        for row in rows:
            copy.write_row(row)
            sums["the number of rows"] += 1
            for place in numbers:
                sums[f"the sum of {columns[place].name}"] += row[place] or 0
    for what, found in _sums(new, target, [columns[place].name for place in numbers]).items():
        if found != sums[what]:
            raise OperationError(
                "move_changed", table=target.name, name=name, what=what, found=found,
                wanted=sums[what],
            )  # fmt: skip
    return sums["the number of rows"]


@contextlib.contextmanager
def _copying(new: Connection, table: Table, name: str) -> Iterator[Copy]:
    """The driver's COPY into a table: ten times as fast as INSERT.

    Raises:
        OperationError: the database refuses a row.
    """
    import psycopg  # comes with PostgreSQL only
    from psycopg import sql

    driver = cast("psycopg.Connection", new.connection.driver_connection)
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    try:
        with driver.cursor() as cursor, cursor.copy(command) as copy:
            yield copy
    except psycopg.Error as error:
        reason = f"{table.name}: {explained(error, None)}"
        raise OperationError("database_error", name=name, reason=reason) from error


def _sums(connection: Connection, table: Table, numbers: Sequence[str]) -> dict[str, int]:
    """The number of rows of a table, and the sums of its columns of whole numbers."""
    sums = [func.coalesce(func.sum(table.c[number].cast(Numeric)), 0) for number in numbers]
    counted, *found = connection.execute(select(func.count(), *sums).select_from(table)).one()
    named = (f"the sum of {number}" for number in numbers)
    return {"the number of rows": counted} | dict(zip(named, map(int, found), strict=True))


def _continue_ids(connection: Connection, table: Table) -> None:
    """Have the table's sequence go on after the highest id that was ever given."""
    if "id" not in table.c or not isinstance(table.c.id.type, Integer):
        return
    sequence = select(func.pg_get_serial_sequence(table.name, "id"))
    owned = connection.execute(sequence).scalar_one()
    if owned is None:
        return
    highest = connection.execute(select(func.max(table.c.id))).scalar() or 0
    if table.name in HIGHEST_REMOVED:
        mine = settings_table.c.name == HIGHEST_REMOVED[table.name]
        removed = connection.execute(select(settings_table.c.value).where(mine)).scalar()
        highest = max(highest, int(removed or 0))
    if highest:
        connection.execute(select(func.setval(owned, highest)))


def _set_aside(database: Path) -> Path:
    """Give the file a name that no configuration has. Its log went into it when it was closed."""
    kept = database.with_name(f"{database.name}.moved-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    database.rename(kept)
    return kept
