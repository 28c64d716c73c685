"""One search over everything that the console shows, and what waits in its queues."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from billing.facts.cdr import Cdr, show_stamp
from billing.facts.money import format_amount
from billing.stores import cdr_search, order_store, payment_store, rental_store
from billing.stores.debt_search import debts
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value
from softswitch.operations.accounts.standing import today
from softswitch.operations.context import Context
from softswitch.scheduled.number_moves import NumberMoves
from softswitch.subscribers.subscriber_store import PENDING

MAX_TEXT = 128
MAX_ROWS = 20
"""Of each kind."""
CALL_ID_DAYS = 2
"""Calls of so many days are looked through for the Call-ID of a phone or a trunk."""
DAY_MS = 86_400_000


def search_everything(context: Context, text: str) -> list[Row]:
    """Whatever has a text in it: accounts by name, id, or the value of a field (national code,
    e-mail); lines by number, login or display name; numbers for rent; a payment by its id; a call
    by its id, or of the last two days by its Call-ID; phones by their IP address.

    Each row says `what` it is, its `id` (as that kind's operations take it), its `account`, and a
    `label`; at most 20 of each kind.
    """
    wanted = text.strip()
    if not 0 < len(wanted) <= MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    return [
        *_accounts(context, wanted),
        *_lines(context, wanted),
        *_numbers(context, wanted),
        *_payments(context, wanted),
        *_calls(context, wanted),
        *_phones(context, wanted),
    ]


def queue_figures(context: Context) -> Row:
    """How much waits for the staff: documents, requests, orders that are late, porting orders,
    accounts to be approved or activated, debts."""
    day = today(context).isoformat()
    with context.billing.reading() as connection:
        orders = order_store.orders(connection)
        owing = debts(connection)
    late = [order for order in orders if order.expected_by is not None and order.expected_by < day]
    return {
        "documents": len(context.subscribers.documents(state=PENDING)),
        "requests": len(context.subscribers.requests(states=["open"])),
        "orders": len(orders),
        "orders_late": len(late),
        "ports": len(NumberMoves(context.billing.engine).orders(closed=False)),
        "registered": len(context.billing.accounts(status="registered")),
        "approved": len(context.billing.accounts(status="approved")),
        "debts": len(owing),
    }


def _found(what: str, key: Value, account: int | None, label: str) -> Row:
    return {"what": what, "id": key, "account": account, "label": label}


def _accounts(context: Context, text: str) -> Iterator[Row]:
    shown: set[int] = set()
    for account in context.billing.accounts(Page(MAX_ROWS), text):
        shown.add(account.id)
        yield _found("account", account.id, account.id, f"{account.name} ({account.status})")
    for account_id, field in context.subscribers.with_value(text, MAX_ROWS):
        holder = context.billing.account(account_id)
        if holder is not None and account_id not in shown:
            yield _found("account", account_id, account_id, f"{holder.name} ({field})")


def _lines(context: Context, text: str) -> Iterator[Row]:
    found = {line.id: line for line in context.directory.line_page(Page(MAX_ROWS), None, text)}
    number = _number(context, text)
    line = None if number is None else context.directory.line_by_number(number)
    if line is not None:
        found[line.id] = line
    for each in found.values():
        label = f"{each.number} {each.display_name or each.login} ({each.status})"
        yield _found("line", each.number, each.account_id, label)


def _numbers(context: Context, text: str) -> Iterator[Row]:
    begins = (_number(context, text) or text).removeprefix("+")
    if not begins.isascii() or not begins.isdigit():
        return
    with context.billing.reading() as connection:
        found = rental_store.numbers(connection, search=begins, page=Page(MAX_ROWS))
    for number in found:
        label = f"{number.number} {number.country} ({number.state})"
        yield _found("number", number.number, number.account_id, label)


def _payments(context: Context, text: str) -> Iterator[Row]:
    with context.billing.reading() as connection:
        paid = payment_store.payment(connection, text)
    if paid is not None:
        entry = paid.entry
        label = f"{format_amount(entry.amount_micros)} {entry.currency} at {show_stamp(entry.at)}"
        yield _found("payment", paid.payment_id, entry.account_id, label)


def _calls(context: Context, text: str) -> Iterator[Row]:
    call_id = text[:-2] if text[-2:-1] == "-" else text
    since = context.now_ms() - CALL_ID_DAYS * DAY_MS
    with context.billing.reading() as connection:
        found = cdr_search.of_call(connection, call_id) or cdr_search.of_sip_call(
            connection, text, since, MAX_ROWS
        )
    for cdr in found:
        yield _found("call", cdr.id, cdr.account, _call_label(cdr))


def _call_label(cdr: Cdr) -> str:
    return f"{cdr.calling or 'withheld'} to {cdr.called} at {show_stamp(cdr.setup_at)}"


def _phones(context: Context, text: str) -> Iterator[Row]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    for binding in context.directory.bindings(context.now_ms() / 1000):
        if _is_at(binding.flow.peer[0], address):
            line = context.directory.line_by_login(binding.aor)
            agent = binding.user_agent.encode(errors="replace").decode()
            account = None if line is None else line.account_id
            number = binding.aor if line is None else line.number
            yield _found("registration", number, account, f"{number} {agent}".strip())


def _is_at(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(host) == address
    except ValueError:
        return False


def _number(context: Context, text: str) -> str | None:
    try:
        return context.number(text)
    except OperationError:
        return None
