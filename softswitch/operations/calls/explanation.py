"""The decisions on a call that isn't made, stage by stage, by the code that serves calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from billing.facts.assignment import Assignments
from billing.facts.coverage import Coverage, affordable_covered_ms, grown
from billing.facts.money import format_amount
from billing.facts.product import Destinations
from billing.facts.rating import charge
from billing.facts.tariff import Tariff, describe
from billing.stores import sales_store, tariff_store
from billing.stores.store import Store
from sip.message import Request
from sip.registrar import Binding
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import LineCaller
from softswitch.admission.credit import PricedRoute
from softswitch.admission.entitlement import Entitlements
from softswitch.admission.quoting import quote, quote_row, split
from softswitch.admission.routing import ToLine, ToService, direction_of_call, type_of_call
from softswitch.admission.settings import least_cost
from softswitch.control.values import Row
from softswitch.operations.context import Context, capped, changed_numbers, rented_numbers
from softswitch.operations.tariffs.tariffs import rate_row
from softswitch.services.answering import answering
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.stored_directory import StoredDirectory

_ASKING = Request.build("INVITE", b"sip:x", ((b"From", b"<sip:x@x>"),))
"""An INVITE that asks for nothing special."""


def explain_call(
    context: Context, line: Line, number: str, *, at_ms: int, seconds: int
) -> list[Row]:
    """A row for each stage: what it decided, or why it refused. Nothing is reserved or rung."""
    rows = [_row("authentication", f"line {line.number}, account {line.account_id}")]
    try:
        rows += _stages(context, line, number, at_ms, seconds)
    except Refusal as refusal:
        stage, _, why = refusal.rule.partition(": ")
        rows.append(_row(stage, f"refused with {refusal.status} {refusal.reason}: {why}"))
    return rows


def _stages(context: Context, line: Line, number: str, at_ms: int, seconds: int) -> list[Row]:
    stages = stages_of_call(context, line, at_ms)
    caller = LineCaller(line)
    dialled = stages.number(stages.wanted(line, number))
    rows = [_row("numbering", f"{dialled.number} ({dialled.kind})")]
    destination = stages.route(caller, dialled)
    kind = type_of_call(destination, stages.plan)
    direction = direction_of_call(caller, destination)
    if isinstance(destination, ToLine):
        where = _at_line(destination)
    elif isinstance(destination, ToService):
        where = f"the switch itself: {destination.name}"
    else:
        where = "trunks " + ", ".join(trunk.name for trunk in destination.trunks)
    rows.append(_row("routing", f"{where}; {direction}, {kind}"))
    priced = stages.price(caller, destination, _ASKING, at_ms, dialled.withheld)
    shown = priced.presented.presented
    what = f"shows {shown}" if shown else "withheld"
    rows.append(_row("caller_id", f"{what}: {priced.presented.rule}"))
    return [*rows, *_costs(priced, at_ms, seconds), *_credit(context, priced, at_ms, seconds)]


def _at_line(destination: ToLine) -> str:
    line, kind = destination.line, destination.forward
    where = f"line {destination.number}, {len(destination.bindings)} phones registered"
    if destination.reach is not None:
        reach, number = destination.reach
        how = " then " if reach.in_turn else " and "
        return f"number {number}: to " + how.join(target.value for target in reach.targets)
    if kind is not None:
        forward = line.services.forward(kind)
        onward = "its mailbox" if forward is None else forward.numbers[0]
        return f"line {destination.number}, {kind}: to {onward}"
    if line.mailbox is not None:
        return f"{where}, then its mailbox ({', '.join(line.mailbox.takes)})"
    return where


def quote_call(context: Context, line: Line, number: str, *, at_ms: int, seconds: int) -> Row:
    """The price of a line's call, and the trunk it would take. Raises Refusal."""
    stages = stages_of_call(context, line, at_ms)
    caller = LineCaller(line)
    dialled = stages.number(stages.wanted(line, number))
    destination = stages.route(caller, dialled)
    priced = stages.price(caller, destination, _ASKING, at_ms, dialled.withheld)
    row: Row = {"number": dialled.number}
    if priced.rate is None:
        return row | {"tariff": None, "seconds": seconds, "billed_seconds": 0, "price": "0.00"}
    coverage, _ = _coverage(context, priced, at_ms, seconds)
    asked = quote(priced.rate, seconds, at_ms, coverage, priced.costs)
    return row | {"tariff": asked.rate.tariff, **rate_row(asked.rate), **quote_row(asked)}


def _costs(priced: PricedRoute, at_ms: int, seconds: int) -> list[Row]:
    """The trunks with what each charges us, in the order in which they are tried."""
    rows = []
    for item in priced.costs:
        if item.rate is None:
            said = f"{item.trunk.name}: no tariff"
        else:
            cost = format_amount(charge(item.rate, seconds * 1000, at_ms).price_micros)
            said = f"{item.trunk.name}: {cost} {item.rate.currency} for {seconds} s"
        rows.append(_row("cost", said + (", at a loss" if item.at_a_loss else "")))
    return rows


