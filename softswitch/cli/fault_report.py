"""The facts of a fault report as three short tables: registrations, failed calls, and sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from softswitch.cli.session import Session
from softswitch.control.values import Row, Value, as_rows

SIDES = ("caller", "callee")


def show_request(session: Session, request: Row) -> None:
    """Show a request; to people and pipes a fault report's facts are tables below it."""
    facts = request.get("facts")
    if not session.is_plain or request["kind"] != "fault" or not isinstance(facts, Mapping):
        session.show(request)
        return
    rest: Row = {key: value for key, value in request.items() if key != "facts"}
    session.show(rest | ({"line_status": facts["status"]} if "status" in facts else {}))
    tables = {
        "registrations": [*_registrations(facts)],
        "calls": [*_calls(facts)],
        "sound": [*_sound(facts)],
    }
    for title, rows in tables.items():
        if facts:
            print(f"\n{title}" if rows else f"\n{title}: none")
            if rows:
                session.show(rows)


def _rows(facts: Mapping[str, Value], name: str) -> list[Row]:
    return [dict(row) for row in as_rows(facts.get(name) or [])]


def _registrations(facts: Mapping[str, Value]) -> Iterator[Row]:
    for row in _rows(facts, "registrations"):
        yield {
            "at": row.get("registered_at"),
            "source": row.get("source"),
            "user_agent": row.get("user_agent"),
            "result": "registered",
        }
    for row in _rows(facts, "refused_registrations"):
        yield {
            "at": row.get("last_at"),
            "source": row.get("source"),
            "user_agent": row.get("user_agent"),
            "result": f"{row.get('status')}: {row.get('reason')} ({row.get('times')} times)",
        }


def _calls(facts: Mapping[str, Value]) -> Iterator[Row]:
    for row in _rows(facts, "failures"):
        yield {key: row.get(key) for key in ("at", "calling", "called", "sip_status", "ended_by")}


def _sound(facts: Mapping[str, Value]) -> Iterator[Row]:
    """One row for each side of each call."""
    for row in _rows(facts, "media"):
        for side in SIDES:
            heard = cast("Row", row.get(side) or {})
            yield {
                "at": row.get("at"),
                "from": side,
                "seconds": row.get("seconds"),
                "packets": heard.get("packets"),
                "lost": heard.get("lost"),
                "jitter_ms": heard.get("jitter_ms"),
                "mos": heard.get("mos"),
                "one_way": heard.get("one_way"),
            }
