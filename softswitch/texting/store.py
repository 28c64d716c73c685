"""Texts in the database. Every function works inside the transaction that it is handed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    true,
    update,
)

from billing.stores.schema import metadata, storable
from softswitch.texting.message import FINAL, Kind, State, StoredText, Text, next_state

MAX_ERROR = 64
NEVER = 9_000_000_000_000_000
"""When a text of a batch is due that may not go out; epoch milliseconds."""


class Cursor(NamedTuple):
    """The place of a text in the queue to carriers: when it is due (epoch milliseconds), its id."""

    due_at: int
    id: int


texts_table = Table(
    "texts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("origin", String(200), nullable=False, unique=True),
    Column("kind", String(4), nullable=False),
    Column("account_id", Integer),
    Column("from_line", Integer),
    Column("to_line", Integer),
    Column("sender", String(32), nullable=False),
    Column("recipient", String(32), nullable=False),
    Column("content_type", String(128), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("has_validity", Boolean, nullable=False, server_default=false()),
    Column("is_report", Boolean, nullable=False, server_default=false()),
    Column("batch_id", String(64)),
    Column("client_id", Integer),
    Column("wants_receipt", Boolean, nullable=False),
    Column("state", String(12), nullable=False),
    Column("carrier", String(64), nullable=False),
    Column("sent_at", BigInteger),
    Column("done_at", BigInteger),
    Column("error", String(MAX_ERROR), nullable=False),
    Column("receipt", String(5), nullable=False, server_default=""),
    Column("node", String(64), nullable=False, server_default=""),
    Index("texts_to_line", "to_line", "id"),
    Index("texts_from_line", "from_line", "id"),
    Index("texts_of_account", "account_id", "id"),
    Index("texts_of_batch", "batch_id", "state"),
    Index("texts_by_state", "state", "kind", "due_at"),
    Index("texts_by_receipt", "client_id", "receipt"),
    # SQLite would give the id of a removed text to the next one.
    sqlite_autoincrement=True,
)
_FACTS = Text.__struct_fields__
# Statements that run for every text are built once: building one costs as much as running it.
_INSERT = insert(texts_table)
_INSERT_NUMBERED = _INSERT.returning(texts_table.c.id, sort_by_parameter_order=True)
_BY_ID = select(texts_table).where(texts_table.c.id == bindparam("key"))
_LOCKED = _BY_ID.with_for_update()
_BY_ORIGIN = select(texts_table).where(texts_table.c.origin == bindparam("key"))
_COUNT_FOR_LINE = select(func.count()).where(
    texts_table.c.to_line == bindparam("line"), texts_table.c.state == State.WAITING.value
)
_CHANGE = (
    update(texts_table)
    .where(texts_table.c.id == bindparam("key"))
    .values(
        {name: bindparam(f"new_{name}") for name in
         ("state", "sent_at", "done_at", "receipt", "carrier", "error")}
    )
)  # fmt: skip


def add(connection: Connection, texts: Sequence[Text]) -> list[StoredText]:
    """Store texts; a text whose origin is known already is answered as it stands."""
    known = of_origins(connection, [text.origin for text in texts])
    new = list({text.origin: text for text in texts if text.origin not in known}.values())
    if new:
        rows = connection.execute(_INSERT_NUMBERED, [_values(text) for text in new])
        ids = [text_id for (text_id,) in rows]
        known |= {
            text.origin: StoredText(id=text_id, text=_storable(text), state=State.WAITING)
            for text_id, text in zip(ids, new, strict=True)
        }
    return [known[text.origin] for text in texts]


def add_new(connection: Connection, texts: Sequence[Text]) -> None:
    """Store texts whose origins nothing has. Raises IntegrityError if one is known."""
    if texts:
        connection.execute(_INSERT, [_values(text) for text in texts])


def read(rows: Iterable[Row[tuple[object, ...]]]) -> list[StoredText]:
    """Texts of rows of the table."""
    return [_stored(row) for row in rows]


def of_origins(connection: Connection, origins: Sequence[str]) -> dict[str, StoredText]:
    """Texts by what made them."""
    found: dict[str, StoredText] = {}
    if len(origins) == 1:
        row = connection.execute(_BY_ORIGIN, {"key": origins[0]}).first()
        return found if row is None else {row.origin: _stored(row)}
    for start in range(0, len(origins), 500):
        some = origins[start : start + 500]
        query = select(texts_table).where(texts_table.c.origin.in_(some))
        found |= {row.origin: _stored(row) for row in connection.execute(query)}
    return found


def of_ids(connection: Connection, ids: Sequence[int]) -> list[StoredText]:
    """Texts by their ids, at most a page of them."""
    query = select(texts_table).where(texts_table.c.id.in_(ids))
    return read(connection.execute(query))


def newest_of(connection: Connection, beginning: str) -> StoredText | None:
    """The text that was stored last among those whose origins begin so."""
    c = texts_table.c
    query = select(texts_table).where(c.origin >= beginning, c.origin < beginning + "~")
    row = connection.execute(query.order_by(c.id.desc()).limit(1)).first()
    return None if row is None else _stored(row)


def get(connection: Connection, text_id: int) -> StoredText | None:
    """A text by its id."""
    row = connection.execute(_BY_ID, {"key": text_id}).first()
    return None if row is None else _stored(row)


def keep(connection: Connection, text: Text, max_kept: int) -> StoredText | None:
    """Store a text for a line's phones; None: as many wait for the line as are kept for one."""
    known = of_origins(connection, [text.origin]).get(text.origin)
    if known is not None:
        return known
    if text.to_line is not None and count_waiting_for_line(connection, text.to_line) >= max_kept:
        return None
    return add(connection, [text])[0]


