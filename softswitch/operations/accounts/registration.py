"""Registration of a person or a company, with its data and its lines (C16-C18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from billing.facts.account import CLOSED, REGISTERED, Account, Change
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.errors.coded import CodedError
from softswitch.operations.accounts.accounts import account_add
from softswitch.operations.accounts.standing import change_status, today, who
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import line_add, line_remove
from softswitch.operations.numbers.free_numbers import check_free
from softswitch.subscribers import profile

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
    """Register a person or a company with all its data and its lines, or nothing of it: what fails
    after the account was opened closes it again. It waits to be approved and activated.

    Args:
        name: of a company; a person's are the first name and the surname.
    """
    _, error = next(_faults(context, kind, fields), ("", None))
    if error is not None:
        raise OperationError.of(error)
    wanted = lines or []
    if len(wanted) > MAX_LINES:
        raise OperationError("entries_too_many", most=MAX_LINES, what="lines")
    for line in wanted:
        number = context.number(line.number)
        if context.directory.line_by_number(number) is not None:
            raise OperationError("number_has_line_already", number=number)
        check_free(context, number, 0)
    read = _read(context, kind, fields)
    called = name or " ".join(read.get(key, "") for key in ("first_name", "surname"))
    made = account_add(context, called, kind, registered=True)
    owner = context.account(str(made["id"]))
    now = context.now_ms()
    changes = [Change(owner.id, now, who(by), key, "", read[key], "registered") for key in read]
    context.subscribers.set_fields(owner.id, read, changes)
    return made | {"status": REGISTERED, "lines": _add_lines(context, owner, wanted, by)}


def _add_lines(context: Context, owner: Account, wanted: list[LineWanted], by: str) -> list[Row]:
    made: list[Row] = []
    try:
        for line in wanted:
            made.append(
                line_add(context, line.number, str(owner.id), lease_ends_on=line.lease_ends_on)
            )
    except OperationError:
        for row in made:
            line_remove(context, str(row["number"]))
        change_status(context, owner, CLOSED, "the registration failed", by)
        raise
    return made


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
