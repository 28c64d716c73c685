"""The overview of an account: all that a subscriber's first page shows, in one read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from billing.facts.account import ACTIVE, CLOSED, Account
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.order import DOCUMENTS
from billing.facts.product import GRACE
from billing.stores import order_store, rental_store, sales_store
from softswitch.completion.store import CompletionStore
from softswitch.control.values import Row, Value
from softswitch.operations.accounts.accounts import account_row
from softswitch.operations.accounts.standing import today
from softswitch.operations.accounts.statements import account_calls
from softswitch.operations.context import Context
from softswitch.operations.money.forecast import debit_row, debits_of, pending_row
from softswitch.operations.money.packages import subscription_row
from softswitch.subscribers.directory import Line
from softswitch.subscribers.subscriber_store import APPROVED, PENDING, REFUSED, Document

LAST_CALLS = 5
NEXT_DEBITS = 5
FORECAST_DAYS = 31
WARN_DAYS = 30
"""Before a lease or a document ends."""


def account_overview(context: Context, account: str) -> Row:
    """An account at a glance: money, packages with the time that is left, lines with their phones,
    the last calls, the next debits, alerts, and the bonus of the day.

    A line user gets the lines that are theirs, and nothing of the account's money. An alert is
    `{"code": CODE, "facts": {...}}`; see `docs/operations.md` for the codes.
    """
    owner = context.account(account)
    lines = [line for line in context.directory.lines_of([owner.id]) if context.owns_line(line)]
    row: Row = {
        "account": owner.id,
        "name": owner.name,
        "kind": owner.kind,
        "status": owner.status,
        "as_of": show_stamp(context.now_ms()),
        "lines": _line_rows(context, lines),
        "calls": [dict(call) for call in account_calls(context, str(owner.id), limit=LAST_CALLS)],
    }
    alerts = [*_of_lines(context, lines), *_of_completions(context, lines)]
    if context.actor.is_line_user:
        return row | {"alerts": alerts}
    debits = debits_of(context, owner, FORECAST_DAYS)
    shown = account_row(owner)
    money = ("currency", "balance", "reserved", "available", "credit_limit")
    return (
        row
        | {key: shown[key] for key in money}
        | {
            "packages": _package_rows(context, owner),
            "debits": [debit_row(owner, debit) for debit in debits[:NEXT_DEBITS]],
            "bonus_today": pending_row(context, owner),
            "alerts": [
                *_of_account(context, owner),
                *alerts,
                *(
                    _alert("debit_uncovered", **debit_row(owner, debit))
                    for debit in debits[:NEXT_DEBITS]
                    if not debit.paid
                ),
            ],
        }
    )


def _line_rows(context: Context, lines: list[Line]) -> list[Row]:
    logins = [line.login for line in lines]
    found = context.directory.bindings(context.now_ms() / 1000, logins=logins) if lines else ()
    phones = Counter(binding.aor for binding in found)
    return [
        {
            "id": line.id,
            "number": line.number,
            "login": line.login,
            "display_name": line.display_name,
            "status": line.status,
            "phones": phones[line.login],
            "new_messages": 0 if line.waiting is None else line.waiting.new,
            "lease_ends_on": line.lease_ends_on,
            "rests_until": _stamp(line.rests_until),
        }
        for line in lines
    ]


def _package_rows(context: Context, owner: Account) -> list[Row]:
    now = context.now_ms()
    with context.billing.reading() as connection:
        found = sales_store.subscriptions(connection, [owner.id])
    return [
        subscription_row(item) | {"ends_in_seconds": max(0, (item.ends_at - now) // 1000)}
        for item in found
    ]


# Alerts


def _alert(code: str, **facts: Value) -> Row:
    return {"code": code, "facts": facts}


def _of_account(context: Context, owner: Account) -> Iterator[Row]:
    if owner.status != ACTIVE:
        yield _alert("account_not_active", status=owner.status)
    available = owner.available_micros
    if available is not None and available < 0:
        yield _alert("balance_negative", amount=format_amount(-available), currency=owner.currency)
    with context.billing.reading() as connection:
        subscriptions = sales_store.subscriptions(connection, [owner.id])
        rentals = rental_store.rented(connection, [owner.id])
        orders = order_store.orders(connection, [owner.id])
    for item in subscriptions:
        if item.state == GRACE:
            price, unit = format_amount(item.terms.price_micros), item.terms.currency
            yield _alert("package_unpaid", product=item.product, price=price, currency=unit)
    for rental in rentals:
        if rental.owing:
            # A barred number rings again as soon as the balance is above zero.
            limit = owner.credit_limit_micros or 0
            lacking = max(0, -(owner.balance_micros + limit))
            yield _alert(
                "rent_unpaid",
                number=rental.number,
                amount=format_amount(lacking),
                currency=owner.currency,
            )
    for order in orders:
        if order.state == DOCUMENTS:
            yield _alert("order_needs_document", order=order.id, document=order.documents)
    yield from _of_documents(context, owner)


def _of_documents(context: Context, owner: Account) -> Iterator[Row]:
    """The newest document of each class counts: a refused one that was brought again is settled."""
    found = context.subscribers.documents(owner.id)
    latest: dict[str, Document] = {document.kind: document for document in found}
    soon = (today(context) + timedelta(days=WARN_DAYS)).isoformat()
    for kind, document in latest.items():
        if document.state == REFUSED:
            yield _alert(
                "document_refused", document=document.id, kind=kind, reason=document.reason
            )
        elif document.state == PENDING:
            yield _alert("document_pending", document=document.id, kind=kind)
        elif (
            document.state == APPROVED
            and document.expires_on is not None
            and document.expires_on <= soon
        ):
            yield _alert(
                "document_expires", document=document.id, kind=kind, on=document.expires_on
            )


def _of_lines(context: Context, lines: Iterable[Line]) -> Iterator[Row]:
    soon = (today(context) + timedelta(days=WARN_DAYS)).isoformat()
    for line in lines:
        if line.status == CLOSED:
            yield _alert(
                "line_cancelled", line=line.number, restorable_until=_stamp(line.rests_until)
            )
        elif line.status != ACTIVE:
            yield _alert("line_not_active", line=line.number, status=line.status)
        if line.lease_ends_on is not None and line.lease_ends_on <= soon:
            yield _alert("lease_ends", line=line.number, on=line.lease_ends_on)


def _of_completions(context: Context, lines: Iterable[Line]) -> Iterator[Row]:
    own = {line.id: line.number for line in lines}
    for waiting in CompletionStore(context.billing.engine).load():
        if waiting.state == "offered" and waiting.caller_id in own:
            yield _alert(
                "completion_offered",
                completion=waiting.id,
                line=own[waiting.caller_id],
                number=waiting.number,
            )


def _stamp(at: int | None) -> str | None:
    return None if at is None else show_stamp(at)
