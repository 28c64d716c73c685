"""Bills in the database: made inside the store's transaction, read as they were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
)

from billing.decisions.book import Book
from billing.facts.account import CLOSED
from billing.facts.bill import LATE, TAX, Bill, Item, MakeBills, difference, merged, month_before
from billing.facts.ledger import Difference
from billing.facts.sales import Notice
from billing.facts.tax import TaxRate, rate_for, tax_of
from billing.stores import tax_store
from billing.stores.definition import Definitions
from billing.stores.paging import Page, newest_first
from billing.stores.rental_schema import rentals
from billing.stores.rows import NamedRow
from billing.stores.sales_schema import subscriptions
from billing.stores.sales_store import LONGEST_CALL_MS
from billing.stores.schema import accounts, cdrs, entries, metadata

bills = Table(
    "bills",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("month", String(7), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("account_id", "month", name="bills_by_account"),
)
"""`content` is the bill; nothing is computed again from anything else."""

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Bill).decode


def make(connection: Connection, book: Book, command: MakeBills) -> list[Bill]:
    """Two processes that bill at once meet at the number: the second one begins again, and finds
    the bills made."""
    owners = sorted(set(command.parties) - _billed(connection, command))
    if not owners:
        return []
    facts = {row.id: row for row in connection.execute(_ACCOUNTS.where(accounts.c.id.in_(owners)))}
    last = _last_bills(connection, owners)
    sums = _Sums(connection, owners, command)
    rates = tax_store.rates(connection)
    number = connection.execute(select(func.max(bills.c.number))).scalar() or 0
    made: list[Bill] = []
    for owner in owners:
        row, before = facts[owner], last.get(owner)
        if row.created_at >= command.ends_at:
            continue
        bill = _bill(command, number + 1, row, before, sums)
        rate = rate_for(rates, owner, command.month)
        if rate is not None:
            bill = _taxed(bill, rate)
        if row.status == CLOSED and not bill.items:
            continue
        number += 1
        made.append(bill)
        if bill.tax_micros and not bill.tax_included:
            book.post(*_tax_posting(bill))
        if bill.items or bill.to_pay_micros:
            key = f"bill_ready:{bill.number}"
            book.sales.tell(Notice(key, owner, "bill_ready", bill.month, command.ends_at))
    if made:
        connection.execute(insert(bills), [_row(bill) for bill in made])
    return made


DEFINITIONS: Definitions = {MakeBills: make}
_ACCOUNTS = select(
    accounts.c.id,
    accounts.c.currency,
    accounts.c.status,
    accounts.c.balance_micros,
    accounts.c.created_at,
)


def _bill(
    command: MakeBills, number: int, account: NamedRow, before: Bill | None, sums: _Sums
) -> Bill:
    own = sums.own(account.id)
    closing = account.balance_micros - sums.later(account.id)
    items = own
    if before is None:
        opening = closing - _total(own)
    else:
        billed = before.own if before.month == month_before(command.month) else []
        items = merged([*own, *difference(sums.month_before(account.id), billed)])
        opening = before.closing_micros
        if rest := closing - opening - _total(items):
            items.append(Item(LATE, "", 1, 0, rest))
    return Bill(
        number=number,
        account_id=account.id,
        month=command.month,
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        made_at=command.ends_at,
        currency=account.currency,
        party=dict(command.parties[account.id]),
        opening_micros=opening,
        closing_micros=closing,
        items=items,
        own=own,
    )


def _taxed(bill: Bill, rate: TaxRate) -> Bill:
    """The bill with its tax: part of what it says already, or one more item of the month."""
    tax = tax_of(bill.charges_micros, rate)
    facts = {
        "tax_basis_points": rate.basis_points, "tax_included": rate.included, "tax_micros": tax,
    }  # fmt: skip
    bill = msgspec.structs.replace(bill, **facts)
    if rate.included or not tax:
        return bill
    item = [Item(TAX, "", 1, 0, -tax)]
    return msgspec.structs.replace(
        bill,
        items=[*bill.items, *item],
        own=merged([*bill.own, *item]),
        closing_micros=bill.closing_micros - tax,
    )


def _tax_posting(bill: Bill) -> tuple[str, int, int, str, str, int]:
    """The last entry of its month."""
    key = f"tax:{bill.account_id}:{bill.month}"
    return key, bill.account_id, -bill.tax_micros, TAX, TAX, bill.ends_at - 1


def _total(items: Iterable[Item]) -> int:
    return sum(item.amount_micros for item in items)


class _Sums:
    """Sums of what was posted to accounts in the month, in the one before it, and since."""

    def __init__(self, connection: Connection, owners: Sequence[int], command: MakeBills) -> None:
        self._items: dict[tuple[int, bool], list[Item]] = {}
        """Items by account, and whether they are of the month itself."""
        self._later: dict[int, int] = {}
        self._add_entries(connection, owners, command)
        self._add_calls(connection, owners, command.before_at, command.starts_at, own=False)
        self._add_calls(connection, owners, command.starts_at, command.ends_at, own=True)
        columns = entries.c
        query = (
            select(columns.account_id, func.sum(columns.amount_micros))
            .where(columns.account_id.in_(owners), columns.at >= command.ends_at)
            .where(columns.book.not_like("wallet:%"))
            .group_by(columns.account_id)
        )
        self._later = {owner: int(total) for owner, total in connection.execute(query)}

    def own(self, owner: int) -> list[Item]:
        return merged(self._items.get((owner, True), ()))

    def month_before(self, owner: int) -> list[Item]:
        return merged(self._items.get((owner, False), ()))

    def later(self, owner: int) -> int:
        return self._later.get(owner, 0)

    def _add_entries(
        self, connection: Connection, owners: Sequence[int], command: MakeBills
    ) -> None:
        columns = entries.c
        query = (
            select(
                columns.account_id,
                columns.at,
                columns.kind,
                columns.transaction_id,
                columns.amount_micros,
            )
            .where(columns.account_id.in_(owners), columns.kind != "call")
            .where(columns.at >= command.before_at, columns.at < command.ends_at)
            .where(columns.book.not_like("wallet:%"))
        )
        rows = connection.execute(query).all()
        names = _Names(connection, rows)
        for owner, at, kind, transaction, amount in rows:
            item = Item(kind, names.about(kind, transaction), 1, 0, amount)
            self._put(owner, at >= command.starts_at, item)

    def _add_calls(
        self, connection: Connection, owners: Sequence[int], start: int, end: int, *, own: bool
    ) -> None:
        columns = cdrs.c
        query = (
            select(
                columns.account,
                columns.type,
                func.count(),
                func.sum(columns.billed_seconds),
                func.sum(columns.price_micros),
            )
            .where(columns.account.in_(owners), columns.setup_at >= start - LONGEST_CALL_MS)
            .where(columns.setup_at < end, columns.direction != "incoming")
            .where(columns.ended_at >= start, columns.ended_at < end)
            .where(columns.answered_at.is_not(None))
            .group_by(columns.account, columns.type)
        )
        for owner, kind, count, seconds, price in connection.execute(query):
            self._put(owner, own, Item("call", kind, count, int(seconds), -int(price)))

    def _put(self, owner: int, own: bool, item: Item) -> None:
        self._items.setdefault((owner, own), []).append(item)


class _Names:
    """Subjects of entries: the product or the number that a transaction's id stands for."""

    def __init__(self, connection: Connection, rows: Iterable[NamedRow]) -> None:
        kinds = [(kind, _subject(transaction)) for _, _, kind, transaction, _ in rows]
        bought = sorted({key for kind, key in kinds if kind == "package"})
        rented = sorted({key for kind, key in kinds if kind == "rent"})
        self._names: dict[str, str] = {}
        for column, name, keys in (
            (subscriptions.c.id, subscriptions.c.product, bought),
            (rentals.c.id, rentals.c.number, rented),
        ):
            for start in range(0, len(keys), 500):
                query = select(column, name).where(column.in_(keys[start : start + 500]))
                self._names.update((key, value) for key, value in connection.execute(query))

    def about(self, kind: str, transaction: str) -> str:
        if kind in ("sms_number", "fee"):
            return transaction.rpartition(":")[2]
        return self._names.get(_subject(transaction), "")


