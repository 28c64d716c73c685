"""The decisions for an ended call, from its records: last month's as well as today's."""

from __future__ import annotations

from collections.abc import Iterator

from billing.facts.cdr import Cdr, show_stamp
from billing.facts.money import format_amount
from billing.stores import cdr_search
from sip.errors import REASONS
from softswitch.admission.decisions import (
    ANSWERED,
    GIVEN_UP,
    NO_ANSWER,
    PHONES,
    Decisions,
    decoded,
)
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context

_ENDED_BY = {
    "caller": "the caller hung up",
    "callee": "the called side hung up",
    "credit": "the money was used up",
    "timer": "the longest time was reached, or the session timer ran out",
    "media_timeout": "no sound came any more",
    "operator": "an operator ended it, or the switch had to",
    "restart": "the switch was restarted",
}


def explain_past_call(context: Context, call: str) -> list[Row]:
    """The decisions of a call that is over, leg by leg; `call` is its id, or a record's."""
    call_id = call.strip()
    if call_id[-2:-1] == "-":
        call_id = call_id[:-2]
    with context.billing.reading() as connection:
        records = cdr_search.of_call(connection, call_id)
    if not records:
        raise OperationError("cdr_not_found", call=call)
    return [
        {"leg": cdr.leg, "stage": stage, "decision": decision}
        for cdr in records
        for stage, decision in _told(cdr)
    ]


def _told(cdr: Cdr) -> Iterator[tuple[str, str]]:
    decisions = decoded(cdr.decisions)
    yield "call", _who_called_whom(cdr)
    shown = f"shown as {cdr.presented}" if cdr.presented else "not shown"
    if decisions.shown:
        yield "caller_id", f"{shown}: {decisions.shown}"
    for name, why in decisions.left:
        yield "routing", f"trunk {name} wasn't tried: {_WHY_LEFT.get(why, why)}"
    for name, status in decisions.tried:
        yield "ringing", _outcome(name, status)
    if cdr.answered_at is not None:
        yield "price", _price(cdr)
    yield "end", _end(cdr, decisions)


_WHY_LEFT = {
    "down": "it didn't answer its pings",
    "no price": "its tariff has no price for the number",
    "at a loss": "it costs more than the caller pays",
}


def _who_called_whom(cdr: Cdr) -> str:
    dialled = "" if cdr.called_dialled == cdr.called else f" (dialled as {cdr.called_dialled})"
    return (
        f"{cdr.calling or 'a withheld number'} called {cdr.called or 'nobody'}{dialled} at "
        f"{show_stamp(cdr.setup_at)}; {cdr.direction}, {cdr.type}"
    )


def _outcome(name: str, status: int) -> str:
    who = "the line's phones" if name == PHONES else f"trunk {name}"
    if status == ANSWERED:
        return f"{who} answered the call"
    if status == GIVEN_UP:
        return f"{who} rang until the caller gave up"
    if status == NO_ANSWER:
        return f"{who} didn't answer in time"
    return f"{who} refused with {status} {REASONS.get(status, '')}".rstrip()


def _price(cdr: Cdr) -> str:
    if cdr.tariff is None:
        return "free of charge"
    by = f" by package {cdr.package}" if cdr.package else ""
    return (
        f"{format_amount(cdr.price_micros)} {cdr.currency} for {cdr.billed_seconds} s billed{by}: "
        f"tariff {cdr.tariff}, prefix {cdr.prefix or 'none'}"
    )


def _end(cdr: Cdr, decisions: Decisions) -> str:
    rule = f": {decisions.rule}" if decisions.rule else ""
    if cdr.answered_at is not None:
        ended = _ENDED_BY.get(cdr.ended_by, cdr.ended_by)
        return f"after {cdr.duration_ms / 1000:.0f} s {ended}{rule}"
    if cdr.sip_status == GIVEN_UP and cdr.ended_by == "caller":
        return f"the caller gave up after {cdr.ring_ms / 1000:.0f} s of ringing"
    return f"refused with {cdr.sip_status} {REASONS.get(cdr.sip_status, '')}".rstrip() + rule
