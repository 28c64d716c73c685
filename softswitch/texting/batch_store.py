"""Batches: many texts of one account, held as a whole (B9), and what their states ask of the texts.

    PREPARING --> RUNNING <--> PAUSED       its texts are being stored; they go out; they wait
        |            |            |
        +---> CANCELLED      <----+         what hasn't gone out is taken back
                     |
                     +--> DONE              every text has gone out, or never will

A batch's state is one row. :func:`align` brings its texts in line with it, some at a time, whoever
changed the state and whatever crashed in between: texts of a batch that isn't RUNNING are due at
:data:`softswitch.texting.store.NEVER`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import Text as LongText

from billing.facts.hold import Hold
from billing.stores import hold_store
from billing.stores.paging import Page, newest_first
from billing.stores.schema import metadata, storable
from softswitch.texting import store
from softswitch.texting.charging import ChargeWhen
from softswitch.texting.message import State, StoredText
from softswitch.texting.store import NEVER, texts_table

IDS_AT_ONCE = 2_000
"""Texts in one statement."""
FED_AT_ONCE = 900
"""Texts of all running batches that are due at once: fewer than the queue to carriers has in memory
before it reads more, so that the texts of people don't wait behind a batch."""
PREPARED_MS = 600_000
"""A batch that is still PREPARING after this long was interrupted by a crash."""


class BatchState(StrEnum):
    """States of a batch, as the database and the API name them."""

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


