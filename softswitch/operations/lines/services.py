"""Supplementary services of lines: shown, set, forgotten; malicious calls marked and shown."""

from __future__ import annotations

import difflib

from msgspec import Struct

from billing.facts.cdr import Cdr, show_stamp
from billing.stores.store import CdrFilter
from softswitch.admission.decisions import decoded
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.statements import own_call
from softswitch.operations.context import Context, rented_numbers
from softswitch.operations.lines.pin_check import check_pin
from softswitch.subscribers.directory import Line
from softswitch.subscribers.last_calls import LastCall
from softswitch.subscribers.service_store import ServiceStore
from softswitch.subscribers.supplementary import KINDS, ServiceError, Setting, Supplementary

LONGEST_SETUP_MS = 14_400_000
"""Between a call's first leg and one that was added to it: a call may last so long."""
MARK_MS = 7 * 86_400_000
"""The greatest age of a call that the command line marks as malicious."""


def line_service_list(context: Context, number: str) -> list[Row]:
    services = context.line(number).services
    return [_row(name, services[name]) for name in KINDS]


def line_service_set(
    context: Context,
    number: str,
    service: str,
    value: list[str],
    seconds: int | None = None,
    pin: str | None = None,
) -> Row:
    """`value` is "on", "off", or the numbers that the service takes. A subscriber who opens a
    barring gives the line's PIN."""
    line = context.line(number)
    change = ServiceChange(service, value, seconds)
    return _save(context, line, service, _changed(context, line, line.services, change), pin)


class ServiceChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one service, as the arguments of `line_service_set` have it."""

    service: str
    value: list[str]
    seconds: int | None = None


def line_service_set_many(
    context: Context, number: str, changes: list[ServiceChange], pin: str | None = None
) -> list[Row]:
    """Change several services of a line, all or none of them; answers with all its services."""
    line = context.line(number)
    services = line.services
    for change in changes:
        services = _changed(context, line, services, change)
    opens = any(
        kind.locked and line.services[name].active and not services[name].active
        for name, kind in KINDS.items()
    )
    if opens:
        check_pin(context, line, pin)
    ServiceStore(context.billing.engine).save(line.id, services)
    context.changes.lines.add(line.id)
    return [_row(name, services[name]) for name in KINDS]


def _changed(
    context: Context, line: Line, services: Supplementary, change: ServiceChange
) -> Supplementary:
    """A line's services after a change. Raises OperationError."""
    service, value = change.service, change.value
    _known(service)
    try:
        if value in (["on"], ["off"]):
            return services.switched(service, value == ["on"])
        if not value:
            raise OperationError("service_value_needed")
        numbers = tuple(context.number(text) for text in value)
        if line.number in numbers and service != "caller_id":
            raise OperationError("target_is_own_number", line=line.number)
        if service == "caller_id":
            _check_rented(context, line, numbers)
        return services.given(service, numbers, change.seconds)
    except ServiceError as error:
        raise OperationError.of(error) from None


def line_service_clear(context: Context, number: str, service: str, pin: str | None = None) -> Row:
    """Reset a service to what it is for a new line."""
    line = context.line(number)
    _known(service)
    return _save(context, line, service, line.services.put(service, None), pin)


def line_mark(context: Context, number: str) -> Row:
    """Mark the last call to a line as malicious (C6)."""
    line = context.line(number)
    found = _last_call(context, line)
    if found is None:
        raise OperationError("caller_none", line=line.number)
    fresh = ServiceStore(context.billing.engine).mark(line.id, line.number, found, context.now_ms())
    # Who it was is for the operator's list alone: this may be run for the subscriber.
    return {
        "line": line.number,
        "call": found.call_id,
        "at": show_stamp(found.at),
        "result": "marked" if fresh else "was marked before",
    }


