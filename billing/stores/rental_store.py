"""Numbers for rent in the database, inside the store's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Table, delete, func, insert, or_, select, update

from billing.decisions import rentals
from billing.decisions.book import Book
from billing.decisions.sales import Sales
from billing.facts.command import TouchedSales
from billing.facts.order import OfferNumber
from billing.facts.rental import (
    ACTIVE,
    ENDED,
    RENTED,
    STOCK,
    TRIAL,
    AddNumbers,
    Number,
    Rental,
    SetDiscounts,
    StockOf,
    Wait,
)
from billing.stores import order_store
from billing.stores import rental_schema as schema
from billing.stores.definition import Definitions
from billing.stores.paging import Page, beginning_with, newest_first
from billing.stores.statements import MAX_KEYS


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the numbers and rentals that a batch touches into the working set.

    Numbers are locked, after the accounts and in one order: two clients never get the same."""
    if touched.rentals or touched.owing_rentals_of:
        found = _rentals(connection, touched.rentals, touched.owing_rentals_of)
        touched.numbers |= {rental.number for rental in found if rental.id in touched.rentals}
        sales.rentals = {rental.id: rental for rental in found}
        sales.stored_rentals = frozenset(sales.rentals)
    if touched.numbers:
        load_numbers(connection, sales, touched.numbers)
        sales.stored_numbers = frozenset(sales.numbers)
    if touched.number_queue:
        load_queue(connection, sales)


def load_numbers(connection: Connection, sales: Sales, numbers: Iterable[str]) -> None:
    """Lock numbers and put them into the working set."""
    table = schema.numbers
    query = select(table).where(table.c.number.in_(sorted(numbers))).order_by(table.c.number)
    for row in connection.execute(query.with_for_update()):
        sales.numbers[row.number] = Number(*row)


def load_queue(connection: Connection, sales: Sales) -> None:
    """Put the open orders and the wait list into the working set."""
    sales.waiting_orders = order_store.waiting(connection)
    sales.waits = {row.id: Wait(*row) for row in connection.execute(select(schema.waits))}


def _rentals(connection: Connection, keys: set[str], owners: set[int]) -> list[Rental]:
    columns = schema.rentals.c
    mine = columns.account_id.in_(sorted(owners)) & columns.owing
    query = select(schema.rentals).where(or_(columns.id.in_(sorted(keys)), mine))
    return [Rental(*row) for row in connection.execute(query)]


def write(connection: Connection, sales: Sales) -> None:
    """Write the numbers, rentals and waits that a batch changed."""
    changes = sales.changes
    for key, number in changes.numbers.items():
        row, table = schema.row_of(schema.numbers, number), schema.numbers
        if key in sales.stored_numbers:
            connection.execute(update(table).where(table.c.number == key).values(row))
        else:
            connection.execute(insert(table), row)
    for key, rental in changes.rentals.items():
        row, table = schema.row_of(schema.rentals, rental), schema.rentals
        if key in sales.stored_rentals:
            connection.execute(update(table).where(table.c.id == key).values(row))
        else:
            connection.execute(insert(table), row)
    _replace(connection, schema.waits, changes.waits)


def _replace(connection: Connection, table: Table, changes: dict[str, Wait | None]) -> None:
    if changes:
        connection.execute(delete(table).where(table.c.id.in_(sorted(changes))))
    rows = [schema.row_of(table, item) for item in changes.values() if item is not None]
    if rows:
        connection.execute(insert(table), rows)


def _add_numbers(connection: Connection, book: Book, command: AddNumbers) -> list[Number]:
    table, sales = schema.numbers, book.sales
    wanted = {item.number: item for item in command.numbers}
    known = set(
        connection.execute(
            select(table.c.number).where(table.c.number.in_(sorted(wanted)))
        ).scalars()
    )
    fresh = [item for key, item in wanted.items() if key not in known]
    if fresh:
        connection.execute(insert(table), [schema.row_of(table, item) for item in fresh])
        sales.stored_numbers |= {item.number for item in fresh}
        load_queue(connection, sales)
    for item in fresh:
        rentals.into_stock(book, item, command.at)
    return fresh


def _offer_number(connection: Connection, book: Book, command: OfferNumber) -> None:
    found = number(connection, command.number)
    if found is not None and found.state == STOCK:
        load_queue(connection, book.sales)
        rentals.tell_waiting(book, found, command.at)


def _set_discounts(connection: Connection, book: Book, command: SetDiscounts) -> None:
    table = schema.discounts
    connection.execute(delete(table).where(table.c.what.in_(sorted(command.percents))))
    rows = [{"what": what, "percent": percent} for what, percent in command.percents.items()]
    connection.execute(insert(table), rows)


DEFINITIONS: Definitions = {
    AddNumbers: _add_numbers,
    SetDiscounts: _set_discounts,
    OfferNumber: _offer_number,
}


