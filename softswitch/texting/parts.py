"""Segments that a carrier took, under the ids that it gave them, and the receipts for them.

A receipt may come before the answer that names its id, after a restart, twice, or with the id in
another number base. So an id is kept under all its spellings, and a receipt whose id isn't known
yet is kept until it is.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata, storable
from smpp.codes import MessageState
from smpp.receipt import FINAL, Receipt, id_forms
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


def accepted(
    connection: Connection,
    text_id: int,
    number: int,
    total: int,
    carrier: str,
    message_id: str,
    at: int,
) -> StoredText | None:
    """A carrier took a segment; the text as it stands now.

    The text is SENT with the last of its segments. A receipt that came before this is applied.

    Args:
        at: epoch milliseconds.
    """
    row = {"text_id": text_id, "number": number, "total": total, "state": State.SENT.value}
    connection.execute(insert(parts_table), row)
    forms = [form[:MAX_ID] for form in id_forms(storable(message_id, MAX_ID))]
    # A carrier that gives an id again means the newer message by it.
    connection.execute(
        delete(ids_table).where(ids_table.c.carrier == carrier, ids_table.c.form.in_(forms))
    )
    connection.execute(
        insert(ids_table),
        [
            {"carrier": carrier, "form": form, "text_id": text_id, "number": number}
            for form in forms
        ],
    )
    taken = connection.execute(
        select(parts_table.c.number).where(parts_table.c.text_id == text_id)
    ).all()
    found = store.get(connection, text_id)
    if len(taken) == total:
        found = store.move(connection, text_id, State.SENT, at, carrier=carrier)
    early = connection.execute(
        select(early_table).where(early_table.c.carrier == carrier, early_table.c.form.in_(forms))
    ).first()
    if early is not None:
        connection.execute(
            delete(early_table).where(
                early_table.c.carrier == carrier, early_table.c.form.in_(forms)
            )
        )
        state = MessageState(early.state)
        found = _apply(connection, text_id, number, state, early.error, early.received_at) or found
    return found


def receipted(connection: Connection, carrier: str, receipt: Receipt, at: int) -> StoredText | None:
    """A carrier's receipt came; the text that it is about as it stands now, if that is known.

    All segments delivered make the text DELIVERED; one that failed makes it FAILED.

    Args:
        at: epoch milliseconds.
    """
    if receipt.state not in FINAL:
        return None
    forms = [form[:MAX_ID] for form in id_forms(storable(receipt.message_id, MAX_ID))]
    query = select(ids_table).where(ids_table.c.carrier == carrier, ids_table.c.form.in_(forms))
    rows = {row.form: row for row in connection.execute(query)}
    # The plainest spelling decides: another message's id may be this one's in another base.
    row = next((rows[form] for form in forms if form in rows), None)
    if row is None:
        _keep_early(connection, carrier, forms[0], receipt, at)
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


def _apply(
    connection: Connection, text_id: int, number: int, state: MessageState, error: str, at: int
) -> StoredText | None:
    """Apply a receipt to a segment, and to its text."""
    result = State.DELIVERED if state is MessageState.DELIVERED else State.FAILED
    mine = (parts_table.c.text_id == text_id) & (parts_table.c.number == number)
    connection.execute(
        update(parts_table)
        .where(mine, parts_table.c.state == State.SENT.value)
        .values(state=result.value)
    )
    rows = connection.execute(
        select(parts_table.c.state, parts_table.c.total).where(parts_table.c.text_id == text_id)
    ).all()
    states = [row.state for row in rows]
    if State.FAILED.value in states:
        return store.move(connection, text_id, State.FAILED, at, error=error)
    if len(states) == rows[0].total and set(states) == {State.DELIVERED.value}:
        return store.move(connection, text_id, State.DELIVERED, at)
    return store.get(connection, text_id)


def forget(connection: Connection, before: int, limit: int) -> int:
    """Give up receipts that were awaited since before an instant; how many texts that concerns.

    Their texts become UNKNOWN if they are SENT still, and their ids are free for other messages.
    """
    texts = store.texts_table
    old = [
        text_id
        for (text_id,) in connection.execute(
            select(texts.c.id)
            .where(texts.c.state == State.SENT.value, texts.c.sent_at < before)
            .limit(limit)
        )
    ]
    for text_id in old:
        store.move(connection, text_id, State.UNKNOWN, before + RECEIPTS_AWAITED_MS)
    connection.execute(delete(early_table).where(early_table.c.received_at < before))
    done = select(texts.c.id).where(texts.c.done_at < before).limit(limit)
    connection.execute(delete(ids_table).where(ids_table.c.text_id.in_(done)))
    connection.execute(delete(parts_table).where(parts_table.c.text_id.in_(done)))
    return len(old)
