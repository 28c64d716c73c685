"""Registration of a person or a company, with its data and its lines (C16-C18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from billing.facts.account import Account, Change
from billing.facts.authorization import AddAccount, BillingError
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.errors.coded import CodedError
from softswitch.operations.accounts.accounts import account_row, opening
from softswitch.operations.accounts.standing import today, who
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import line_added, line_of_applicant
from softswitch.operations.money.bills import schedule_bills
from softswitch.operations.refusals import refusal_of
from softswitch.subscribers import profile
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import add_lines
from softswitch.subscribers.subscriber_store import set_fields

UNIQUE = ("national_code", "registration_number")
"""Fields that say who an account is: no two accounts have the same."""
MAX_LINES = 20


class LineWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a registration; a user who isn't the owner gives the end of the lease."""

    number: str
    lease_ends_on: str | None = None


def registration_check(context: Context, kind: str, fields: dict[str, str]) -> list[Row]:
    """What is wrong with the fields of a registration, as `{"field", "code", "facts"}`; nothing if
    the list is empty. A code that another account has is `field_taken`, whoever has it."""
    return [
        {"field": key, "code": error.code, "facts": dict(_facts(error))}
        for key, error in _faults(context, kind, fields)
    ]


def account_register(
    context: Context,
    kind: str,
    fields: dict[str, str],
    name: str | None = None,
    lines: list[LineWanted] | None = None,
    by: str = "operator",
) -> Row:
    """Register a person or a company with all its data and its lines, or nothing of it: one
    transaction. It waits to be approved and activated.

    Args:
        name: of a company; a person's are the first name and the surname.
    """
    _, error = next(_faults(context, kind, fields), ("", None))
    if error is not None:
        raise OperationError.of(error)
    if len(lines or ()) > MAX_LINES:
        raise OperationError("entries_too_many", most=MAX_LINES, what="lines")
    wanted = [line_of_applicant(context, each.number, each.lease_ends_on) for each in lines or ()]
    read = _read(context, kind, fields)
    called = name or " ".join(read.get(key, "") for key in ("first_name", "surname"))
    command = opening(context, called, kind, registered=True)
    owner, made = _store(context, command, read, [line for line, _ in wanted], who(by))
    schedule_bills(context)
    context.changes.accounts.add(owner.id)
    rows = [
        line_added(context, line, owner) | {"password": secret}
        for line, (_, secret) in zip(made, wanted, strict=True)
    ]
    return account_row(owner) | {"lines": rows}


def _store(
    context: Context, command: AddAccount, fields: Mapping[str, str], lines: list[Line], by: str
) -> tuple[Account, list[Line]]:
    """The account and its lines, with their ids."""
    try:
        with context.billing.engine.begin() as connection:
            (owner,) = context.billing.apply_within(connection, [command])
            if isinstance(owner, BillingError):
                raise refusal_of(owner)
            changes = [
                Change(owner.id, command.at, by, key, "", value, "registered")
                for key, value in fields.items()
            ]
            set_fields(connection, owner.id, fields, changes)
            own = [replace(line, account_id=owner.id) for line in lines]
            ids = add_lines(connection, own) if own else []
    except IntegrityError:
        raise OperationError("registration_raced") from None
    return owner, [replace(line, id=key) for line, key in zip(own, ids, strict=True)]


def _faults(
    context: Context, kind: str, fields: Mapping[str, str]
) -> Iterator[tuple[str, CodedError]]:
    if kind not in profile.KINDS:
        yield (
            "kind",
            OperationError("account_kind_unknown", known=tuple(profile.KINDS), value=kind),
        )
        return
    country, day = context.config.switch.country, today(context)
    for key, text in fields.items():
        if key not in profile.FIELDS:
            yield key, OperationError("field_unknown", field=key)
            continue
        try:
            value = profile.read_field(kind, key, text, country, day)
        except CodedError as error:
            yield key, error
            continue
        if key in UNIQUE and context.subscribers.holder_of(key, value) is not None:
            yield key, OperationError("field_taken", field=key)
    for key in profile.missing(kind, fields):
        yield key, OperationError("field_missing", field=key)


def _read(context: Context, kind: str, fields: Mapping[str, str]) -> dict[str, str]:
    country, day = context.config.switch.country, today(context)
    return {key: profile.read_field(kind, key, text, country, day) for key, text in fields.items()}


def _facts(error: CodedError) -> Iterator[tuple[str, str | int | list[str]]]:
    for key, fact in error.facts.items():
        yield key, list(fact) if isinstance(fact, tuple) else fact
