"""Segments that a carrier took, under the ids that it gave them, and the receipts for them.

A receipt may come before the answer that names its id, after a restart, twice, or with the id in
another number base. An id is kept in its plain spelling; a receipt is looked for under each id that
it may mean, and one whose id isn't known yet is kept until it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata, storable
from smpp.codes import MessageState
from smpp.receipt import FINAL, Receipt, Written, answered_ids, plain_id, receipted_ids
from softswitch.database.rows import DbRow
from softswitch.texting import store
from softswitch.texting.message import State, StoredText

RECEIPTS_AWAITED_MS = 72 * 3_600_000
"""How long a receipt is awaited after the answer; then the text's outcome stays unknown."""
MAX_ID = 65

parts_table = Table(
    "text_parts",
    metadata,
    Column("text_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("total", Integer, nullable=False),
    Column("state", String(12), nullable=False),
)
ids_table = Table(
    "text_part_ids",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("form", String(MAX_ID), primary_key=True),
    Column("text_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Index("text_part_ids_of_text", "text_id"),
)
early_table = Table(
    "early_receipts",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("form", String(MAX_ID), primary_key=True),
    Column("state", Integer, nullable=False),
    Column("error", String(8), nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

# Statements that run for every segment are built once: building one costs as much as running it.
_INSERT_PART = insert(parts_table)
_INSERT_ID = insert(ids_table)
_FORGET_ID = delete(ids_table).where(
    ids_table.c.carrier == bindparam("name"), ids_table.c.form == bindparam("id")
)
_TAKEN = select(func.count()).where(parts_table.c.text_id == bindparam("text"))
_IDS = select(ids_table).where(
    ids_table.c.carrier == bindparam("name"), ids_table.c.form.in_(bindparam("ids", expanding=True))
)
_EARLY = select(early_table).where(
    early_table.c.carrier == bindparam("name"),
    early_table.c.form.in_(bindparam("ids", expanding=True)),
)
_STATES = select(parts_table.c.state, parts_table.c.total).where(
    parts_table.c.text_id == bindparam("text")
)
_RECEIPTED = (
    update(parts_table)
    .where(
        parts_table.c.text_id == bindparam("text"),
        parts_table.c.number == bindparam("part"),
        parts_table.c.state == State.SENT.value,
    )
    .values(state=bindparam("new_state"))
)


def accepted(
    connection: Connection,
    text_id: int,
    number: int,
    total: int,
    carrier: str,
    message_id: str,
    at: int,
    written: Written = "any",
) -> StoredText | None:
    """A carrier took a segment; the text as it stands now.

    The text is SENT with the last of its segments. A receipt that came before this is applied.

    Args:
        message_id: of the carrier; empty: it gives none, and no receipt can name the segment.
        at: epoch milliseconds.
        written: how the carrier's receipts write ids.
    """
    row = {"text_id": text_id, "number": number, "total": total, "state": State.SENT.value}
    connection.execute(_INSERT_PART, row)
    plain = plain_id(storable(message_id, MAX_ID))
    if plain:
        # A carrier that gives an id again means the newer message by it.
        connection.execute(_FORGET_ID, {"name": carrier, "id": plain})
        facts = {"carrier": carrier, "form": plain, "text_id": text_id, "number": number}
        connection.execute(_INSERT_ID, facts)
    if total == 1 or connection.execute(_TAKEN, {"text": text_id}).scalar_one() == total:
        found = store.move(connection, text_id, State.SENT, at, carrier=carrier)
    else:
        found = store.get(connection, text_id)
    early = _take_early(connection, carrier, receipted_ids(plain, written)) if plain else None
    if early is None:
        return found
    state = MessageState(early.state)
    return _apply(connection, text_id, number, state, early.error, early.received_at) or found


def receipted(
    connection: Connection, carrier: str, receipt: Receipt, at: int, written: Written = "any"
) -> StoredText | None:
    """A carrier's receipt came; the text that it is about as it stands now, if that is known.

    All segments delivered make the text DELIVERED; one that failed makes it FAILED.

    Args:
        at: epoch milliseconds.
        written: how the carrier's receipts write ids.
    """
    plain = plain_id(storable(receipt.message_id, MAX_ID))
    if receipt.state not in FINAL or not plain:
        return None
    forms = answered_ids(plain, written)
    rows = {row.form: row for row in connection.execute(_IDS, {"name": carrier, "ids": forms})}
    row = next((rows[form] for form in forms if form in rows), None)
    if row is None:
        _keep_early(connection, carrier, plain, receipt, at)
        return None
    return _apply(connection, row.text_id, row.number, receipt.state, receipt.error, at)


def _keep_early(connection: Connection, carrier: str, form: str, receipt: Receipt, at: int) -> None:
    mine = (early_table.c.carrier == carrier) & (early_table.c.form == form)
    connection.execute(delete(early_table).where(mine))
    connection.execute(
        insert(early_table).values(
            carrier=carrier,
            form=form,
            state=int(receipt.state),
            error=storable(receipt.error, 8),
            received_at=at,
        )
    )


def _take_early(connection: Connection, carrier: str, forms: Sequence[str]) -> DbRow | None:
    """The receipt that came before the answer of its id, taken out; the likeliest one."""
    c = early_table.c
    early = connection.execute(_EARLY, {"name": carrier, "ids": forms})
    rows = {row.form: row for row in early}
    found = next((rows[form] for form in forms if form in rows), None)
    if found is not None:
        connection.execute(delete(early_table).where(c.carrier == carrier, c.form == found.form))
    return found


def _apply(
    connection: Connection, text_id: int, number: int, state: MessageState, error: str, at: int
) -> StoredText | None:
    """Apply a receipt to a segment, and to its text."""
    result = State.DELIVERED if state is MessageState.DELIVERED else State.FAILED
    facts = {"text": text_id, "part": number, "new_state": result.value}
    connection.execute(_RECEIPTED, facts)
    rows = connection.execute(_STATES, {"text": text_id}).all()
    if not rows:
        return None  # the text was done long ago, and its segments are forgotten
    states = [row.state for row in rows]
    if State.FAILED.value in states:
        return store.move(connection, text_id, State.FAILED, at, error=error)
    if len(states) == rows[0].total and set(states) == {State.DELIVERED.value}:
        return store.move(connection, text_id, State.DELIVERED, at)
    return store.get(connection, text_id)


def give_up(connection: Connection, now: int, limit: int) -> list[StoredText]:
    """Make SENT texts UNKNOWN whose receipts were awaited for too long; these texts."""
    texts = store.texts_table.c
    old = select(texts.id).where(
        texts.state == State.SENT.value, texts.sent_at < now - RECEIPTS_AWAITED_MS
    )
    ids = [text_id for (text_id,) in connection.execute(old.limit(limit))]
    found = [store.move(connection, text_id, State.UNKNOWN, now) for text_id in ids]
    return [text for text in found if text is not None]


def forget(connection: Connection, before: int, limit: int) -> int:
    """Remove the segments of texts that were done before an instant, and receipts of before it
    that no answer claimed; of how many texts."""
    texts = store.texts_table.c
    connection.execute(delete(early_table).where(early_table.c.received_at < before))
    query = (
        select(parts_table.c.text_id)
        .distinct()
        .join(store.texts_table, texts.id == parts_table.c.text_id, isouter=True)
        .where((texts.done_at < before) | texts.id.is_(None))
        .limit(limit)
    )
    done = [text_id for (text_id,) in connection.execute(query)]
    for start in range(0, len(done), 500):
        some = done[start : start + 500]
        connection.execute(delete(ids_table).where(ids_table.c.text_id.in_(some)))
        connection.execute(delete(parts_table).where(parts_table.c.text_id.in_(some)))
    return len(done)
