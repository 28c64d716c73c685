"""Holds of texts whose money a crash left unsettled."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from billing.facts.hold import Hold
from billing.stores.hold_store import holds
from softswitch.texting import store
from softswitch.texting.message import State, StoredText

PREFIX = "text:"
_OPEN = (State.WAITING.value, State.SENDING.value)


def unsettled(
    connection: Connection, before: int, limit: int, after: str = ""
) -> list[tuple[Hold, StoredText | None]]:
    """Open holds of single texts that have gone on, or were never stored; by id.

    Args:
        before: a hold without a text is left alone unless it is older (epoch milliseconds):
            another process may be about to store the text.
        after: the id of the last hold of the page before.
    """
    texts = store.texts_table.c
    origin = func.substr(holds.c.id, len(PREFIX) + 1)
    query = (
        select(holds, texts.origin.label("origin"))
        .join(store.texts_table, texts.origin == origin, isouter=True)
        .where(
            holds.c.held_micros > 0,
            holds.c.id > max(after, PREFIX),
            holds.c.id < PREFIX[:-1] + ";",
            texts.state.not_in(_OPEN) | (texts.id.is_(None) & (holds.c.created_at < before)),
        )
        .order_by(holds.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    found = store.of_origins(connection, [row.origin for row in rows if row.origin is not None])
    return [(Hold(*row[:-1]), found.get(row.origin)) for row in rows]
