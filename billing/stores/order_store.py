"""Orders for numbers in the database, inside the store's transaction.

An order changes only under the lock of its account, which the store takes first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from billing.decisions.book import Book
from billing.decisions.sales import Sales
from billing.facts.account import ACTIVE
from billing.facts.command import TouchedSales
from billing.facts.order import (
    DOCUMENTS,
    OPEN,
    REQUESTED,
    SUBMITTED,
    DefineOffer,
    Offer,
    Order,
)
from billing.stores import rental_schema as schema
from billing.stores.definition import Definitions
from billing.stores.schema import accounts


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the orders that a batch touches into the working set. Their rentals and numbers are
    touched, too."""
    keys, owners = touched.orders, touched.orders_with_documents_of
    numbers = touched.orders_with_documents_for
    if not (keys or owners or numbers):
        return
    columns = schema.orders.c
    waiting = columns.state == DOCUMENTS
    query = select(schema.orders).where(
        or_(
            columns.id.in_(sorted(keys)),
            columns.account_id.in_(sorted(owners)) & waiting,
            columns.number.in_(sorted(numbers)) & waiting,
        )
    )
    found = connection.execute(query.order_by(columns.id))
    sales.orders = {row.id: Order(*row) for row in found}
    sales.stored_orders = frozenset(sales.orders)
    touched.rentals |= sales.orders.keys()
    touched.numbers |= {item.number for item in sales.orders.values() if item.number is not None}


def waiting(connection: Connection) -> list[Order]:
    """Orders that a number of the stock may be for, the earliest first: of active accounts that
    aren't overdrawn."""
    columns, owner = schema.orders.c, accounts.c
    spent = owner.balance_micros + owner.credit_limit_micros < owner.reserved_micros
    query = (
        select(schema.orders)
        .join(accounts, owner.id == columns.account_id)
        .where(columns.state.in_((REQUESTED, SUBMITTED)), owner.status == ACTIVE)
        .where(or_(owner.credit_limit_micros.is_(None), ~spent))
        .order_by(columns.ordered_at, columns.id)
    )
    return [Order(*row) for row in connection.execute(query)]


def write(connection: Connection, sales: Sales) -> None:
    """Write the orders that a batch changed."""
    table = schema.orders
    for key, order in sales.changes.orders.items():
        row = schema.row_of(table, order)
        if key in sales.stored_orders:
            connection.execute(update(table).where(table.c.id == key).values(row))
        else:
            connection.execute(insert(table), row)


def _define_offer(connection: Connection, _: Book, command: DefineOffer) -> bool:
    """Replace or withdraw an offer; True if there was one before."""
    table, key = schema.offers, command.offer.id
    had = connection.execute(delete(table).where(table.c.id == key)).rowcount > 0
    if not command.withdrawn:
        connection.execute(insert(table), schema.row_of(table, command.offer))
    return had


DEFINITIONS: Definitions = {DefineOffer: _define_offer}


# Reading


def orders(
    connection: Connection, account_ids: Sequence[int] | None = None, *, closed: bool = False
) -> list[Order]:
    """Orders of some accounts, or of all (None), the oldest first; those that are over only if
    `closed`."""
    columns = schema.orders.c
    query = select(schema.orders).order_by(columns.ordered_at, columns.id)
    if account_ids is not None:
        query = query.where(columns.account_id.in_(account_ids))
    if not closed:
        query = query.where(columns.state.in_(OPEN))
    return [Order(*row) for row in connection.execute(query)]


def order(connection: Connection, key: str) -> Order | None:
    """The order of an id; None if there is none."""
    row = connection.execute(select(schema.orders).where(schema.orders.c.id == key)).first()
    return None if row is None else Order(*row)


def offers(connection: Connection) -> list[Offer]:
    """Offers of suppliers, by place and price."""
    columns = schema.offers.c
    query = select(*(column for column in columns if column.name != "id"))
    order = (columns.country, columns.city, columns.kind, columns.monthly_micros, columns.id)
    return [Offer(*row) for row in connection.execute(query.order_by(*order))]


def held(connection: Connection) -> dict[int, int]:
    """Micros that open orders hold of each account's money."""
    columns = schema.orders.c
    query = select(columns.account_id, func.sum(columns.held_micros)).group_by(columns.account_id)
    return {owner: int(total) for owner, total in connection.execute(query)}