batches_table = Table(
    "sms_batches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("sender", String(32), nullable=False),
    Column("text", LongText, nullable=False),
    Column("state", String(10), nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("unit", String(3), nullable=False),
    Column("doubles", Integer, nullable=False),
    Column("faulty", Integer, nullable=False),
    Column("stopped", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("settled", Boolean, nullable=False),
    Index("sms_batches_of_account", "account_id", "created_at", "id"),
    Index("sms_batches_by_time", "created_at", "id"),
    Index("sms_batches_unsettled", "settled", "id"),
)


class Batch(Struct, frozen=True, kw_only=True):
    """A batch.

    Args:
        text: with its {fields}.
        recipients, segments, price_micros: of all its texts; the price is in `unit`.
        doubles, faulty, stopped: recipients that were left out, and why.
        created_at, due_at, done_at: epoch milliseconds.
        settled: True once what is left of its hold was released.
    """

    id: str
    account_id: int
    sender: str
    text: str
    state: BatchState = BatchState.PREPARING
    recipients: int
    segments: int
    price_micros: int
    unit: str
    doubles: int = 0
    faulty: int = 0
    stopped: int = 0
    created_at: int
    created_by: str
    due_at: int
    done_at: int | None = None
    settled: bool = False

    @property
    def hold_id(self) -> str:
        return f"batch:{self.id}"


def add(connection: Connection, batch: Batch) -> None:
    """Store a batch, whose texts follow."""
    values: dict[str, object] = {name: getattr(batch, name) for name in Batch.__struct_fields__}
    values |= {"state": batch.state.value, "created_by": storable(batch.created_by, 128)}
    connection.execute(insert(batches_table).values(**values))


def forget(connection: Connection, batch_id: str) -> None:
    """Remove a batch that couldn't be held, before it has texts."""
    connection.execute(delete(batches_table).where(batches_table.c.id == batch_id))


def get(connection: Connection, batch_id: str) -> Batch | None:
    """A batch by its id."""
    row = connection.execute(
        select(batches_table).where(batches_table.c.id == batch_id)
    ).first()  # fmt: skip
    return None if row is None else _batch(row)


def page(connection: Connection, account_id: int | None, page: Page) -> list[Batch]:
    """A page of batches, the newest first."""
    c = batches_table.c
    query = select(batches_table)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    ordered = newest_first(query, page, c.created_at, c.id)
    return [_batch(row) for row in connection.execute(ordered)]


def unsettled(connection: Connection) -> list[Batch]:
    """Batches that still have something of their hold."""
    c = batches_table.c
    query = select(batches_table).where(c.settled.is_(False)).order_by(c.id)
    return [_batch(row) for row in connection.execute(query)]


def move(
    connection: Connection, batch_id: str, before: Sequence[BatchState], after: BatchState
) -> bool:
    """Give a batch another state; False if it isn't in one of those before."""
    c = batches_table.c
    mine = (c.id == batch_id) & c.state.in_([state.value for state in before])
    moved = update(batches_table).where(mine).values(state=after.value)
    return connection.execute(moved).rowcount > 0


def settle(connection: Connection, batch_id: str, at: int) -> None:
    """Say that nothing is left of a batch's hold; it is DONE unless it was cancelled."""
    c = batches_table.c
    connection.execute(
        update(batches_table).where(c.id == batch_id).values(settled=True, done_at=at)
    )
    move(connection, batch_id, (BatchState.RUNNING, BatchState.PAUSED), BatchState.DONE)


def counts(connection: Connection, batch_id: str) -> Mapping[State, int]:
    """The number of a batch's texts in each state."""
    c = texts_table.c
    query = select(c.state, func.count()).where(c.batch_id == batch_id).group_by(c.state)
    return {State(state): count for state, count in connection.execute(query)}


def align(
    connection: Connection,
    batch: Batch,
    limit: int,
    now: int,
    kept_ms: int,
    due: Callable[[str, int], int],
    fed: int = FED_AT_ONCE,
) -> int:
    """Bring some of a batch's waiting texts in line with its state; how many, 0 once all are.

    Args:
        fed: how many texts of a running batch are due at once; the next follow as these go out.
        due: when a text to a number may go that is to go at an instant; epoch milliseconds.
    """
    c = texts_table.c
    waiting = and_(c.batch_id == batch.id, c.state == State.WAITING.value)
    match batch.state:
        case BatchState.CANCELLED:
            new: dict[str, object] = {"state": State.CANCELLED.value, "done_at": now}
            return _change_some(connection, waiting, limit, new)
        case BatchState.PAUSED | BatchState.PREPARING:
            return _change_some(connection, waiting & (c.due_at < NEVER), limit, {"due_at": NEVER})
        case BatchState.RUNNING | BatchState.DONE:
            due_now = select(func.count()).where(waiting, c.due_at <= now)
            room = fed - int(connection.execute(due_now).scalar_one())
            held = select(c.id, c.recipient).where(waiting, c.due_at == NEVER).order_by(c.id)
            rows = connection.execute(held.limit(max(0, min(limit, room)))).all()
            start = max(now, batch.due_at)
            times = [(row.id, due(row.recipient, start)) for row in rows]
    _set_due(connection, times, kept_ms)
    return len(rows)


def defer(
    connection: Connection, batch: Batch, now: int, kept_ms: int, due: Callable[[str, int], int]
) -> int:
    """Let those texts of a running batch wait that are due now but may not go now; how many."""
    c = texts_table.c
    query = select(c.id, c.recipient).where(
        c.batch_id == batch.id, c.state == State.WAITING.value, c.due_at <= now
    )
    times = [(row.id, due(row.recipient, now)) for row in connection.execute(query)]
    later = [(text_id, at) for text_id, at in times if at > now]
    _set_due(connection, later, kept_ms)
    return len(later)


class Rest(Struct, frozen=True):
    """The rest of a batch's hold, once none of its texts will go out any more.

    Args:
        hold: None: it was never made.
        uncaptured_micros: of texts that have gone out and that the books don't know of yet.
    """

    hold: Hold | None
    uncaptured_micros: int


def rest(connection: Connection, batch: Batch, charge: ChargeWhen) -> Rest | None:
    """The rest of a batch's hold; None while texts of it may go out."""
    c = texts_table.c
    moving = [State.WAITING.value, State.SENDING.value]
    if charge == "delivered":
        moving.append(State.SENT.value)
    under_way = select(c.id).where(c.batch_id == batch.id, c.state.in_(moving)).limit(1)
    if batch.state is BatchState.PREPARING or connection.execute(under_way).first() is not None:
        return None
    h = hold_store.holds
    row = connection.execute(select(h).where(h.c.id == batch.hold_id)).first()
    if row is None:
        return Rest(None, 0)
    hold = Hold(*row)
    query = select(func.coalesce(func.sum(c.price_micros), 0)).where(
        c.batch_id == batch.id, _is_charged(charge)
    )
    charged = int(connection.execute(query).scalar_one())
    return Rest(hold, charged - (hold.amount_micros - hold.held_micros))


def charged(
    connection: Connection, batch: Batch, charge: ChargeWhen, after: int, limit: int
) -> list[StoredText]:
    """Texts of a batch that are to be paid, after an id."""
    c = texts_table.c
    query = (
        select(texts_table)
        .where(c.batch_id == batch.id, _is_charged(charge), c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return store.read(connection.execute(query))


def _is_charged(charge: ChargeWhen) -> ColumnElement[bool]:
    c = texts_table.c
    arrived = c.state.in_([State.DELIVERED.value, State.UNKNOWN.value])
    return arrived if charge == "delivered" else or_(arrived, c.sent_at.is_not(None))


def _change_some(
    connection: Connection, which: ColumnElement[bool], limit: int, values: Mapping[str, object]
) -> int:
    c = texts_table.c
    some = select(c.id).where(which).order_by(c.id).limit(limit)
    ids = [text_id for (text_id,) in connection.execute(some)]
    if ids:
        # Said again, for a text may have gone out meanwhile.
        waits = c.state == State.WAITING.value
        connection.execute(update(texts_table).where(c.id.in_(ids), waits).values(**values))
    return len(ids)


def _set_due(connection: Connection, times: Sequence[tuple[int, int]], kept_ms: int) -> None:
    c = texts_table.c
    together: dict[int, list[int]] = {}
    for text_id, due in times:
        together.setdefault(due, []).append(text_id)
    for due, ids in together.items():
        for start in range(0, len(ids), IDS_AT_ONCE):
            mine = c.id.in_(ids[start : start + IDS_AT_ONCE]) & (c.state == State.WAITING.value)
            connection.execute(
                update(texts_table).where(mine).values(due_at=due, expires_at=due + kept_ms)
            )


def _batch(row: Row[tuple[object, ...]]) -> Batch:
    facts = dict(row._mapping)
    return Batch(**(facts | {"state": BatchState(facts["state"])}))


class Arrivals(Struct, frozen=True):
    """Texts of a batch that one carrier took and that are in one state.

    Args:
        price_micros: of all of them, taken or not.
        milliseconds: from a carrier's acceptance to the delivery, sorted; of those delivered.
    """

    carrier: str
    state: State
    texts: int
    segments: int
    price_micros: int
    milliseconds: tuple[int, ...] = ()


def arrivals(connection: Connection, batch_id: str) -> list[Arrivals]:
    """A batch's texts by carrier and state."""
    c = texts_table.c
    took = select(c.carrier, c.done_at - c.sent_at).where(
        c.batch_id == batch_id, c.state == State.DELIVERED.value, c.sent_at.is_not(None)
    )
    times: dict[str, list[int]] = {}
    for carrier, milliseconds in connection.execute(took):
        times.setdefault(carrier, []).append(milliseconds)
    query = (
        select(c.carrier, c.state, func.count(), func.sum(c.segments), func.sum(c.price_micros))
        .where(c.batch_id == batch_id)
        .group_by(c.carrier, c.state)
        .order_by(c.carrier, c.state)
    )
    return [
        Arrivals(
            carrier,
            State(state),
            texts,
            int(segments),
            int(price),
            tuple(sorted(times.get(carrier, ()))) if state == State.DELIVERED.value else (),
        )
        for carrier, state, texts, segments, price in connection.execute(query)
    ]
