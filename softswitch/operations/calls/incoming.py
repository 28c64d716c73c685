"""Incoming calls of a number: the way that they would take, and what became of those of late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from billing.facts.calendar import day_start, local_day
from billing.facts.cdr import Cdr
from billing.stores import rental_store
from billing.stores.store import CdrFilter
from softswitch.admission.authentication import TrunkCaller
from softswitch.admission.numbering import Dialled
from softswitch.admission.routing import ToLine, route
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value
from softswitch.operations.accounts.standing import today
from softswitch.operations.context import Context, changed_numbers, rented_numbers
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.reach import Reach
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.rented import RentedNumber

MAX_DAYS = 92
_OUTSIDE = TrunkCaller(Trunk(0, "outside", "sip:outside.invalid", ()))
"""A caller of another network."""
_SCREENS = ("reject_anonymous", "call_filter")


def explain_incoming(context: Context, number: str) -> list[Row]:
    """The way of a call from outside to a number: a step in each row, as `{"code", "facts"}`.

    Decided by the code that routes calls, as of now: as if nobody talked, with the phones that are
    registered. `docs/operations.md` has the codes.
    """
    line, rented = _called(context, number)
    key = line.number if rented is None else rented.number
    directory = _directory(context, line, rented)
    found = context.directory.bindings(context.now_ms() / 1000, logins=[line.login])
    steps: list[Row] = []
    if rented is not None:
        steps.append(_step("rings_at_line", number=key, line=line.number))
    try:
        destination = route(
            _OUTSIDE,
            Dialled("e164", key),
            line,
            directory,
            tuple(found),
            parks=context.config.calls.park_seconds > 0
            or (bool(context.config.provisioning.push_url) and line.has_apps_to_wake),
            why_busy=line.services.why_busy(0),
        )
    except Refusal as refusal:
        facts: Row = {name: _plain(fact) for name, fact in refusal.facts.items()}
        return [*steps, _step("refused", status=refusal.status, error=refusal.code, **facts)]
    assert isinstance(destination, ToLine)
    return [*steps, *_steps(context, destination, len(found))]


def number_statistics(context: Context, number: str, days: int = 30) -> Row:
    """The calls to a number of the last days, day by day: how many, how many were answered, and the
    seconds of talk.

    Args:
        days: 1 to 92, today included.
    """
    if not 1 <= days <= MAX_DAYS:
        raise OperationError("days_out_of_range", most=MAX_DAYS)
    line, rented = _called(context, number)
    key = line.number if rented is None else rented.number
    zone, last = context.config.switch.time_zone, today(context)
    first = last - timedelta(days=days - 1)
    # Calls to the number's holder before are none of the present one's business.
    start = max(day_start(first, zone), _held_since(context, line, rented))
    cdrs = context.billing.cdrs(CdrFilter(start=start, number=key))
    sums = {first + timedelta(days=offset): [0, 0, 0] for offset in range(days)}
    for cdr in _attempts(cdrs, key):
        day = sums[local_day(cdr.setup_at, zone)]
        day[0] += 1
        day[1] += cdr.answered_at is not None
        day[2] += cdr.duration_ms // 1000
    calls, answered, seconds = (sum(day[at] for day in sums.values()) for at in range(3))
    return {
        "number": key,
        "calls": calls,
        "answered": answered,
        "answered_percent": round(100 * answered / calls, 1) if calls else None,
        "seconds": seconds,
        "days": [
            {"day": day.isoformat(), "calls": had[0], "answered": had[1], "seconds": had[2]}
            for day, had in sums.items()
        ],
    }


def _called(context: Context, number: str) -> tuple[Line, RentedNumber | None]:
    """The line of the actor's that a number rings at, and the rented number if it is one. Raises
    OperationError."""
    try:
        return context.line(number), None
    except OperationError:
        key = context.number(number)
    account = context.actor.account
    with context.billing.reading() as connection:
        rented = rented_numbers(connection, None if account is None else [account])
    for item in rented:
        line = context.directory.line_by_number(item.line) if item.number == key else None
        if line is not None and context.owns_line(line):
            return line, item
    raise OperationError("number_not_ringing", number=key)


def _directory(context: Context, line: Line, rented: RentedNumber | None) -> Directory:
    """What routing asks for calls to one line."""
    directory = Directory([line])
    owner = context.billing.account(line.account_id)
    if owner is not None:
        directory.put_account(owner.id, owner.status)
    if rented is not None:
        directory.rented.put([rented])
    directory.changed_numbers = changed_numbers(context.billing)
    return directory


def _steps(context: Context, destination: ToLine, phones: int) -> Iterator[Row]:
    line = destination.line
    for name in _SCREENS:
        if line.services.is_on(name):
            yield _step("screened", service=name)
    if destination.reach is not None:
        yield _targets(*destination.reach)
        return
    if destination.forward is not None:
        forward = line.services.forward(destination.forward)
        if forward is None:
            yield _step("mailbox", why=destination.forward)
        else:
            yield _step("forwarded", why=destination.forward, to=forward.numbers[0])
        return
    seconds = _ring_seconds(context, line)
    yield _step("phones_ring", line=line.number, phones=phones, seconds=seconds)
    for kind in ("busy", "no_answer", "unreachable"):
        forward = line.services.forward(kind)
        if forward is not None:
            yield _step("then_forwarded", why=kind, to=forward.numbers[0])
        elif line.mailbox is not None and kind in line.mailbox.takes:
            yield _step("then_mailbox", why=kind)


def _ring_seconds(context: Context, line: Line) -> int:
    own, mailbox = line.services.ring_seconds or line.no_answer_seconds, line.mailbox
    if own is None and mailbox is not None and "no_answer" in mailbox.takes:
        own = mailbox.ring_seconds or context.config.voicemail.ring_seconds
    return own or context.config.sip.no_answer_seconds


def _targets(reach: Reach, number: str) -> Row:
    return _step(
        "targets_ring",
        number=number,
        in_turn=reach.in_turn,
        greeting=reach.greeting is not None,
        targets=[
            {
                "kind": target.kind,
                "value": target.value,
                "confirm": target.confirm,
                "seconds": target.seconds,
            }
            for target in reach.targets
        ],
    )


def _held_since(context: Context, line: Line, rented: RentedNumber | None) -> int:
    """Epoch milliseconds; 0: for as long as there are records."""
    if rented is None:
        return line.since or 0
    with context.billing.reading() as connection:
        found = rental_store.rented(connection, [rented.account_id])
    return max((item.anchor_at for item in found if item.number == rented.number), default=0)


def _attempts(cdrs: list[Cdr], number: str) -> Iterator[Cdr]:
    """One record for each call: the first of its legs that was for the number, or the one that was
    answered."""
    best: dict[str, Cdr] = {}
    for cdr in cdrs:
        if cdr.called != number:
            continue
        known = best.get(cdr.call_id)
        if known is None or (known.answered_at is None and cdr.answered_at is not None):
            best[cdr.call_id] = cdr
    return iter(best.values())


def _step(code: str, **facts: Value) -> Row:
    return {"code": code, "facts": facts}


def _plain(fact: str | int | tuple[str, ...]) -> Value:
    return list(fact) if isinstance(fact, tuple) else fact
