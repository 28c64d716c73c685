"""The stop list, and the contract that a business accepts before it sends (B2)."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_at, read_cursor
from softswitch.operations.texts.phones import Phones
from softswitch.texting import client_store, contracts, stops
from softswitch.texting.contracts import Contract
from softswitch.texting.stops import Stop


def sms_stop_add(context: Context, account: str, phone: str) -> Row:
    """Send no more batches of an account to a phone; what waits for it is taken back."""
    owner = context.account(account)
    by: stops.By = "subscriber" if context.actor.is_subscriber else "operator"
    made = Stop(owner.id, Phones(context).read(phone), context.now_ms(), by)
    with context.billing.engine.begin() as connection:
        kept = stops.add(connection, made)
    context.changes.texts = True
    return stop_row(kept)


def sms_stop_list(
    context: Context,
    account: str | None = None,
    search: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """The stop list, the newest first.

    Args:
        search: how the phone begins.
        before: the last row of the page before, as TIME,PHONE.
    """
    owner = context.own_account(account)
    page = page_at(limit, None if before is None else read_cursor(before)) or Page(DEFAULT_ROWS)
    with context.billing.reading() as connection:
        return [stop_row(stop) for stop in stops.page(connection, owner, page, search)]


def sms_stop_remove(context: Context, account: str, phone: str) -> Row:
    """Take a phone off the stop list, because its owner wants texts again."""
    owner = context.account(account)
    number = Phones(context).read(phone)
    with context.billing.engine.begin() as connection:
        if not stops.remove(connection, owner.id, number):
            raise OperationError("sms_stop_not_found", phone=number)
    return {"account": owner.id, "phone": number, "removed": True}


def sms_contract_accept(context: Context, account: str) -> Row:
    """Accept the conditions of bulk texts for an account; sending is shut until then.

    The user, the time and the address of the request are kept.
    """
    owner = context.account(account)
    made = Contract(
        owner.id,
        context.config.sms.terms,
        context.now_ms(),
        context.actor.user,
        context.actor.address,
    )
    with context.billing.engine.begin() as connection:
        contracts.accept(connection, made)
    context.changes.texts = True
    return sms_contract_show(context, str(owner.id))


def sms_contract_show(context: Context, account: str) -> Row:
    """An account's right to send: the operator's grant, and its contract."""
    owner = context.account(account)
    terms = context.config.sms.terms
    with context.billing.reading() as connection:
        granted = client_store.is_granted(connection, owner.id)
        found = contracts.accepted(connection, owner.id, terms)
    return {
        "account": owner.id,
        "granted": granted,
        "terms": terms,
        "accepted_at": None if found is None else show_stamp(found.accepted_at),
        "accepted_by": None if found is None else found.accepted_by,
        "address": None if found is None else found.address or None,
    }


def stop_row(stop: Stop) -> Row:
    """A row of the stop list as it is shown."""
    return {
        "account": stop.account_id,
        "phone": stop.number,
        "stopped_at": show_stamp(stop.stopped_at),
        "by": stop.by,
    }