def stages_of_call(context: Context, caller: Line, at_ms: int) -> Stages:
    """The stages of admission over the database as it is, for what asks of one call and places
    none: other lines, their accounts and phones are read when they are asked for."""
    assignments = Assignments()

    def read(line: Line) -> None:
        account = context.billing.account(line.account_id)
        if account is not None:
            directory.put_account(account.id, account.status)
            assignments.put_account(account.id, account.tariff)

    directory = StoredDirectory(context.directory, read)
    directory.put_lines([caller])
    read(caller)

    def phones(line: Line) -> tuple[Binding, ...]:
        return tuple(context.directory.bindings(at_ms / 1000, logins=[line.login]))

    return _stages_over(context, at_ms, directory, assignments, phones)


def stages_of(context: Context, at_ms: int) -> Stages:
    """Likewise for what asks of many numbers: every line is in memory."""
    directory = context.directory.load()
    assignments = Assignments()
    for part in context.billing.account_terms():
        for account_id, status, tariff in part:
            directory.put_account(account_id, status)
            assignments.put_account(account_id, tariff)
    by_login: dict[str, list[Binding]] = {}
    for binding in context.directory.bindings(at_ms / 1000):
        by_login.setdefault(binding.aor, []).append(binding)
    return _stages_over(
        context, at_ms, directory, assignments, lambda line: tuple(by_login.get(line.login, ()))
    )


def _stages_over(
    context: Context,
    at_ms: int,
    directory: Directory,
    assignments: Assignments,
    phones: Callable[[Line], tuple[Binding, ...]],
) -> Stages:
    with context.billing.reading() as connection:
        directory.rented.put(rented_numbers(connection))
        assignments.put(tariff_store.assignments(connection))
    for caps, spent in capped(context.billing, context.directory, at_ms):
        directory.caps.put(caps, spent)
    directory.changed_numbers = changed_numbers(context.billing)
    return Stages(
        directory,
        context.plan,
        _Tariffs(context.billing),
        assignments,
        phones,
        lambda line: 0,
        _entitlements(context),
        services=answering(context.config.codes.by_code()),
        stars=context.config.codes.star_codes(),
        least_cost=least_cost(context.config.trunks),
        last_caller=context.config.codes.last_caller,
    )


class _Tariffs(Mapping[str, Tariff]):
    """Those that are asked for: a price list may have a million rates."""

    def __init__(self, billing: Store) -> None:
        self._billing = billing
        self._known: dict[str, Tariff] = {}

    def __getitem__(self, name: str) -> Tariff:
        if name not in self._known:
            found = self._billing.tariffs(name)
            if not found:
                raise KeyError(name)
            self._known[name] = found[0]
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _entitlements(context: Context) -> Entitlements:
    with context.billing.reading() as connection:
        return Entitlements(
            sales_store.subscriptions(connection, None),
            Destinations(sales_store.destinations(connection)),
        )


def _credit(context: Context, priced: PricedRoute, at_ms: int, seconds: int) -> list[Row]:
    rate = priced.rate
    if rate is None or rate.free:
        return [_row("tariff", "free of charge"), _row("longest call", "without a limit")]
    account = context.account(priced.account_id)
    coverage, rows = _coverage(context, priced, at_ms, seconds)
    asked = quote(rate, seconds, at_ms, coverage, priced.costs)
    parts = split(asked)
    rows += [
        _row("tariff", f"{rate.tariff}: {describe(asked.rate)}"),
        _row(
            "price",
            f"{format_amount(asked.price.price_micros)} {rate.currency} for {seconds} s "
            f"({asked.price.billed_seconds} s billed{f': {parts}' if parts else ''})",
        ),
    ]
    available = account.available_micros
    if not account.is_active:
        rows.append(_row("credit", f"refused with 403: account {account.id} is {account.status}"))
    elif available is None:
        rows.append(_row("longest call", "without a limit (postpaid)"))
    else:
        longest_ms = affordable_covered_ms(rate, coverage, available, at_ms)
        longest = None if longest_ms is None else longest_ms // 1000
        if longest == 0:
            rows.append(_row("credit", "refused with 402: the balance pays for no part of it"))
        else:
            paid = "without a limit" if longest is None else f"{longest} s"
            rows.append(_row("longest call", f"{paid} for {format_amount(available)} available"))
    return rows


def _coverage(
    context: Context, priced: PricedRoute, at_ms: int, seconds: int
) -> tuple[Coverage, list[Row]]:
    """The seconds that packages would pay for, and a row for each package."""
    with context.billing.reading() as connection:
        owned = sales_store.subscriptions(connection, [priced.account_id])
    known = {item.id: item for item in owned}
    candidates = [known[key] for key in priced.packages]
    coverage, _ = grown(Coverage(priced.packages), candidates, at_ms, seconds * 1000)
    rows = [
        _row("package", f"{cover.product}: pays for {cover.held_ms // 1000} s")
        for cover in coverage.covers
    ]
    return coverage, rows


def _row(stage: str, decision: str) -> Row:
    return {"stage": stage, "decision": decision}