# Reading


def numbers(
    connection: Connection,
    state: str | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str | None = None,
    service: str | None = None,
    limit: int | None = None,
    account_id: int | None = None,
    search: str | None = None,
    page: Page | None = None,
    currency: str | None = None,
) -> list[Number]:
    """The inventory, or the part of it with these properties.

    Args:
        account_id: numbers that this account rents or tries.
        search: how the number begins.
        page: the highest numbers first.
    """
    columns = schema.numbers.c
    query = select(schema.numbers)
    if page is None:
        query = query.order_by(columns.country, columns.city, columns.number)
    else:
        query = newest_first(query, page, columns.number)
    if search is not None:
        query = query.where(beginning_with(f"+{search.removeprefix('+')}", columns.number))
    for column, value in (
        (columns.state, state),
        (columns.country, country),
        (columns.city, city),
        (columns.kind, kind),
        (columns.service, service),
        (columns.account_id, account_id),
        (columns.currency, currency),
    ):
        if value is not None:
            query = query.where(column == value)
    if page is None:
        query = query.limit(limit)
    return [Number(*row) for row in connection.execute(query)]


def number(connection: Connection, key: str) -> Number | None:
    """A number of the inventory (E.164 with "+"); None if it isn't in it."""
    row = connection.execute(select(schema.numbers).where(schema.numbers.c.number == key)).first()
    return None if row is None else Number(*row)


def numbers_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, Number]:
    """Numbers of the inventory by E.164."""
    columns, found = schema.numbers.c, dict[str, Number]()
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), MAX_KEYS):
        some = wanted[start : start + MAX_KEYS]
        query = select(schema.numbers).where(columns.number.in_(some))
        found.update((row.number, Number(*row)) for row in connection.execute(query))
    return found


def stock(
    connection: Connection,
    country: str | None = None,
    city: str | None = None,
    kind: str | None = None,
    currency: str | None = None,
) -> list[StockOf]:
    """The numbers in stock, counted by what they are and cost."""
    columns = schema.numbers.c
    same = (
        columns.country, columns.city, columns.kind, columns.documents, columns.service,
        columns.currency, columns.monthly_micros,
    )  # fmt: skip
    query = select(*same, func.count()).where(columns.state == STOCK).group_by(*same)
    for column, value in (
        (columns.country, country),
        (columns.city, city),
        (columns.kind, kind),
        (columns.currency, currency),
    ):
        if value is not None:
            query = query.where(column == value)
    return [StockOf(*row) for row in connection.execute(query.order_by(*same))]


def every_number(connection: Connection) -> set[str]:
    """The numbers of the whole inventory."""
    return set(connection.execute(select(schema.numbers.c.number)).scalars())


def rented(
    connection: Connection, account_ids: Sequence[int] | None = None, ended: bool = False
) -> list[Rental]:
    """Rentals of some accounts, or of all (None)."""
    columns = schema.rentals.c
    query = select(schema.rentals).order_by(columns.account_id, columns.number, columns.id)
    if account_ids is not None:
        query = query.where(columns.account_id.in_(account_ids))
    if not ended:
        query = query.where(columns.state != ENDED)
    return [Rental(*row) for row in connection.execute(query)]


def ringing(
    connection: Connection, account_ids: Sequence[int] | None = None
) -> list[tuple[str, int, str, bool]]:
    """Numbers that ring somewhere: (number, account, line, shut for a debt)."""
    table, owed = schema.numbers, schema.rentals
    debts = select(owed.c.number).where(owed.c.owing, owed.c.state == ACTIVE)
    query = select(table.c.number, table.c.account_id, table.c.line).where(
        table.c.state.in_((RENTED, TRIAL)), table.c.line.is_not(None)
    )
    if account_ids is not None:
        query = query.where(table.c.account_id.in_(account_ids))
        debts = debts.where(owed.c.account_id.in_(account_ids))
    shut = set(connection.execute(debts).scalars())
    return [(key, owner, line, key in shut) for key, owner, line in connection.execute(query)]


def waiting(
    connection: Connection, account_id: int | None = None, page: Page | None = None
) -> list[Wait]:
    """The wait list, or an account's part of it, the longest wait first; of a page the newest."""
    columns = schema.waits.c
    query = select(schema.waits)
    if account_id is not None:
        query = query.where(columns.account_id == account_id)
    if page is None:
        query = query.order_by(columns.since, columns.id)
    else:
        query = newest_first(query, page, columns.since, columns.id)
    return [Wait(*row) for row in connection.execute(query)]


def discounts(connection: Connection) -> dict[str, int]:
    """Percents off, by "3 months", "5 numbers" and the like."""
    return {row.what: row.percent for row in connection.execute(select(schema.discounts))}
