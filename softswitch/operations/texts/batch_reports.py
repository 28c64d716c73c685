"""How long the texts of a batch took to arrive (B10), by carrier and state."""

from __future__ import annotations

from billing.facts.money import format_amount
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.texts.batches import own_batch
from softswitch.texting import batch_store
from softswitch.texting.batch_store import Arrivals
from softswitch.texting.text_figures import quantile


def sms_batch_report(context: Context, batch: str) -> list[Row]:
    """A batch's texts by carrier and state, with the seconds from submission to delivery."""
    found = own_batch(context, batch)
    with context.billing.reading() as connection:
        arrivals = batch_store.arrivals(connection, found.id)
    return [_row(one) for one in arrivals]


def _row(one: Arrivals) -> Row:
    return {
        "carrier": one.carrier or None,
        "state": one.state.value,
        "texts": one.texts,
        "segments": one.segments,
        "price": format_amount(one.price_micros),
        "median_seconds": quantile(one.milliseconds, 50),
        "p95_seconds": quantile(one.milliseconds, 95),
    }