def _subject(transaction: str) -> str:
    """The purchase or rental that a transaction is for: "renewal:p1:3" is for p1."""
    what, _, rest = transaction.partition(":")
    return rest.rpartition(":")[0] if what in ("renewal", "rent") else rest


def _billed(connection: Connection, command: MakeBills) -> set[int]:
    query = select(bills.c.account_id).where(
        bills.c.month == command.month, bills.c.account_id.in_(sorted(command.parties))
    )
    return set(connection.execute(query).scalars())


def _last_bills(connection: Connection, owners: Sequence[int]) -> dict[int, Bill]:
    newest = (
        select(func.max(bills.c.number))
        .where(bills.c.account_id.in_(owners))
        .group_by(bills.c.account_id)
    )
    query = select(bills.c.account_id, bills.c.content).where(bills.c.number.in_(newest))
    return {owner: _decode(content) for owner, content in connection.execute(query)}


def _row(bill: Bill) -> dict[str, object]:
    return {
        "number": bill.number,
        "account_id": bill.account_id,
        "month": bill.month,
        "made_at": bill.made_at,
        "content": _encode(bill),
    }


# Reading


def last_account(connection: Connection) -> int:
    """The highest account's id; 0 when there is none."""
    return connection.execute(select(func.max(accounts.c.id))).scalar() or 0


