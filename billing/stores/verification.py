"""`ledger verify`: everything that is kept as a sum is computed again, and every price."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from billing.facts.cdr import leg_key
from billing.facts.coverage import charge_covered
from billing.facts.ledger import Difference, call_transaction, unbalanced
from billing.facts.rating import charge
from billing.stores import (
    bill_store,
    hold_store,
    order_store,
    rerating_store,
    sales_store,
    schema,
    wallet_store,
)
from billing.stores.rows import Row, Rows


def differences(connection: Connection) -> list[Difference]:
    """The differences found; empty when all is right."""
    return [
        *_verify_transactions(connection),
        *_verify_accounts(connection),
        *_verify_prices(connection),
        *_verify_costs(connection),
        *rerating_store.verify(connection),
        *sales_store.verify(connection),
        *wallet_store.verify(connection),
        *bill_store.verify(connection),
    ]


def _verify_transactions(connection: Connection) -> list[Difference]:
    found = connection.execute(_TRANSACTIONS)
    return unbalanced((key, currency, int(total)) for key, currency, total in found)


def _verify_accounts(connection: Connection) -> list[Difference]:
    """Balances, and what live calls, open orders and texts hold, which accounts keep as sums."""
    balances = _sums(connection, _BALANCES)
    calls, orders = _sums(connection, _RESERVED), order_store.held(connection)
    texts = hold_store.held_money(connection)
    reserved = (calls, orders, texts)
    found = []
    for row in connection.execute(_ACCOUNTS):
        for what, expected, kept in (
            ("balance", balances.get(row.id, 0), row.balance_micros),
            ("reserved", sum(held.get(row.id, 0) for held in reserved), row.reserved_micros),
        ):
            if kept != expected:
                found.append(Difference(what, f"of account {row.id}", expected, kept))
    return found


def _sums(connection: Connection, query: Rows) -> dict[int, int]:
    rows: Iterable[Row] = connection.execute(query)
    return {account_id: int(total) for account_id, total in rows}


def _verify_prices(connection: Connection) -> list[Difference]:
    """Each CDR costs what its rate says, and has exactly the posting of its price."""
    posted: dict[str, int] = dict(tuple(row) for row in connection.execute(_POSTED))
    found = []
    for row in connection.execute(_PRICES):
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


def _verify_costs(connection: Connection) -> list[Difference]:
    """Costs that differ from what the trunks' rates say. Records from before these were kept have
    none, and are passed over."""
    found = []
    for call_id, leg, duration_ms, answered, cost, rate_blob in connection.execute(_COSTS):
        rate = schema.rate_from_blob(rate_blob)
        assert rate is not None
        right = charge(rate, duration_ms, answered).price_micros
        if cost != right:
            key = leg_key(call_id, leg)
            found.append(Difference("cost", f"of call {key}", right, cost or 0))
    return found


_ENTRIES = schema.entries.c
_CDRS = schema.cdrs.c
_LIVE = schema.live_calls.c
_ACCOUNTS = select(
    schema.accounts.c.id, schema.accounts.c.balance_micros, schema.accounts.c.reserved_micros
)
_TRANSACTIONS = select(
    _ENTRIES.transaction_id, _ENTRIES.currency, func.sum(_ENTRIES.amount_micros)
).group_by(_ENTRIES.transaction_id, _ENTRIES.currency)
_BALANCES = (
    select(_ENTRIES.account_id, func.sum(_ENTRIES.amount_micros))
    .where(_ENTRIES.account_id.is_not(None), _ENTRIES.book.not_like("wallet:%"))
    .group_by(_ENTRIES.account_id)
)
_RESERVED = select(_LIVE.account_id, func.sum(_LIVE.reserved_micros)).group_by(_LIVE.account_id)
_POSTED = select(_ENTRIES.transaction_id, _ENTRIES.amount_micros).where(
    _ENTRIES.kind == "call", _ENTRIES.account_id.is_not(None)
)
_CALL = (_CDRS.call_id, _CDRS.leg, _CDRS.duration_ms, func.coalesce(_CDRS.answered_at, 0))
_PRICES = select(*_CALL, _CDRS.price_micros, _CDRS.rate, _CDRS.coverage)
_COSTS = select(*_CALL, _CDRS.cost_micros, _CDRS.cost_rate).where(_CDRS.cost_rate.is_not(None))
