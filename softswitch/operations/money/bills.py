"""Bills: shown as they were made, and as papers (C14, E17)."""

from __future__ import annotations

from datetime import date, timedelta

from billing.facts.account import Account
from billing.facts.bill import Bill, Item, first_work
from billing.facts.calendar import day_start, local_day
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.sales import EnsureWork
from billing.stores import bill_store, rental_store, sales_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import page_asked
from softswitch.papers import forms, words
from softswitch.papers.paper import Paper, to_html
from softswitch.subscribers.profile import FieldError, read_date

MAX_MOVES = 20_000
"""Entries on one reconciliation act: some four hundred pages."""


def bill_list(
    context: Context,
    account: str | None = None,
    month: str | None = None,
    limit: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """Bills by number, without their items.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before this bill: the last of the page before.
    """
    owner, page = context.own_account(account), page_asked(limit, before)
    with context.billing.reading() as connection:
        found = bill_store.bills_of(connection, owner, month, page)
    return [_head(bill) for bill in found]


def bill_show(context: Context, bill: int) -> Row:
    found = _bill(context, bill)
    return _head(found) | {"items": [_item(item) for item in found.items]}


def bill_paper(
    context: Context,
    bill: int,
    kind: str = "bill",
    language: str | None = None,
) -> Row:
    """A bill as a page: itself, a duplicate of it, an invoice or an act of service."""
    found = _bill(context, bill)
    chosen = _language(context, found.party, language)
    seller = _seller(context)
    match kind:
        case "bill":
            paper = forms.bill_paper(found, seller, chosen)
        case "duplicate":
            paper = forms.bill_paper(found, seller, chosen, duplicate=True)
        case "invoice":
            paper = forms.invoice_paper(found, seller, chosen)
        case "act":
            paper = forms.act_paper(found, seller, chosen)
        case _:
            raise OperationError("paper_kind_unknown", kind=kind)
    return _page(paper, f"{kind}-{found.number}")


def account_reconciliation(
    context: Context, account: str, since: str, until: str, language: str | None = None
) -> Row:
    """The reconciliation act of an account from a day to a day, as a page."""
    owner = context.account(account)
    zone = context.config.switch.time_zone
    first, last = _day(since), _day(until)
    if first > last:
        raise OperationError("days_reversed", since=since, until=until)
    start, end = day_start(first, zone), day_start(last + timedelta(days=1), zone)
    entries = context.billing.ledger(owner.id)
    opening = sum(entry.amount_micros for entry in entries if entry.at < start)
    moves = [
        forms.Move(local_day(entry.at, zone), entry.kind, "", entry.amount_micros)
        for entry in entries
        if start <= entry.at < end
    ]
    if len(moves) > MAX_MOVES:
        raise OperationError("paper_too_long", count=len(moves))
    party = _party(context, owner)
    paper = forms.reconciliation_paper(
        _seller(context),
        party,
        owner.id,
        owner.currency,
        (first, last),
        opening,
        _by_day(moves),
        _language(context, party, language),
    )
    return _page(paper, f"reconciliation-{owner.id}-{first}-{last}")


def account_contract(context: Context, account: str, language: str | None = None) -> Row:
    """The contract with an account as it stands today, as a page."""
    owner = context.account(account)
    zone = context.config.switch.time_zone
    with context.billing.reading() as connection:
        bought = sales_store.subscriptions(connection, [owner.id])
        rented = rental_store.rented(connection, [owner.id])
    products = [("package", item.product, item.terms.price_micros) for item in bought]
    products += [("rent", item.number, item.fee_micros) for item in rented]
    party = _party(context, owner)
    paper = forms.contract_paper(
        _seller(context),
        party,
        owner.id,
        local_day(owner.created_at, zone),
        owner.tariff,
        (owner.credit_limit_micros, owner.currency),
        [
            forms.ContractLine(
                line.number,
                None if line.lease_ends_on is None else date.fromisoformat(line.lease_ends_on),
            )
            for line in context.directory.lines_of([owner.id])
        ],
        products,
        _language(context, party, language),
    )
    return _page(paper, f"contract-{owner.id}")


def schedule_bills(context: Context) -> None:
    """Have bills made at the end of this month, and of every one after it."""
    work = first_work(context.now_ms(), context.config.switch.time_zone)
    with context.billing.reading() as connection:
        if sales_store.is_scheduled(connection, work.key):
            return
    context.do(EnsureWork(work))


def _by_day(moves: list[forms.Move]) -> list[forms.Move]:
    """Calls of a day are one move: single calls aren't reconciled."""
    sums: dict[tuple[date, str, bool], int] = {}
    for move in moves:
        key = (move.on, move.kind, move.amount_micros > 0)
        sums[key] = sums.get(key, 0) + move.amount_micros
    return [forms.Move(on, kind, "", total) for (on, kind, _), total in sums.items() if total]


def _bill(context: Context, number: int) -> Bill:
    with context.billing.reading() as connection:
        found = bill_store.bill(connection, number)
    if found is None or not context.owns(found.account_id):
        raise OperationError("bill_not_found", bill=number)
    return found


def _head(bill: Bill) -> Row:
    return {
        "number": bill.number,
        "account": bill.account_id,
        "name": bill.party.get("name", ""),
        "month": bill.month,
        "made_at": show_stamp(bill.made_at),
        "currency": bill.currency,
        "opening": format_amount(bill.opening_micros),
        "charges": format_amount(bill.charges_micros),
        "tax_percent": format_amount(bill.tax_basis_points * 10_000),
        "tax": format_amount(bill.tax_micros),
        "payments": format_amount(bill.payments_micros),
        "closing": format_amount(bill.closing_micros),
        "to_pay": format_amount(bill.to_pay_micros),
    }


def _item(item: Item) -> Row:
    return {
        "kind": item.kind,
        "about": item.about,
        "count": item.count,
        "seconds": item.seconds,
        "amount": format_amount(item.amount_micros),
    }


def _page(paper: Paper, name: str) -> Row:
    return {"name": name, "language": paper.language, "html": to_html(paper)}


def _seller(context: Context) -> forms.Seller:
    own = context.config.operator
    return forms.Seller(
        own.name or context.config.switch.domain,
        own.address,
        own.registration_code,
        own.bank_account,
    )


def _party(context: Context, owner: Account) -> dict[str, str]:
    return {"name": owner.name, "kind": owner.kind} | context.subscribers.fields(owner.id)


def _language(context: Context, party: dict[str, str], wanted: str | None) -> str:
    """The language asked for, the subscriber's own, or the switch's; English if papers lack it."""
    if wanted is not None and wanted not in words.ORDER:
        raise OperationError("paper_language_unknown", known=tuple(words.ORDER), value=wanted)
    chosen = wanted or party.get("language") or context.config.switch.language
    return chosen if chosen in words.ORDER else "en"


def _day(text: str) -> date:
    try:
        return read_date(text, "a day")
    except FieldError as error:
        raise OperationError.of(error) from None
