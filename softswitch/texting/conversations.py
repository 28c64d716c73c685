"""A line's texts by the other side: conversations, and how far each has been read. Every function
works inside the transaction that it is handed.

Delivery reports and texts of batches aren't part of a conversation, nor is a text that is to come
later or was taken back before it came.
"""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    select,
)

from billing.stores.schema import metadata
from softswitch.texting import store
from softswitch.texting.message import State, StoredText
from softswitch.texting.store import texts_table

reads_table = Table(
    "text_reads",
    metadata,
    Column("line_id", Integer, primary_key=True, autoincrement=False),
    Column("peer", String(32), primary_key=True),
    Column("read_id", BigInteger, nullable=False),
)


class Conversation(Struct, frozen=True):
    """A line's texts with one other side.

    Args:
        peer: the number or name of the other side; empty: withheld.
        last: the newest text.
        texts: how many there are.
        unread: how many of those that came haven't been read.
    """

    peer: str
    last: StoredText
    texts: int
    unread: int


def page(
    connection: Connection, line_id: int, now: int, limit: int, before: int | None = None
) -> list[Conversation]:
    """Conversations of a line, the one with the newest text first.

    Args:
        now: epoch milliseconds.
        before: the id of the newest text of the last conversation of the page before.
    """
    c, r = texts_table.c, reads_table.c
    peer = _peer(line_id).label("peer")
    newest = func.max(c.id)
    is_new = and_(_came(line_id), c.id > func.coalesce(r.read_id, 0))
    query = (
        select(peer, newest, func.count(), func.sum(case((is_new, 1), else_=0)))
        .select_from(
            texts_table.outerjoin(reads_table, and_(r.line_id == line_id, r.peer == _peer(line_id)))
        )
        .where(_shown(line_id, now))
        .group_by(peer)
        .order_by(newest.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.having(newest < before)
    rows = connection.execute(query).all()
    texts = {one.id: one for one in store.of_ids(connection, [row[1] for row in rows])}
    return [Conversation(who, texts[last], count, new) for who, last, count, new in rows]


def texts(
    connection: Connection,
    line_id: int,
    peer: str,
    now: int,
    limit: int,
    before: int | None = None,
) -> list[StoredText]:
    """A line's texts with one other side, the newest first."""
    c = texts_table.c
    query = select(texts_table).where(_shown(line_id, now), _peer(line_id) == peer)
    if before is not None:
        query = query.where(c.id < before)
    return store.read(connection.execute(query.order_by(c.id.desc()).limit(limit)))


def unread(connection: Connection, line_id: int, now: int) -> int:
    """The number of texts that came to a line and haven't been read."""
    c, r = texts_table.c, reads_table.c
    joined = texts_table.outerjoin(reads_table, and_(r.line_id == line_id, r.peer == c.sender))
    query = (
        select(func.count())
        .select_from(joined)
        .where(_shown(line_id, now), _came(line_id), c.id > func.coalesce(r.read_id, 0))
    )
    return int(connection.execute(query).scalar_one())


def mark_read(connection: Connection, line_id: int, peer: str, up_to: int | None) -> None:
    """Mark what came from one other side as read.

    Args:
        up_to: the id of the last text that was read; None: all that are there.
    """
    c, r = texts_table.c, reads_table.c
    mine = (r.line_id == line_id) & (r.peer == peer)
    last = up_to
    if last is None:
        newest = select(func.max(c.id)).where(c.to_line == line_id, c.sender == peer)
        last = connection.execute(newest).scalar()
    known = connection.execute(select(r.read_id).where(mine).with_for_update()).scalar()
    if last is None or (known is not None and known >= last):
        return
    connection.execute(delete(reads_table).where(mine))
    connection.execute(insert(reads_table).values(line_id=line_id, peer=peer, read_id=last))


def came(text: StoredText, line_id: int) -> bool:
    """True if a text came to a line, False if it went out from it."""
    return text.text.from_line != line_id


def _came(line_id: int) -> ColumnElement[bool]:
    c = texts_table.c
    return and_(c.to_line == line_id, func.coalesce(c.from_line, 0) != line_id)


def _peer(line_id: int) -> ColumnElement[str]:
    c = texts_table.c
    return case((func.coalesce(c.from_line, 0) == line_id, c.recipient), else_=c.sender)


def _shown(line_id: int, now: int) -> ColumnElement[bool]:
    c = texts_table.c
    is_there = (c.due_at <= now) & (c.state != State.CANCELLED.value)
    return and_(
        (c.from_line == line_id) | ((c.to_line == line_id) & is_there),
        c.is_report.is_(False),
        c.batch_id.is_(None),
    )
