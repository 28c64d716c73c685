"""Paying on a provider's page: a payment is begun here, paid there, and confirmed by a callback."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from billing.facts.authorization import TopUp
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount, parse_amount
from billing.stores.paging import Page
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_at, read_cursor
from softswitch.subscribers.hosted_payment import page_address
from softswitch.subscribers.payment_intents import STATES, Intent, IntentStore

METHOD = "online"
CALLBACK_PATH = "/pay/callback"
RETURN_PATH = "/money/paid/"


def payment_intent_add(context: Context, account: str, amount: str, language: str = "en") -> Row:
    """Begin a payment on the provider's page; the answer's `url` is where the payer goes.

    Args:
        amount: within the limits of [payments].
        language: in which the provider's page shall be.
    """
    owner, settings = context.account(account), context.config.payments
    if not settings.page_url:
        raise OperationError("payments_off")
    micros, least, most = read_amount(amount), settings.least, settings.most
    if not parse_amount(least) <= micros <= parse_amount(most):
        raise OperationError("payment_out_of_range", least=least, most=most, amount=amount)
    now = context.now_ms()
    intent = Intent(secrets.token_hex(10), owner.id, micros, owner.currency, "open", "", now)
    IntentStore(context.billing.engine).add(intent)
    ours = context.config.portal.url
    url = page_address(
        settings.page_url, settings.secret, merchant=settings.merchant, order=intent.id,
        amount=format_amount(micros), currency=owner.currency, language=language,
        return_url=f"{ours}{RETURN_PATH}{intent.id}", callback_url=f"{ours}{CALLBACK_PATH}",
        at_seconds=now // 1000,
    )  # fmt: skip
    provider = urlsplit(settings.page_url).hostname or ""
    return _row(context, intent) | {"url": url, "provider": provider}


def payment_intent_show(context: Context, intent: str) -> Row:
    """A payment that was begun, and what became of it."""
    return _row(context, _intent(context, intent))


def payment_intent_list(
    context: Context,
    account: str | None = None,
    state: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Payments that were begun on the provider's page, the newest first.

    Args:
        state: open, paid or failed.
        before: those before the last row of the page before ("BEGUN_AT,ID").
    """
    owner = context.own_account(account)
    one_of("state", STATES, state)
    wanted = next((one for one in STATES if one == state), None)
    page = page_at(limit, None if before is None else read_cursor(before)) or Page(DEFAULT_ROWS)
    found = IntentStore(context.billing.engine).intents(page, owner, wanted)
    return [_row(context, one) for one in found]


def payment_intent_confirm(
    context: Context, intent: str, status: str, amount: str, currency: str, reference: str = ""
) -> Row:
    """Note what became of a payment; one that was paid is added to the balance, once however often
    it is told.

    Args:
        status: paid or failed; what was paid stays paid.
        amount, currency: what was paid: they must be what was asked for.
        reference: the provider's own name of the payment.
    """
    found = _intent(context, intent)
    one_of("status", ("paid", "failed"), status)
    store, now = IntentStore(context.billing.engine), context.now_ms()
    if status == "failed":
        store.settle(found, "failed", reference, now)
        return _row(context, _intent(context, intent))
    if (read_amount(amount), currency) != (found.amount_micros, found.currency):
        raise OperationError(
            "payment_differs", intent=found.id, amount=amount, currency=currency,
            asked=f"{format_amount(found.amount_micros)} {found.currency}",
        )  # fmt: skip
    context.do(TopUp(found.account_id, found.amount_micros, found.payment_id, now, METHOD))
    context.changes.accounts.add(found.account_id)
    store.settle(found, "paid", reference, now)
    return _row(context, _intent(context, intent))


def _intent(context: Context, intent_id: str) -> Intent:
    found = IntentStore(context.billing.engine).find(intent_id)
    if found is None or not context.owns(found.account_id):
        raise OperationError("payment_intent_not_found", intent=intent_id)
    return found


def _row(context: Context, intent: Intent) -> Row:
    """The provider's own name of the payment is for staff."""
    named = {} if context.actor.is_subscriber else {"reference": intent.reference or None}
    return {
        "id": intent.id,
        "account": intent.account_id,
        "amount": format_amount(intent.amount_micros),
        "currency": intent.currency,
        "state": intent.state,
        "payment_id": intent.payment_id,
        **named,
        "begun_at": show_stamp(intent.begun_at),
        "settled_at": None if intent.settled_at is None else show_stamp(intent.settled_at),
    }
