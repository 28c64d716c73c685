"""Requests for completion in the database: they survive a restart (D10)."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from billing.stores.schema import metadata
from softswitch.completion.waiting import Waiting

completions_table = Table(
    "call_completions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("caller_id", Integer, nullable=False),
    Column("callee_id", Integer, nullable=False),
    Column("number", String(16), nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("node", String(64), nullable=False, server_default=""),
)
_COLUMNS = [field.name for field in fields(Waiting)]


class CompletionStore:
    """Rows of :class:`Waiting`.

    Args:
        node: this switch among several on one database; None: all of them. Each completes the
            calls that failed at it, since phones return where they were registered.
    """

    def __init__(self, engine: Engine, node: str | None = None) -> None:
        self._engine = engine
        self._node = node
        self._reader = engine.execution_options(reading=True)

    def load(self, node: str | None = None) -> list[Waiting]:
        """All requests, the oldest first; of another node, if one is named."""
        of_node = self._node if node is None else node
        query = select(*(completions_table.c[name] for name in _COLUMNS)).order_by(
            completions_table.c.asked_at, completions_table.c.id
        )
        if of_node is not None:
            query = query.where(completions_table.c.node == of_node)
        with self._reader.connect() as connection:
            return [Waiting(*row) for row in connection.execute(query)]

    def write(self, changes: dict[str, Waiting | None]) -> None:
        """Replace requests by id; None removes one."""
        rows: list[dict[str, object]] = [
            {"node": self._node or ""} | {name: getattr(waiting, name) for name in _COLUMNS}
            for waiting in changes.values()
            if waiting is not None
        ]
        with self._engine.begin() as connection:
            gone = completions_table.c.id.in_(list(changes))
            connection.execute(delete(completions_table).where(gone))
            if rows:
                connection.execute(insert(completions_table), rows)