def waiting_for_line(
    connection: Connection, line_id: int, now: int, limit: int
) -> list[StoredText]:
    """Texts that are due and that a line's phones haven't got, the oldest first."""
    c = texts_table.c
    query = _waiting().where(c.to_line == line_id, c.due_at <= now)
    return [_stored(row) for row in connection.execute(query.order_by(c.id).limit(limit))]


def count_waiting_for_line(connection: Connection, line_id: int) -> int:
    """The number of texts that wait for a line's phones."""
    return int(connection.execute(_COUNT_FOR_LINE, {"line": line_id}).scalar_one())


def lines_waited_for(connection: Connection, now: int) -> tuple[set[int], int | None]:
    """Lines for whose phones texts wait that are due, and when the next one is due."""
    c = texts_table.c
    waiting = (c.state == State.WAITING.value) & c.kind.in_(("line", "in"))
    due = select(c.to_line).distinct().where(waiting, c.due_at <= now)
    found = {line for (line,) in connection.execute(due) if line is not None}
    following = select(func.min(c.due_at)).where(waiting, c.due_at > now)
    return found, connection.execute(following).scalar()


def due_out(
    connection: Connection, now: int, limit: int, after: Cursor | None = None
) -> list[StoredText]:
    """Texts to other networks whose time has come and isn't over, the oldest first."""
    c = texts_table.c
    query = _waiting().where(c.kind == "out", c.due_at <= now, c.expires_at > now)
    if after is not None:
        behind = (c.due_at == after.due_at) & (c.id > after.id)
        query = query.where(c.due_at >= after.due_at, behind | (c.due_at > after.due_at))
    query = query.order_by(c.due_at, c.id).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def next_due_out(connection: Connection, now: int) -> int | None:
    """The time of the next text to another network that isn't due yet; epoch milliseconds."""
    c = texts_table.c
    query = select(func.min(c.due_at)).where(
        c.state == State.WAITING.value, c.kind == "out", c.due_at > now, c.due_at < NEVER
    )
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def claim(connection: Connection, ids: Sequence[int], node: str, now: int) -> set[int]:
    """Make waiting texts SENDING in a node's name, before a carrier is asked; those that did wait.

    A text that was cancelled or put off, that has expired, or that another node took, isn't among
    them.
    """
    found: set[int] = set()
    c = texts_table.c
    for start in range(0, len(ids), 500):
        mine = c.id.in_(ids[start : start + 500])
        waiting = (c.state == State.WAITING.value) & (c.due_at <= now) & (c.expires_at > now)
        query = select(c.id).where(mine, waiting).with_for_update()
        some = {text_id for (text_id,) in connection.execute(query)}
        if some:
            connection.execute(
                update(texts_table)
                .where(c.id.in_(some))
                .values(state=State.SENDING.value, node=node)
            )
        found |= some
    return found


def postpone(connection: Connection, text_id: int, due_at: int) -> StoredText | None:
    """Let a text that no carrier takes now wait until then; epoch milliseconds."""
    connection.execute(update(texts_table).where(texts_table.c.id == text_id).values(due_at=due_at))
    return move(connection, text_id, State.WAITING, due_at)


def interrupted(connection: Connection, node: str, at: int) -> list[StoredText]:
    """Texts that a node's crash caught while a carrier was asked; they are UNKNOWN from now on."""
    c = texts_table.c
    query = select(c.id).where(c.state == State.SENDING.value, c.node == node)
    ids = [text_id for (text_id,) in connection.execute(query)]
    found = [
        move(connection, text_id, State.UNKNOWN, at, error="the switch was interrupted")
        for text_id in ids
    ]
    return [text for text in found if text is not None]


