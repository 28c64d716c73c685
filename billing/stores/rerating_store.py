"""Corrections in the database, and the calls that are to be priced again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    insert,
    or_,
    select,
)

from billing.decisions import packages, rentals
from billing.decisions.book import Book
from billing.facts.authorization import BillingError
from billing.facts.cdr import Cdr, leg_key
from billing.facts.coverage import NONE, charge_covered
from billing.facts.ledger import Difference
from billing.facts.rate import Rate
from billing.facts.rerating import Correction, CorrectPrice, RatedCall, correction_transaction
from billing.stores import schema
from billing.stores.definition import Definitions
from billing.stores.rows import NamedRow
from billing.stores.schema import metadata
from billing.stores.statements import MAX_KEYS

corrections = Table(
    "cdr_corrections",
    metadata,
    Column("cdr_id", String(80), ForeignKey("cdrs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("posted_micros", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("note", String(256), nullable=False),
    Column("rate", LargeBinary, nullable=False),
    Index("cdr_corrections_by_account", "account_id", "at"),
)
_FACTS = [column for column in corrections.columns if column.name != "rate"]


def _correct(connection: Connection, book: Book, command: CorrectPrice) -> Correction | None:
    """Post the difference between what a call costs and what it should."""
    row = connection.execute(_RATED.where(schema.cdrs.c.id == command.cdr_id)).first()
    if row is None or row.account != command.account_id:
        raise BillingError(f"account {command.account_id} has no priced call {command.cdr_id}")
    (call,) = _with_corrections(connection, [row])
    account = book.account(command.account_id)
    if command.rate.currency != account.currency:
        raise BillingError(
            f"account {account.id} is in {account.currency}, tariff {command.rate.tariff} in "
            f"{command.rate.currency}"
        )
    price = call.charge(command.rate).price_micros
    if price == call.price_micros:
        return None
    number, more = call.corrections + 1, price - call.price_micros
    made = Correction(
        command.cdr_id, number, account.id, price, -more, command.at, command.note[:256]
    )
    values = {column.name: getattr(made, column.name) for column in _FACTS}
    connection.execute(
        insert(corrections), values | {"rate": schema.rate_blob(_trimmed(call, command))}
    )
    key = correction_transaction(call.cdr.key, number)
    book.post(key, account.id, -more, "correction", "revenue", command.at)
    if more < 0:
        packages.after_payment(book, account.id, command.at)
        rentals.after_rise(book, account.id)
    return made


def _trimmed(call: RatedCall, command: CorrectPrice) -> Rate:
    billed = call.charge(command.rate).billed_seconds
    return command.rate.until((call.cdr.answered_at or 0) + billed * 1000)


DEFINITIONS: Definitions = {CorrectPrice: _correct}

_C = schema.cdrs.c
_RATED = select(schema.cdrs).where(_C.rate.is_not(None), _C.account.is_not(None))


# Reading


def rated_calls(
    connection: Connection,
    start: int,
    end: int,
    account: int | None = None,
    tariff: str | None = None,
    after: Cdr | None = None,
    limit: int = MAX_KEYS,
) -> list[RatedCall]:
    """Answered calls that were priced, in the order of their setup.

    Args:
        start: epoch milliseconds of the setup.
        end: excluded.
        after: the last one of the page before.
    """
    query = _RATED.where(_C.setup_at >= start, _C.setup_at < end, _C.answered_at.is_not(None))
    if account is not None:
        query = query.where(_C.account == account)
    if tariff is not None:
        query = query.where(_C.tariff == tariff)
    if after is not None:
        query = query.where(
            or_(_C.setup_at > after.setup_at, and_(_C.setup_at == after.setup_at, _C.id > after.id))
        )
    rows = connection.execute(query.order_by(_C.setup_at, _C.id).limit(limit)).all()
    return _with_corrections(connection, rows)


def _with_corrections(connection: Connection, rows: Sequence[NamedRow]) -> list[RatedCall]:
    ids = [row.id for row in rows]
    query = select(corrections.c.cdr_id, corrections.c.number, corrections.c.price_micros)
    query = query.where(corrections.c.cdr_id.in_(ids)).order_by(corrections.c.number)
    newest: dict[str, tuple[int, int]] = {}
    for cdr_id, number, price in connection.execute(query) if ids else ():
        newest[cdr_id] = number, price
    found = []
    for row in rows:
        cdr, rate = schema.cdr_of(row._mapping), schema.rate_from_blob(row.rate)
        assert rate is not None
        number, price = newest.get(cdr.id, (0, cdr.price_micros))
        coverage = schema.coverage_from_blob(row.coverage)
        found.append(RatedCall(cdr, rate, coverage, price, number))
    return found


def made(connection: Connection, account: int | None = None) -> list[Correction]:
    """Corrections, the oldest first."""
    columns = corrections.c
    query = select(*_FACTS).order_by(columns.at, columns.cdr_id, columns.number)
    if account is not None:
        query = query.where(columns.account_id == account)
    return [Correction(*row) for row in connection.execute(query)]


# Checking


def verify(connection: Connection) -> list[Difference]:
    """Each correction says what its rate says, and posted exactly the difference."""
    posted: dict[str, int] = dict(tuple(row) for row in connection.execute(_POSTED))
    found: list[Difference] = []
    before: dict[str, int] = {}
    for row in connection.execute(_CORRECTED):
        key = leg_key(row.call_id, row.leg)
        coverage = schema.coverage_from_blob(row.coverage) or NONE
        rate = schema.rate_from_blob(row.rate)
        assert rate is not None
        right = charge_covered(rate, coverage, row.duration_ms, row.answered_at or 0).price_micros
        if row.price_micros != right:
            found.append(
                Difference("correction", f"{row.number} of call {key}", right, row.price_micros)
            )
        was = before.get(row.cdr_id, row.first_micros)
        before[row.cdr_id] = row.price_micros
        taken = posted.pop(correction_transaction(key, row.number), 0)
        for amount in (row.posted_micros, taken):
            if amount != was - row.price_micros:
                expected = was - row.price_micros
                found.append(
                    Difference("correction", f"{row.number} of call {key}", expected, amount)
                )
    return [*found, *_left_over(posted.items())]


def _left_over(posted: Iterable[tuple[str, int]]) -> list[Difference]:
    return [Difference("correction", f"for {key}", 0, amount) for key, amount in posted]


_ENTRIES = schema.entries.c
_POSTED = select(_ENTRIES.transaction_id, _ENTRIES.amount_micros).where(
    _ENTRIES.kind == "correction",
    _ENTRIES.account_id.is_not(None),
    _ENTRIES.transaction_id.startswith("rerate:"),
)
_CORRECTED = (
    select(
        corrections.c.cdr_id,
        corrections.c.number,
        corrections.c.price_micros,
        corrections.c.posted_micros,
        corrections.c.rate,
        _C.call_id,
        _C.leg,
        _C.duration_ms,
        _C.answered_at,
        _C.coverage,
        _C.price_micros.label("first_micros"),
    )
    .join(schema.cdrs, _C.id == corrections.c.cdr_id)
    .order_by(corrections.c.cdr_id, corrections.c.number)
)
