"""Figures of texts for operators: the queue, and the times of delivery (B10)."""

from __future__ import annotations

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.texting import text_figures
from softswitch.texting.message import State
from softswitch.texting.text_figures import Deliveries, quantile

HOUR_MS = 3_600_000
MAX_HOURS = 24 * 31


def sms_queue(context: Context) -> Row:
    """The numbers of texts that wait for carriers, receipts and phones, and the longest wait."""
    now = context.now_ms()
    with context.billing.reading() as connection:
        found = text_figures.waiting(connection, now)
    oldest = found.oldest_due_at
    return {
        "for_carriers": found.for_carriers,
        "oldest_seconds": None if oldest is None else round((now - oldest) / 1000, 1),
        "scheduled": found.scheduled,
        "sending": found.sending,
        "for_receipts": found.for_receipts,
        "for_phones": found.for_phones,
    }


def sms_deliveries(context: Context, hours: int = 24) -> list[Row]:
    """Texts of the last hours by carrier, with the seconds from its acceptance to the delivery."""
    if not 1 <= hours <= MAX_HOURS:
        raise OperationError(
            "whole_number_range", field="hours", least=1, most=MAX_HOURS, value=hours
        )
    since = context.now_ms() - hours * HOUR_MS
    with context.billing.reading() as connection:
        return [_row(one) for one in text_figures.deliveries(connection, since)]


def _row(one: Deliveries) -> Row:
    counted = (State.SENT, State.DELIVERED, State.FAILED, State.EXPIRED, State.UNKNOWN)
    return {
        "carrier": one.carrier,
        "texts": sum(one.states.values()),
        **{state.value: one.states.get(state, 0) for state in counted},
        "p50_seconds": quantile(one.milliseconds, 50),
        "p99_seconds": quantile(one.milliseconds, 99),
    }
