"""Errors of calls."""

from __future__ import annotations

from softswitch.errors.entry import Entry

CALLS = {
    "call_ambiguous": Entry(
        "several calls begin with {call!r}; `softswitch call list` shows them", "conflict", "call"
    ),
    "call_not_found": Entry(
        "there is no call {call!r}; `softswitch call list` shows them", "not_found", "call"
    ),
    "call_record_ambiguous": Entry(
        "several calls begin with {call!r}; `softswitch cdr list` shows ids of calls",
        "conflict",
        "call",
    ),
    "cdr_not_found": Entry(
        "there is no record of a call {call!r}; `softswitch cdr list` shows ids of calls",
        "not_found",
        "call",
    ),
    "call_record_not_found": Entry(
        "no messages are kept of a call {call!r}; `softswitch cdr list` shows ids of calls",
        "not_found",
        "call",
    ),
}
