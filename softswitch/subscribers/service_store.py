"""Supplementary services and marked calls in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    false,
    insert,
    select,
)

from billing.stores.schema import cdrs, metadata, storable
from softswitch.database.news import tell_of_lines
from softswitch.database.rows import DbRow, among
from softswitch.subscribers.last_calls import LastCall
from softswitch.subscribers.supplementary import Setting, Supplementary

RECENT_CALLS = 50_000
"""The number of calls that are read at the start to restore last callers: a fraction of a
second."""

line_services_table = Table(
    "line_services",
    metadata,
    Column("line_id", Integer, ForeignKey("lines.id"), primary_key=True),
    Column("service", String(32), primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("numbers", String, nullable=False),
    Column("seconds", Integer),
)

malicious_calls_table = Table(
    "malicious_calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("line_id", Integer, primary_key=True),
    Column("line", String(16), nullable=False),
    Column("calling", String(64), nullable=False),
    Column("called", String(64), nullable=False),
    Column("withheld", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("marked_at", BigInteger, nullable=False),
    Column("claimed", Boolean, nullable=False, server_default=false()),
)


def services_of(
    connection: Connection, line_ids: Iterable[int] | None = None
) -> dict[int, Supplementary]:
    """The services of lines that ever set any; None means all lines."""
    query = select(line_services_table)
    if line_ids is not None:
        query = query.where(among(line_services_table.c.line_id, line_ids))
    settings: dict[int, dict[str, Setting]] = {}
    for row in connection.execute(query):
        setting = Setting(row.active, tuple(row.numbers.split()), row.seconds)
        settings.setdefault(row.line_id, {})[row.service] = setting
    return {line_id: Supplementary(found) for line_id, found in settings.items()}


def forget_services(connection: Connection, line_id: int) -> None:
    connection.execute(delete(line_services_table).where(line_services_table.c.line_id == line_id))


class ServiceStore:
    """Supplementary services and marked calls of all lines."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def save(self, line_id: int, services: Supplementary) -> None:
        """Replace a line's services."""
        rows = [
            {
                "line_id": line_id,
                "service": name,
                "active": setting.active,
                "numbers": " ".join(setting.numbers),
                "seconds": setting.seconds,
            }
            for name, setting in services
        ]
        with self._engine.begin() as connection:
            forget_services(connection, line_id)
            if rows:
                connection.execute(insert(line_services_table), rows)
            tell_of_lines(connection, [line_id])

    def mark(self, line_id: int, line: str, call: LastCall, marked_at: int) -> bool:
        """Store a malicious call with its caller; False if the call was marked before."""
        key = (malicious_calls_table.c.call_id == call.call_id) & (
            malicious_calls_table.c.line_id == line_id
        )
        with self._engine.begin() as connection:
            if connection.execute(select(malicious_calls_table).where(key)).first() is not None:
                return False
            connection.execute(
                insert(malicious_calls_table).values(
                    call_id=call.call_id,
                    line_id=line_id,
                    line=line,
                    calling=storable(call.calling, 64),
                    called=storable(call.called, 64),
                    withheld=call.shown is None,
                    at=call.at,
                    marked_at=marked_at,
                    claimed=call.claimed,
                )
            )
        return True

    def recent_calls(self) -> list[LastCall]:
        """The latest calls, the oldest first; without forwarded legs, whose caller is the one of
        the first leg."""
        columns = cdrs.c
        query = (
            select(
                columns.call_id,
                columns.calling,
                columns.called,
                columns.presented,
                columns.setup_at,
            )
            .where(columns.direction.in_(("incoming", "internal")))
            .order_by(columns.setup_at.desc())
            .limit(RECENT_CALLS)
        )
        with self._reader.connect() as connection:
            return [LastCall(*row) for row in reversed(connection.execute(query).all())]

    def marked(self) -> Sequence[DbRow]:
        """Every marked call, the newest first."""
        query = select(malicious_calls_table).order_by(malicious_calls_table.c.marked_at.desc())
        with self._reader.connect() as connection:
            return connection.execute(query).all()
