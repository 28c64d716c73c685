"""Columns of a price list by their headers: our own names, and those of carriers' rate sheets."""

from __future__ import annotations

import re
from collections.abc import Sequence

REQUIRED = (
    "prefix",
    "destination",
    "connect_fee",
    "per_minute",
    "initial_increment",
    "increment",
)
OPTIONAL = ("effective_from", "grace_seconds", "minimum", "interval")
EXPECTED = ",".join(REQUIRED) + "[," + ",".join(OPTIONAL) + "]"

IGNORED = "ignored"
_NAMES: dict[str, tuple[str, ...]] = {
    "prefix": ("prefix", "prefixes"),
    "code": ("code", "codes", "dialcode", "dialcodes", "dialingcode", "areacode", "areacodes"),
    "country_code": ("countrycode",),
    "destination": ("destination", "destinationname", "name", "description", "area", "zone"),
    "connect_fee": (
        "connectfee", "connectioncost", "connectcost", "connectionfee", "connectioncharge",
        "setupfee", "setupcharge",
    ),
    "per_minute": (
        "perminute", "costmin", "costperminute", "costperminutes", "ratemin", "rateperminute",
        "permin", "pricemin", "priceperminute", "priceperminutes", "price",
    ),
    "rate": ("rate", "rates"),
    "rate_unit": ("rateunit",),
    "initial_increment": ("initialincrement", "initialblock", "firstincrement"),
    "increment": ("increment", "rateincrement", "subsequentincrement", "nextincrement"),
    "increments": ("billingincrement", "billingincrements", "increments", "rounding"),
    "group_start": ("groupintervalstart",),
    "effective_from": ("effectivefrom", "effectivedate", "effective", "validfrom", "startdate"),
    "grace_seconds": ("graceseconds", "gracetime", "graceperiod"),
    "minimum": ("minimum", "minimumcost", "mincost", "minimumcharge"),
    "interval": ("interval", "timeinterval"),
    IGNORED: (
        "priority", "comment", "comments", "notes", "note", "status", "change", "changes", "id",
        "country", "region", "iso", "currency", "type", "oldrate", "previousrate", "trunk",
    ),
}  # fmt: skip
_MEANINGS = {name: meaning for meaning, names in _NAMES.items() for name in names}
"""Names without blanks, dots and strokes, to what they mean."""
_DEFAULTS = {"destination": "", "connect_fee": "0"}
"""Columns that a carrier's sheet may leave out. Increments never: a wrong guess would be billed."""


def read_header(cells: Sequence[str]) -> tuple[list[str], str | None]:
    """The meaning of each column, and the errors of the header."""
    meanings: list[str] = []
    for cell in cells:
        meaning = _meaning(cell)
        if meaning is None:
            return [], f"the header has an unknown column {cell.strip()!r}; known are {EXPECTED}"
        meanings.append(meaning)
    named = [meaning for meaning in meanings if meaning != IGNORED]
    doubled = next((name for name in named if named.count(name) > 1), None)
    if doubled is not None:
        return [], f"the header names {doubled} twice"
    missing = [column for column in REQUIRED if not _given(column, meanings)]
    if missing:
        return [], f"the header lacks {', '.join(missing)}; it must be {EXPECTED}"
    return meanings, None


def _meaning(cell: str) -> str | None:
    name = re.sub(r"[^a-z0-9]", "", cell.lower())
    if name in _MEANINGS:
        return _MEANINGS[name]
    return next((meaning for known, meaning in _MEANINGS.items() if _alike(name, known)), None)


LEAST_LETTERS = 5
"""Letters from which on a name is matched despite a typing error: a shorter one may become another
name."""


def _alike(name: str, known: str) -> bool:
    """True if one letter was left out, doubled or mistaken."""
    if min(len(name), len(known)) < LEAST_LETTERS:
        return False
    return not _shortened(name).isdisjoint(_shortened(known))


def _shortened(name: str) -> set[str]:
    """The name, and it without any one of its letters."""
    return {name} | {name[:place] + name[place + 1 :] for place in range(len(name))}


def _given(column: str, meanings: Sequence[str]) -> bool:
    if column in meanings:
        return True
    if column == "prefix":
        return "code" in meanings
    if column == "per_minute":
        return "rate" in meanings
    if column == "initial_increment" and "group_start" in meanings:
        return "increment" in meanings
    if column in ("initial_increment", "increment"):
        return "increments" in meanings
    return column in _DEFAULTS and is_carriers(meanings)


def is_carriers(meanings: Sequence[str]) -> bool:
    """True if the sheet has columns that only carriers' sheets have."""
    return not {"code", "rate", "increments", "group_start"}.isdisjoint(meanings)


def filled(row: dict[str, str]) -> dict[str, str]:
    """A row with what it may leave out."""
    return {**_DEFAULTS, **row}