def move(
    connection: Connection,
    text_id: int,
    event: State,
    at: int,
    *,
    carrier: str | None = None,
    error: str = "",
) -> StoredText | None:
    """Move a text on; answered as it stands afterwards, or None if there is none.

    Args:
        at: epoch milliseconds.
    """
    row = connection.execute(_LOCKED, {"key": text_id}).first()
    if row is None:
        return None
    before = _stored(row)
    after = next_state(before.state, event)
    if after is before.state:
        return before
    done = after in FINAL
    due = done and before.text.wants_receipt and before.text.client_id is not None
    moved = replace(
        before,
        state=after,
        sent_at=at if after is State.SENT else before.sent_at,
        done_at=at if done else before.done_at,
        receipt="due" if due else before.receipt,
        carrier=before.carrier if carrier is None else carrier,
        error=storable(error, MAX_ERROR) if error else before.error,
    )
    values = {
        "key": text_id,
        "new_state": after.value,
        "new_sent_at": moved.sent_at,
        "new_done_at": moved.done_at,
        "new_receipt": moved.receipt,
        "new_carrier": moved.carrier,
        "new_error": moved.error,
    }
    connection.execute(_CHANGE, values)
    return moved


def receipts_due(connection: Connection, client_id: int, limit: int) -> list[StoredText]:
    """Texts whose receipts a business hasn't taken, the oldest first."""
    c = texts_table.c
    query = select(texts_table).where(c.client_id == client_id, c.receipt == "due")
    return [_stored(row) for row in connection.execute(query.order_by(c.id).limit(limit))]


def receipt_done(connection: Connection, text_id: int, receipt: Literal["taken", "lost"]) -> None:
    """A business has taken the receipt of a text, or refuses it for good."""
    mine = texts_table.c.id == text_id
    connection.execute(update(texts_table).where(mine).values(receipt=receipt))


def expire(connection: Connection, now: int, limit: int) -> list[StoredText]:
    """Make EXPIRED texts that still wait although their time is over; these texts."""
    query = _waiting().where(texts_table.c.expires_at <= now).limit(limit)
    ids = [row.id for row in connection.execute(query)]
    moved = [move(connection, text_id, State.EXPIRED, now) for text_id in ids]
    return [text for text in moved if text is not None]


def page(
    connection: Connection,
    *,
    account_id: int | None = None,
    lines: Iterable[int] | None = None,
    number: str | None = None,
    batch_id: str | None = None,
    state: State | None = None,
    now: int | None = None,
    inbox_of: int | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> list[StoredText]:
    """A page of texts: the newest first, or, with `after`, the oldest after that id first.

    Args:
        lines: from or to one of these; reports are left out, and texts to them that are to come
            after `now` (epoch milliseconds).
        inbox_of: beside those of `lines`, texts that came to numbers of this account.
    """
    c = texts_table.c
    query = select(texts_table)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    if lines is not None:
        mine = list(lines)
        there = true() if now is None else (c.due_at <= now) | (c.state == State.DELIVERED.value)
        own = c.from_line.in_(mine) | (c.to_line.in_(mine) & there)
        if inbox_of is not None:
            own |= (c.account_id == inbox_of) & (c.kind == "in")
        query = query.where(own, c.is_report.is_(False))
    if number is not None:
        query = query.where((c.sender == number) | (c.recipient == number))
    if batch_id is not None:
        query = query.where(c.batch_id == batch_id)
    if state is not None:
        query = query.where(c.state == state.value)
    if before is not None:
        query = query.where(c.id < before)
    if after is not None:
        query = query.where(c.id > after)
    query = query.order_by(c.id if after is not None else c.id.desc()).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def forget_done(connection: Connection, before: int, limit: int) -> int:
    """Remove texts that were done before an instant; how many were removed."""
    old = select(texts_table.c.id).where(texts_table.c.done_at < before).limit(limit)
    return connection.execute(delete(texts_table).where(texts_table.c.id.in_(old))).rowcount


def _waiting() -> Select[tuple[object, ...]]:
    return select(texts_table).where(texts_table.c.state == bindparam(None, State.WAITING.value))


def _storable(text: Text) -> Text:
    """A text as the database keeps it."""
    return replace(
        text, sender=storable(text.sender, 32), content_type=storable(text.content_type, 128)
    )


def _values(text: Text) -> dict[str, object]:
    kept = _storable(text)
    values: dict[str, object] = {name: getattr(kept, name) for name in _FACTS}
    return values | {"state": State.WAITING.value, "carrier": "", "error": ""}


def _stored(row: Row[tuple[object, ...]]) -> StoredText:
    facts = row._mapping
    kind: Kind = facts["kind"]
    text = Text(**{name: facts[name] for name in _FACTS if name != "kind"}, kind=kind)
    return StoredText(
        id=facts["id"],
        text=text,
        state=State(facts["state"]),
        carrier=facts["carrier"],
        sent_at=facts["sent_at"],
        done_at=facts["done_at"],
        error=facts["error"],
        receipt=facts["receipt"],
    )
