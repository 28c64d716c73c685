"""`ledger verify`: everything that is kept as a sum is computed again, and every price."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from billing import bill_store, rerating_store, sales_store, schema
from billing.cdr import leg_key
from billing.coverage import charge_covered
from billing.ledger import Difference, call_transaction, unbalanced
from billing.rating import charge


def differences(connection: Connection) -> list[Difference]:
    """What doesn't add up; empty when all is right."""
    return [
        *_verify_transactions(connection),
        *_verify_balances(connection),
        *_verify_reservations(connection),
        *_verify_prices(connection),
        *rerating_store.verify(connection),
        *sales_store.verify(connection),
        *bill_store.verify(connection),
    ]


def _verify_transactions(connection: Connection) -> list[Difference]:
    columns = schema.entries.c
    query = select(
        columns.transaction_id, columns.currency, func.sum(columns.amount_micros)
    ).group_by(columns.transaction_id, columns.currency)
    return unbalanced(
        (key, currency, int(total)) for key, currency, total in connection.execute(query)
    )


def _verify_balances(connection: Connection) -> list[Difference]:
    columns = schema.entries.c
    query = (
        select(columns.account_id, func.sum(columns.amount_micros))
        .where(columns.account_id.is_not(None), columns.book.not_like("wallet:%"))
        .group_by(columns.account_id)
    )
    sums = {account_id: int(total) for account_id, total in connection.execute(query)}
    found = []
    for row in connection.execute(select(schema.accounts)):
        expected = sums.pop(row.id, 0)
        if row.balance_micros != expected:
            found.append(
                Difference("balance", f"of account {row.id}", expected, row.balance_micros)
            )
    return found


def _verify_reservations(connection: Connection) -> list[Difference]:
    columns = schema.live_calls.c
    query = select(columns.account_id, func.sum(columns.reserved_micros)).group_by(
        columns.account_id
    )
    sums = {account_id: int(total) for account_id, total in connection.execute(query)}
    found = []
    for row in connection.execute(select(schema.accounts)):
        expected = sums.get(row.id, 0)
        if row.reserved_micros != expected:
            found.append(
                Difference("reserved", f"of account {row.id}", expected, row.reserved_micros)
            )
    return found


def _verify_prices(connection: Connection) -> list[Difference]:
    """Each CDR costs what its rate says, and has exactly the posting of its price."""
    columns = schema.entries.c
    query = select(columns.transaction_id, columns.amount_micros).where(
        columns.kind == "call", columns.account_id.is_not(None)
    )
    posted: dict[str, int] = dict(tuple(row) for row in connection.execute(query))
    found = []
    wanted = select(
        schema.cdrs.c.call_id,
        schema.cdrs.c.leg,
        schema.cdrs.c.duration_ms,
        func.coalesce(schema.cdrs.c.answered_at, 0),
        schema.cdrs.c.price_micros,
        schema.cdrs.c.rate,
        schema.cdrs.c.coverage,
    )
    for row in connection.execute(wanted):
        call_id, leg, duration_ms, answered, price, rate_blob, coverage_blob = row
        key = leg_key(call_id, leg)
        rate = schema.rate_from_blob(rate_blob)
        coverage = schema.coverage_from_blob(coverage_blob)
        right = 0
        if rate is not None and coverage is not None:
            right = charge_covered(rate, coverage, duration_ms, answered).price_micros
        elif rate is not None:
            right = charge(rate, duration_ms, answered).price_micros
        if price != right:
            found.append(Difference("price", f"of call {key}", right, price))
        taken = -posted.pop(call_transaction(key), 0)
        if taken != price:
            found.append(Difference("cdr", f"of call {key}", price, taken))
    found += [Difference("cdr", f"for {key}", 0, -amount) for key, amount in posted.items()]
    return found
