"""Changes of numbers: port orders, number changes, and lines that are unused.

Shares the database with billing, whose metadata these tables extend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from billing.facts.account import ACTIVE, CLOSED, Change
from billing.facts.rental import RENTED, TRIAL
from billing.stores import tariff_schema
from billing.stores.rental_schema import numbers, orders
from billing.stores.sales_schema import subscriptions
from billing.stores.schema import (
    account_changes_table,
    accounts,
    cdrs,
    change_row,
    entries,
    metadata,
)
from softswitch.subscribers.bindings_table import bindings_table
from softswitch.subscribers.directory_store import lines_table

port_orders_table = Table(
    "port_orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("direction", String(8), nullable=False),
    Column("number", String(16), nullable=False, index=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("operator", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("planned_on", String(10)),
    Column("opened_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("note", String(256), nullable=False),
)

number_changes_table = Table(
    "number_changes",
    metadata,
    Column("old", String(16), primary_key=True),
    Column("new", String(16), nullable=False),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)

NUMBER_OF_LINE = "number of line"
"""The key of a number change in the history of an account, followed by the line's id."""

IN, OUT = "in", "out"
REQUESTED, SUBMITTED, ACCEPTED = "requested", "submitted", "accepted"
COMPLETED, REJECTED, WITHDRAWN = "completed", "rejected", "cancelled"
PORT_TRANSITIONS: Mapping[str, frozenset[str]] = {
    REQUESTED: frozenset({SUBMITTED, ACCEPTED, REJECTED, WITHDRAWN}),
    SUBMITTED: frozenset({ACCEPTED, REJECTED, WITHDRAWN}),
    ACCEPTED: frozenset({COMPLETED, REJECTED, WITHDRAWN}),
    COMPLETED: frozenset(),
    REJECTED: frozenset(),
    WITHDRAWN: frozenset(),
}
"""The states that may follow each state of a port order: requested by the subscriber, sent to the
other operator, agreed with a date, done."""


@dataclass(frozen=True, slots=True)
class PortOrder:
    """A port order: a number that comes from or goes to another operator.

    Args:
        operator: the other one.
        planned_on: the agreed ISO date.
    """

    id: int
    direction: str
    number: str
    account_id: int
    operator: str
    state: str
    planned_on: str | None
    opened_at: int
    changed_at: int
    note: str


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A change of a line's number; for a time, callers of the old number are informed (C7)."""

    old: str
    new: str
    account_id: int
    changed_at: int
    until: int


@dataclass(frozen=True, slots=True)
class Unused:
    """A line that was unused for so long that it is cancelled."""

    line_id: int
    number: str
    account_id: int


