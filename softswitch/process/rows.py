"""Rows of live objects, for people and scripts."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.call.call import Call
from softswitch.control.values import Row


def call_row(call: Call) -> Row:
    """A live call for people and scripts."""
    record = call.record
    answered_at = record.answered_at
    return {
        "id": call.id,
        "state": call.state,
        "direction": record.direction,
        "account": record.account,
        "line": record.line,
        "calling": record.calling,
        "called": record.called,
        "trunk": record.trunk,
        "setup_at": show_stamp(record.setup_at),
        "answered_at": None if answered_at is None else show_stamp(answered_at),
        "seconds": call.talk_seconds,
        "paid_seconds": call.payers.paid_seconds,
        "codec": call.codec,
    }
