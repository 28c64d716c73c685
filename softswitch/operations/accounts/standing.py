"""The life of an account: its statuses, who changed them, and what each wants fulfilled first."""

from __future__ import annotations

import re
from datetime import date
from typing import get_args

from billing.facts.account import ACTIVE, APPROVED, CLOSED, TRANSITIONS, Account, Status
from billing.facts.authorization import ChangeStatus
from billing.facts.calendar import local_day
from billing.facts.cdr import show_stamp
from billing.stores import order_store, rental_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.scheduled import order_work
from softswitch.subscribers import profile
from softswitch.subscribers.profile import FieldError, read_date

PROOF_OF = {profile.PERSON: "identity", profile.COMPANY: "registration"}
"""The class of documents that says who an account is."""
_WHO = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
_REASON = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,256}")


def account_status(
    context: Context, account: str, status: str, reason: str = "", by: str = "operator"
) -> Row:
    """Give an account another status. It is approved when its fields are there and a document
    says who it is (C20), activated when its tenants' leases run long enough (C21)."""
    from softswitch.operations.accounts.accounts import account_row

    return account_row(change_status(context, context.account(account), status, reason, by))


def change_status(
    context: Context, owner: Account, status: str, reason: str = "", by: str = "operator"
) -> Account:
    """Raises OperationError when it can't be."""
    known: tuple[Status, ...] = get_args(Status)
    found = next((each for each in known if each == status), None)
    if found is None:
        raise OperationError("not_one_of", field="status", choices=tuple(known), value=status)
    if found in TRANSITIONS[owner.status]:
        _check(context, owner, found)
    command = ChangeStatus(owner.id, found, context.now_ms(), who(by), reason_given(reason))
    changed: Account = context.do(command)
    context.changes.accounts.add(owner.id)
    return changed


def account_history(context: Context, account: str) -> list[Row]:
    """The history of an account: each change with its author, oldest first."""
    return [
        {
            "at": show_stamp(change.at),
            "who": change.who,
            "what": change.what,
            "from": change.before,
            "to": change.after,
            "reason": change.reason,
        }
        for change in context.billing.changes(context.account(account).id)
    ]


def today(context: Context) -> date:
    """The operator's calendar day."""
    return local_day(context.now_ms(), context.config.switch.time_zone)


def coming_day(context: Context, text: str) -> str:
    """A day as typed, today or later, as an ISO date. Raises OperationError."""
    try:
        day = read_date(text, "the day")
    except FieldError as error:
        raise OperationError.of(error) from None
    if day < today(context):
        raise OperationError("date_past", what="the day", date=day)
    return day.isoformat()


def who(text: str) -> str:
    if _WHO.fullmatch(text) is None:
        raise OperationError("actor_malformed")
    return text


def reason_given(text: str) -> str:
    if _REASON.fullmatch(text) is None:
        raise OperationError("reason_malformed")
    return text


def _check(context: Context, owner: Account, status: str) -> None:
    if status == APPROVED:
        _check_identity(context, owner)
    elif status == ACTIVE and owner.status == APPROVED:
        _check_leases(context, owner)
    elif status == CLOSED:
        _check_nothing_runs(context, owner)


def _check_identity(context: Context, owner: Account) -> None:
    lacking = profile.missing(owner.kind, context.subscribers.fields(owner.id))
    if lacking:
        raise OperationError("account_incomplete", account=owner.id, fields=tuple(lacking))
    wanted = PROOF_OF.get(owner.kind, "identity")
    if wanted not in approved_kinds(context, owner.id):
        raise OperationError("account_lacks_document", account=owner.id, class_=wanted)


def _check_leases(context: Context, owner: Account) -> None:
    now = today(context)
    for line in context.directory.lines_of([owner.id]):
        ends_on = line.lease_ends_on
        if ends_on is not None and not profile.lease_is_long_enough(
            date.fromisoformat(ends_on), now
        ):
            raise OperationError(
                "lease_too_short", line=line.number, date=ends_on, months=profile.MIN_LEASE_MONTHS
            )


def _check_nothing_runs(context: Context, owner: Account) -> None:
    with context.billing.reading() as connection:
        rented = rental_store.rented(connection, [owner.id])
        ordered = order_store.orders(connection, [owner.id])
    if ordered:
        raise OperationError("account_has_order", account=owner.id, order=ordered[0].id)
    if owner.reserved_micros:
        raise OperationError("account_has_calls", account=owner.id)
    if rented:
        raise OperationError("account_has_rental", account=owner.id, number=rented[0].number)


def approved_kinds(context: Context, account_id: int) -> frozenset[str]:
    """The classes of documents that an account has approved and valid today."""
    zone = context.config.switch.time_zone
    return order_work.approved_kinds(context.billing, account_id, context.now_ms(), zone)