class NumberMoves:
    """Port orders, number changes and unused lines in the database. Errors come through as
    SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def _reading(self) -> Connection:
        return self._reader.connect()

    # Porting

    def add_order(self, order: PortOrder) -> int:
        """Add a port order; its `id` is ignored. Returns the new one."""
        with self._engine.begin() as connection:
            key = connection.execute(
                insert(port_orders_table), _order_row(order)
            ).inserted_primary_key
        assert key is not None
        return int(key[0])

    def order(self, order_id: int) -> PortOrder | None:
        query = select(port_orders_table).where(port_orders_table.c.id == order_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else PortOrder(*row)

    def orders(self, number: str | None = None, closed: bool = True) -> list[PortOrder]:
        table = port_orders_table
        query = select(table).order_by(table.c.id)
        if number is not None:
            query = query.where(table.c.number == number)
        if not closed:
            going_on = [state for state, following in PORT_TRANSITIONS.items() if following]
            query = query.where(table.c.state.in_(going_on))
        with self._reading() as connection:
            return [PortOrder(*row) for row in connection.execute(query)]

    def advance(self, before: PortOrder, after: PortOrder, change: Change) -> bool:
        """Store a later state of a port order; False when another process was first."""
        table = port_orders_table
        mine = (table.c.id == before.id) & (table.c.state == before.state)
        with self._engine.begin() as connection:
            advanced = update(table).where(mine).values(_order_row(after))
            if connection.execute(advanced).rowcount == 0:
                return False
            connection.execute(insert(account_changes_table), change_row(change))
            return True

    # Number changes

    def changes(self) -> list[NumberChange]:
        with self._reading() as connection:
            query = select(number_changes_table).order_by(number_changes_table.c.changed_at)
            return [NumberChange(*row) for row in connection.execute(query)]

    def change_number(self, line_id: int, moved: NumberChange, change: Change) -> None:
        """Give a line another number, in all tables that name it by its number, in one transaction.

        Raises IntegrityError when another line has the new number."""
        with self._engine.begin() as connection:
            # Subscriptions of the line change under the lock of its account, as everywhere.
            owner = select(accounts.c.id).where(accounts.c.id == moved.account_id)
            connection.execute(owner.with_for_update())
            line = lines_table.c.id == line_id
            connection.execute(update(lines_table).where(line).values(number=moved.new))
            for table in (numbers, orders, subscriptions):
                connection.execute(
                    update(table).where(table.c.line == moved.old).values(line=moved.new)
                )
            _keep_tariffs(connection, moved)
            table = number_changes_table
            connection.execute(delete(table).where(table.c.old.in_([moved.old, moved.new])))
            # Callers of an even older number hear the newest one.
            connection.execute(update(table).where(table.c.new == moved.old).values(new=moved.new))
            row = {column.name: getattr(moved, column.name) for column in table.columns}
            connection.execute(insert(table), row)
            connection.execute(insert(account_changes_table), change_row(change))

    def end_change(self, old: str, now: int) -> None:
        """End the announcement at the old number."""
        table = number_changes_table
        over = (table.c.old == old) & (table.c.until <= now)
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(over))

    # Unused lines

    def unused(self, cutoff: int, now: int) -> list[Unused]:
        """Active lines that weren't used since `cutoff`. A line is used by calls in either
        direction, by payments of its account, by registered phones and by numbers that are rented
        for it. A line without any record counts as used now."""
        columns = lines_table.c
        stale = or_(columns.active_at.is_(None), columns.active_at < cutoff)
        query = select(
            columns.id, columns.number, columns.account_id, columns.login, columns.active_at
        ).where(columns.status == ACTIVE, stale)
        found: list[Unused] = []
        with self._engine.begin() as connection:
            for row in connection.execute(query.order_by(columns.id)).all():
                last = now
                if row.active_at is not None:
                    used = _last_use(connection, row.login, row.number, row.account_id, now)
                    last = max(int(row.active_at), used)
                if last < cutoff:
                    found.append(Unused(row.id, row.number, row.account_id))
                elif last != row.active_at:
                    mine = lines_table.c.id == row.id
                    connection.execute(update(lines_table).where(mine).values(active_at=last))
        return found

    def cancel(self, unused: Unused, until: int, change: Change) -> None:
        """Cancel a line; its number rests until then."""
        line = (lines_table.c.id == unused.line_id) & (lines_table.c.status == ACTIVE)
        values = {"status": CLOSED, "rests_until": until}
        with self._engine.begin() as connection:
            if connection.execute(update(lines_table).where(line).values(values)).rowcount:
                connection.execute(insert(account_changes_table), change_row(change))

    def resting(self, until: int | None = None) -> list[Unused]:
        """Cancelled lines in quarantine: those until an instant, or all."""
        columns = lines_table.c
        query = select(columns.id, columns.number, columns.account_id).where(
            columns.status == CLOSED, columns.rests_until.is_not(None)
        )
        if until is not None:
            query = query.where(columns.rests_until == until)
        with self._reading() as connection:
            return [Unused(*row) for row in connection.execute(query.order_by(columns.id))]

    def restore(self, line_id: int, now: int, change: Change) -> bool:
        """Restore a line from quarantine; False if it wasn't there."""
        line = (lines_table.c.id == line_id) & lines_table.c.rests_until.is_not(None)
        values = {"status": ACTIVE, "rests_until": None, "active_at": now}
        with self._engine.begin() as connection:
            if connection.execute(update(lines_table).where(line).values(values)).rowcount == 0:
                return False
            connection.execute(insert(account_changes_table), change_row(change))
            return True


def _keep_tariffs(connection: Connection, moved: NumberChange) -> None:
    """Copy the tariffs of the line to its new number; the old one keeps them too, because its past
    calls may be rated again."""
    table = tariff_schema.assignments
    own = (table.c.account_id == moved.account_id) & (table.c.line == moved.old)
    taken = [column.name for column in table.columns if not column.primary_key]
    values = [
        literal(moved.new).label("line") if name == "line" else table.c[name] for name in taken
    ]
    copied = select(*values).where(own).order_by(table.c.number)
    connection.execute(insert(table).from_select(taken, copied))


def _order_row(order: PortOrder) -> dict[str, object]:
    row = {column.name: getattr(order, column.name) for column in port_orders_table.columns}
    del row["id"]
    return row


def _last_use(connection: Connection, login: str, number: str, account_id: int, now: int) -> int:
    """The last registration, payment or call of a line; epoch milliseconds, 0 for none."""
    here = bindings_table.c
    registered = select(here.aor).where(here.aor == login, here.expires_at > now / 1000)
    rented = select(numbers.c.number).where(
        numbers.c.line == number, numbers.c.state.in_((RENTED, TRIAL))
    )
    for query in (registered, rented):
        if connection.execute(query.limit(1)).first() is not None:
            return now
    paid = select(func.max(entries.c.at)).where(
        entries.c.account_id == account_id, entries.c.kind == "topup"
    )
    called = (
        select(func.max(cdrs.c.setup_at)).where(side == number)
        for side in (cdrs.c.calling, cdrs.c.called)
    )
    times = (connection.execute(query).scalar() for query in (paid, *called))
    return max(int(time or 0) for time in times)