def call_mark(context: Context, account: str, call: str) -> Row:
    """Mark a call to one of an account's lines as malicious, by its record's id, within seven days
    (C6)."""
    owner = context.account(account)
    cdr, row = own_call(context, owner.id, call)
    line = _line_called(context, owner.id, cdr.called)
    if row["direction"] != "incoming" or line is None:
        raise OperationError("call_not_incoming", call=call)
    if cdr.setup_at < context.now_ms() - MARK_MS:
        raise OperationError("call_too_old", call=call, days=MARK_MS // 86_400_000)
    first = _first_leg(context, cdr)
    found = LastCall(
        cdr.call_id,
        first.calling,
        cdr.called,
        cdr.presented,
        cdr.setup_at,
        claimed=decoded(first.decisions).claimed,
    )
    fresh = ServiceStore(context.billing.engine).mark(line.id, line.number, found, context.now_ms())
    return {
        "line": line.number,
        "call": cdr.id,
        "at": show_stamp(cdr.setup_at),
        "result": "marked" if fresh else "was marked before",
    }


def _line_called(context: Context, account_id: int, number: str) -> Line | None:
    """The account's line that has a number, or at which it rings."""
    with context.billing.reading() as connection:
        rented = {n.number: n.line for n in rented_numbers(connection, [account_id])}
    line = context.directory.line_by_number(rented.get(number, number))
    return line if line is not None and line.account_id == account_id else None


def call_malicious(context: Context) -> list[Row]:
    """Every marked call with its true caller, the newest first."""
    return [
        {
            "marked_at": show_stamp(row.marked_at),
            "line": row.line,
            "calling": row.calling,
            "withheld": row.withheld,
            "claimed": row.claimed,
            "called": row.called,
            "at": show_stamp(row.at),
            "call": row.call_id,
        }
        for row in ServiceStore(context.billing.engine).marked()
    ]


def _last_call(context: Context, line: Line) -> LastCall | None:
    with context.billing.reading() as connection:
        rented = [n.number for n in rented_numbers(connection, [line.account_id])
                  if n.line == line.number]  # fmt: skip
    start = max(context.now_ms() - MARK_MS, line.since or 0)
    found: list[Cdr] = []
    for number in (line.number, *rented):
        cdrs = context.billing.cdrs(CdrFilter(start=start, number=number))
        found += [cdr for cdr in cdrs if cdr.called == number and cdr.sip_status not in (403, 404)]
    if not found:
        return None
    last = max(found, key=lambda cdr: cdr.setup_at)
    first = _first_leg(context, last)
    return LastCall(
        last.call_id,
        first.calling,
        last.called,
        last.presented,
        last.setup_at,
        claimed=decoded(first.decisions).claimed,
    )


def _first_leg(context: Context, leg: Cdr) -> Cdr:
    """The first leg of a forwarded call: it names the caller, the later ones who forwarded it."""
    if leg.direction != "forwarded":
        return leg
    around = CdrFilter(start=leg.setup_at - LONGEST_SETUP_MS, end=leg.setup_at + 1)
    legs = (cdr for cdr in context.billing.cdrs(around) if cdr.call_id == leg.call_id)
    return min(legs, key=lambda cdr: cdr.leg, default=leg)


def _check_rented(context: Context, line: Line, numbers: tuple[str, ...]) -> None:
    """A line calls only as a number that its account rents."""
    with context.billing.reading() as connection:
        rented = {item.number for item in rented_numbers(connection, [line.account_id])}
    for number in numbers:
        if number not in rented:
            raise OperationError(
                "number_not_rented_by_account", number=number, account=line.account_id
            )


def _known(service: str) -> None:
    if service not in KINDS:
        near = difflib.get_close_matches(service, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KINDS)}"
        raise OperationError(
            "setting_unknown", what="a line", noun="service", setting=service, hint=hint
        )


def _save(
    context: Context, line: Line, service: str, changed: Supplementary, pin: str | None
) -> Row:
    opens = line.services[service].active and not changed[service].active
    if KINDS[service].locked and opens:
        check_pin(context, line, pin)
    ServiceStore(context.billing.engine).save(line.id, changed)
    context.changes.lines.add(line.id)
    return {"line": line.number} | _row(service, changed[service])


def _row(name: str, setting: Setting) -> Row:
    return {
        "service": name,
        "on": setting.active,
        "numbers": list(setting.numbers),
        "seconds": setting.seconds,
    }
