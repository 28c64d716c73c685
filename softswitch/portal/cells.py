"""Cells: a value of an operation's row as a page shows it, by the name of its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup, escape

from softswitch.portal import shown
from softswitch.portal.words import words

if TYPE_CHECKING:
    from softswitch.portal.visit import Visit

AMOUNTS = frozenset({
    "amount", "available", "balance", "charges", "connect_fee", "cost", "credit_limit",
    "credits", "debits", "fee",
    "left", "margin", "minimum", "monthly", "owed", "owes", "per_minute", "posted", "price",
    "reserved", "short", "spent", "spend_day", "spend_hour", "tax", "to_pay", "total", "was",
})  # fmt: skip
"""Columns of money, in the row's currency."""
DAYS = frozenset({
    "effective_from", "ends_on", "expected_by", "expected_from", "expires_on", "lease_ends_on",
    "planned_on", "day", "suspends_on",
})  # fmt: skip
MOMENTS = frozenset({"at", "health_since", "locked_until", "paid_until", "since", "until"})
"""Columns of times, beside those that end in `_at`."""
SECONDS = frozenset({"seconds", "billed_seconds", "paid_seconds", "ends_in_seconds"})
CODES = frozenset({
    "account", "actor", "address", "call", "call_id", "called", "calling", "cause", "contact",
    "email", "from", "host", "id", "line", "lines", "login", "mac", "number", "numbers", "old",
    "new", "object", "operation", "phone", "prefix", "prefixes", "presented", "reference",
    "source", "target", "to", "user_agent", "version", "payment_id", "sender", "text_id",
    "address_of_phone",
})  # fmt: skip
"""Columns that are read from left to right in every language."""
LONG = frozenset({"arguments", "cause", "contact", "object", "operation", "user_agent"})
"""Codes that may break anywhere."""
WORDED = frozenset({
    "class", "direction", "ended_by", "health", "kind", "outcome", "role", "state", "status",
    "type", "way", "what", "topic", "entrance", "prices", "discount", "method",
})  # fmt: skip
"""Columns of words that have a translation in the area `values`."""
TAGGED = frozenset({"state", "status", "health", "outcome"})
GOOD = frozenset({"active", "up", "done", "approved", "talking", "sent", "connected", "completed",
                  "accepted", "delivered", "item_done", "ready", "undone"})  # fmt: skip
BAD = frozenset({"item_faulty", "suspended", "down", "refused", "failed", "closed", "cancelled",
                 "disabled", "expired", "withdrawn"})  # fmt: skip
WAITING = frozenset({
    "pending", "waiting", "open", "requested", "submitted", "registered", "ringing", "documents",
    "disconnected", "resting", "rotating",
})  # fmt: skip
LINKS: Mapping[str, str] = {
    "account": "/op/customers/{}",
    "line": "/op/lines/{}",
    "call_id": "/op/call/{}",
    "call": "/op/call/{}",
}
"""The console's pages of what a column names."""


def cell(visit: Visit, row: Mapping[str, object], name: str, linked: bool = True) -> Markup:
    """A value of a row as HTML; `linked`: with the way to what it names."""
    value = row.get(name)
    if value is None or value == "" or value == []:
        return Markup("")
    staff = visit.visitor is not None and visit.visitor.is_staff
    link = LINKS.get(name) if linked and staff else None
    text = _shown(visit, row, name, value)
    if link is None or isinstance(value, (Mapping, list)):
        return text
    return Markup('<a href="{}">{}</a>').format(link.format(quote(str(value), safe="")), text)


def word(visit: Visit, value: object) -> str:
    """A value's word in the visitor's language; the value itself where there is none."""
    known = words(visit.language)
    for area in ("values", "columns", "call_types", "roles"):
        found = known.get(f"{area}.{value}")
        if isinstance(found, str):
            return found
    return str(value)


def column(visit: Visit, name: str) -> str:
    """The title of a column; its name where there is no text for it."""
    found = words(visit.language).get(f"columns.{name}")
    return found if isinstance(found, str) else name


def tone(value: object) -> str:
    """The class of a state's tag."""
    text = str(value)
    if text in GOOD:
        return "good"
    if text in BAD:
        return "bad"
    return "warn" if text in WAITING else ""


def _shown(visit: Visit, row: Mapping[str, object], name: str, value: object) -> Markup:
    language, zone = visit.language, visit.zone
    if isinstance(value, bool):
        return escape(word(visit, "true" if value else "false"))
    if name in AMOUNTS and not isinstance(value, int):
        return shown.money(value, row.get(f"{name}_currency") or row.get("currency"), language)
    if name in MOMENTS or name.endswith("_at"):
        return shown.moment(value, zone, language)
    if name in DAYS:
        return shown.day(value, zone, language)
    if name == "duration_ms" and isinstance(value, int):
        return shown.duration(value // 1000, language)
    if name in SECONDS:
        return shown.duration(value, language)
    if name in TAGGED:
        return Markup('<span class="tag {}">{}</span>').format(tone(value), word(visit, value))
    if name == "stage":
        return escape(word(visit, f"stage_{value}").removeprefix("stage_"))
    if name == "kind" and "amount" in row:
        entry = words(language).get(f"money.{value}")
        return escape(entry if isinstance(entry, str) else word(visit, value))
    if name == "service":
        return escape(visit.named("services", value))
    if name in WORDED:
        return escape(word(visit, value))
    if isinstance(value, int):
        return shown.ltr(value) if name in CODES else shown.count(value, language)
    return _plain(name, value)


def _plain(name: str, value: object) -> Markup:
    if isinstance(value, Mapping):
        pairs = [f"{key} {_flat(part)}" for key, part in value.items() if part not in (None, False)]
        return Markup('<bdi dir="ltr" class="wraps">{}</bdi>').format(", ".join(pairs))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Markup(", ").join(
            shown.ltr(part) if name in CODES else escape(_flat(part)) for part in value
        )
    if name in LONG:
        return Markup('<bdi dir="ltr" class="wraps">{}</bdi>').format(value)
    if name in CODES:
        return shown.ltr(value)
    return Markup('<span dir="auto">{}</span>').format(value)


def _flat(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {part}" for key, part in value.items() if part is not None)
    return str(value)


def functions(visit: Visit) -> dict[str, object]:
    """The functions of templates that show rows."""
    return {
        "cell": partial(cell, visit),
        "column": partial(column, visit),
        "word": partial(word, visit),
        "tone": tone,
        "is_amount": AMOUNTS.__contains__,
        "is_code": CODES.__contains__,
        "address": address,
        "plain_columns": plain_columns,
    }


def plain_columns(row: Mapping[str, object]) -> list[str]:
    """The columns of a record that are no tables themselves."""
    return [
        name for name, value in row.items()
        if not (isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping))
    ]  # fmt: skip


def address(path: str, row: Mapping[str, object]) -> str:
    """The path of a row's own page."""
    return path.format_map({name: quote(str(value), safe="") for name, value in row.items()})
