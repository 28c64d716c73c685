"""Changes by other processes: another switch on this database, or a command that worked on it.

Each change is announced in a row of a table that only grows. Every switch reads new rows each
second, and then the objects that they name; so a change of a line, a trunk or a tariff counts at
all switches a second later, without a signal.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
)

from billing.stores.schema import metadata
from softswitch.database.changes import Changes

KEPT = 10_000
"""The rows that are kept; a switch that was away from its database for longer reads everything
anew."""
OVERLAP = 100
"""The rows that are read again: PostgreSQL numbers rows before they become visible, so that an
earlier number may appear after a later one."""

changes_table = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", String(32), nullable=False),
    Column("facts", String, nullable=False),
)

_NOTIFY = text("SELECT pg_notify('softswitch', :message)").bindparams(
    message='{"node":"","messages":[{"type":"news"}]}'
)
"""A message of `softswitch.cluster.events`, for the nodes of a cluster."""
_decode = msgspec.json.Decoder(Changes).decode
_C = changes_table.c


def tell(connection: Connection, changes: Changes) -> None:
    """Announce changes, in the transaction that makes them or in one after it."""
    origin = connection.get_execution_options().get("origin", "")
    row = {"origin": origin, "facts": msgspec.json.encode(changes).decode()}
    key = connection.execute(insert(changes_table), row).inserted_primary_key
    assert key is not None
    connection.execute(delete(changes_table).where(_C.id <= key[0] - KEPT))
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY)


def tell_of_lines(connection: Connection, line_ids: Iterable[int]) -> None:
    tell(connection, Changes(lines=set(line_ids)))


class News:
    """The announcements of other processes since the last read.

    Args:
        engine: the switch's own; its own announcements over it are left out.
        origin: a unique name.
    """

    def __init__(self, engine: Engine, origin: str) -> None:
        engine.update_execution_options(origin=origin)
        self._reader = engine.execution_options(reading=True)
        self._origin = origin
        with self._reader.connect() as connection:
            self._last = connection.execute(select(func.max(_C.id))).scalar_one() or 0
        self._seen: frozenset[int] = frozenset()
        self.hear()  # the switch is about to read what earlier ones changed

    def hear(self) -> Changes | None:
        """Read the new announcements; None if some of them have been removed, so that everything
        must be read."""
        recent = select(_C.id, _C.origin).where(_C.id > self._last - OVERLAP).order_by(_C.id)
        heard = Changes()
        with self._reader.connect() as connection:
            rows = connection.execute(recent).all()
            missed = bool(rows) and rows[0].id > max(self._last, 1)
            wanted = [
                row.id for row in rows if row.id not in self._seen and row.origin != self._origin
            ]
            if wanted and not missed:
                facts = select(_C.facts).where(_C.id.in_(wanted))
                for text in connection.execute(facts).scalars():
                    heard.add(_decode(text))
        if rows:
            self._last = rows[-1].id
            self._seen = frozenset(row.id for row in rows)
        return None if missed else heard