def last_month(connection: Connection) -> str | None:
    """The newest month that was billed."""
    return connection.execute(select(func.max(bills.c.month))).scalar()


def accounts_of(connection: Connection, owners: range) -> list[tuple[int, str, str]]:
    """Id, name and kind of the accounts whose ids are in a range."""
    columns = accounts.c
    query = select(columns.id, columns.name, columns.kind).order_by(columns.id)
    wanted = query.where(columns.id >= owners.start, columns.id < owners.stop)
    return [(row[0], row[1], row[2]) for row in connection.execute(wanted)]


def bill(connection: Connection, number: int) -> Bill | None:
    """The bill of a number; None if there is none."""
    query = select(bills.c.content).where(bills.c.number == number)
    content = connection.execute(query).scalar_one_or_none()
    return None if content is None else _decode(content)


def bills_of(
    connection: Connection,
    account_id: int | None = None,
    month: str | None = None,
    page: Page | None = None,
) -> list[Bill]:
    """Bills by number: of an account, of a month, or all; of a page the newest first."""
    query = select(bills.c.content)
    number = bills.c.number
    query = query.order_by(number) if page is None else newest_first(query, page, number)
    if account_id is not None:
        query = query.where(bills.c.account_id == account_id)
    if month is not None:
        query = query.where(bills.c.month == month)
    return [_decode(content) for content in connection.execute(query).scalars()]


def verify(connection: Connection) -> list[Difference]:
    """Numbers without gaps; each bill adds up, and begins where the one before it ended."""
    found, closing = [], dict[int, int]()
    for expected, (number, owner, content) in enumerate(connection.execute(_BY_NUMBER), 1):
        made = _decode(content)
        if number != expected or made.number != number:
            found.append(Difference("bill number", str(number), expected, made.number))
            break
        opening = closing.get(owner, made.opening_micros)
        if made.opening_micros != opening:
            found.append(Difference("bill opening", f"of {number}", opening, made.opening_micros))
        total = made.opening_micros + _total(made.items)
        if made.closing_micros != total:
            found.append(Difference("bill", f"of {number}", total, made.closing_micros))
        closing[owner] = made.closing_micros
        found += _verify_tax(made)
    return found


def _verify_tax(made: Bill) -> list[Difference]:
    """The tax of all services, whichever way it was charged."""
    if not made.tax_basis_points and not made.tax_micros:
        return []
    rate = TaxRate(made.account_id, made.month, made.tax_basis_points, made.tax_included)
    tax = tax_of(-_total(made.services), rate)
    posted = tax if not rate.included else 0
    pairs = ((tax, made.tax_micros), (posted, -_total(x for x in made.items if x.kind == TAX)))
    return [
        Difference("bill tax", f"of {made.number}", expected, kept)
        for expected, kept in pairs
        if expected != kept
    ]


_BY_NUMBER = select(bills.c.number, bills.c.account_id, bills.c.content).order_by(bills.c.number)
