"""The stop list: numbers that want no more bulk texts of an account.

A number comes onto an account's list by a text to one of the account's numbers that is one of
:data:`STOP_WORDS`, and leaves it by one of :data:`START_WORDS`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.paging import Page, beginning_with, newest_first
from billing.stores.schema import metadata
from softswitch.texting.message import State, Text
from softswitch.texting.store import texts_table

STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "стоп", "სტოპ", "тоқта", "توقف", "لغو"})
START_WORDS = frozenset({"start", "unstop", "старт", "სტარტ", "баста", "شروع"})
By = Literal["text", "operator", "subscriber"]

stops_table = Table(
    "sms_stops",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("number", String(32), primary_key=True),
    Column("stopped_at", BigInteger, nullable=False),
    Column("by", String(10), nullable=False),
)


class Stop(Struct, frozen=True):
    """A number that wants no more texts of an account.

    Args:
        stopped_at: epoch milliseconds.
        by: how it came onto the list.
    """

    account_id: int
    number: str
    stopped_at: int
    by: By


def add(connection: Connection, stop: Stop) -> Stop:
    """Put a number onto the list, and take back what waits for it of the account's batches; a
    number that is there already is answered as it stands."""
    c, t = stops_table.c, texts_table.c
    mine = (c.account_id == stop.account_id) & (c.number == stop.number)
    row = connection.execute(select(stops_table).where(mine)).first()
    if row is not None:
        return Stop(*row)
    connection.execute(
        insert(stops_table).values(
            account_id=stop.account_id, number=stop.number, stopped_at=stop.stopped_at, by=stop.by
        )
    )
    connection.execute(
        update(texts_table)
        .where(
            t.state == State.WAITING.value,
            t.kind == "out",
            t.account_id == stop.account_id,
            t.recipient == stop.number,
            t.batch_id.is_not(None),
        )
        .values(state=State.CANCELLED.value, done_at=stop.stopped_at, error="stopped")
    )
    return stop


def remove(connection: Connection, account_id: int, number: str) -> bool:
    """Take a number off the list; False if it isn't there."""
    c = stops_table.c
    mine = (c.account_id == account_id) & (c.number == number)
    return connection.execute(delete(stops_table).where(mine)).rowcount > 0


def numbers(connection: Connection, account_id: int) -> Collection[str]:
    """All numbers on an account's list."""
    query = select(stops_table.c.number).where(stops_table.c.account_id == account_id)
    return {number for (number,) in connection.execute(query)}


def page(
    connection: Connection, account_id: int | None, page: Page, search: str | None = None
) -> list[Stop]:
    """A page of the list, the newest first; `search` is how the number begins."""
    c = stops_table.c
    query = select(stops_table)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    if search is not None:
        query = query.where(
            beginning_with(search if search.startswith("+") else f"+{search}", c.number)
        )
    ordered = newest_first(query, page, c.stopped_at, c.number)
    return [Stop(*row) for row in connection.execute(ordered)]


def heard(connection: Connection, text: Text) -> None:
    """Follow a text that came to an account's number, if it is STOP or START."""
    if text.account_id is None or not text.sender.startswith("+"):
        return
    word = text.body.decode("utf-8", "replace").strip(" .!\r\n\t\u200f\u200e").casefold()
    if word in STOP_WORDS:
        add(connection, Stop(text.account_id, text.sender, text.created_at, "text"))
    elif word in START_WORDS:
        remove(connection, text.account_id, text.sender)
