"""Price lists as files: our own CSV and carriers' rate sheets, to rates."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from msgspec import structs

from billing.facts.calendar import instant
from billing.facts.money import MoneyError, parse_amount, round_half_up
from billing.facts.rate import Rate
from billing.facts.tariff import MAX_PREFIX_DIGITS, ON_NET, Key
from billing.formats import sheet_header

MAX_INCREMENT_SECONDS = 86_400
MAX_ERRORS = 100
"""More broken lines than this aren't listed."""
MAX_RANGE = 1000
"""Prefixes that a range like 380-389 stands for; more are a slip of the pen."""

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})", re.ASCII)
_COUNTRY_AND_AREAS = re.compile(r"\+?([0-9]{1,4})[ :]+([0-9][0-9,; -]*)", re.ASCII)
_SET_NAME = re.compile(r"@[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SECONDS = re.compile(r"([0-9]{1,6})(?:s|sec|m)?", re.ASCII)
_STEPS = re.compile(r"([0-9]{1,6}) ?[/|+] ?([0-9]{1,6})", re.ASCII)
_LONG_FRACTION = re.compile(r"([+-]?[0-9]+\.[0-9]{6})0+", re.ASCII)
_DATES = ("%d.%m.%Y", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y", "%d-%b-%y", "%b %d %Y", "%B %d %Y")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000) - datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class LineError:
    """An error in a line of a file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class TariffImport:
    """A price list that was read; with errors, nothing of it may be used.

    Args:
        lines: where each rate stands.
    """

    rates: tuple[Rate, ...]
    errors: tuple[LineError, ...]
    lines: Mapping[Key, int] = field(default_factory=dict)


class _Broken(ValueError):
    """An error in a cell."""


def read_csv(text: str, name: str, currency: str, zone: str = "UTC") -> TariffImport:
    """Read a price list; every broken line is reported with what to do about it.

    Args:
        zone: whose midnight a date without a time means.
    """
    text = text.removeprefix("\ufeff")
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header, problem = sheet_header.read_header([c.lstrip("#") for c in next(reader)])
    except StopIteration:
        problem = "the file is empty: it needs a header line"
    if problem:
        return TariffImport((), (LineError(1, problem),))
    sheet = _Sheet(header, name, currency, zone, decimal_comma=delimiter != ",")
    errors: list[LineError] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            sheet.add(cells, reader.line_num)
        except _Broken as broken:
            errors.append(LineError(reader.line_num, str(broken)))
            if len(errors) >= MAX_ERRORS:
                break
    if not sheet.rates and not errors:
        errors.append(LineError(reader.line_num, "the file has no rates"))
    return TariffImport(tuple(sheet.rates.values()), tuple(errors), sheet.lines)


def _delimiter(text: str) -> str:
    """The delimiter of the header's cells."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


class _Sheet:
    """The rates of the rows read so far."""

    def __init__(
        self, header: Sequence[str], name: str, currency: str, zone: str, *, decimal_comma: bool
    ) -> None:
        self._header = header
        self._common = {"tariff": name, "currency": currency}
        self._zone = zone
        self._decimal_comma = decimal_comma
        self.rates: dict[Key, Rate] = {}
        self.lines: dict[Key, int] = {}

    def add(self, cells: Sequence[str], line: int) -> None:
        """Read a row. Raises _Broken."""
        if len(cells) != len(self._header):
            raise _Broken(f"{len(cells)} cells under {len(self._header)} columns")
        read = zip(self._header, (cell.strip() for cell in cells), strict=True)
        row = sheet_header.filled(dict(read))
        if row.get("group_start", "0").rstrip("s") not in ("", "0"):
            self._continue(row, line)
            return
        facts = self._facts(row)
        fresh = [Rate(prefix=prefix, **facts) for prefix in _prefixes(row)]
        for rate in fresh:
            if rate.key in self.rates:
                raise _Broken(
                    f"prefix {rate.prefix} stands in line {self.lines[rate.key]} for the same date"
                )
            self.rates[rate.key] = rate
            self.lines[rate.key] = line

    # Any: the fields of a Rate by name, each of a type of its own.
    def _facts(self, row: dict[str, str]) -> dict[str, Any]:
        initial, increment = _increments(row)
        return {
            **self._common,
            "destination": row["destination"],
            "connect_fee_micros": self._money(row, "connect_fee"),
            "per_minute_micros": self._per_minute(row),
            "initial_increment_seconds": initial,
            "increment_seconds": increment,
            "grace_seconds": _seconds(row, "grace_seconds", 0) if row.get("grace_seconds") else 0,
            "effective_from": _date(row.get("effective_from", ""), self._zone),
            "minimum_micros": self._money(row, "minimum") if row.get("minimum") else 0,
            "interval": row.get("interval", "").lower(),
        }

    def _continue(self, row: dict[str, str], line: int) -> None:
        """A row that says how a prefix is billed after its first block."""
        start = _seconds(row, "group_start", 1)
        facts = self._facts(row)
        for prefix in _prefixes(row):
            rate = Rate(prefix=prefix, **facts)
            before = self.rates.get(rate.key)
            if before is None:
                raise _Broken(f"prefix {prefix} has no row from 0s on before this one")
            if before.per_minute_micros != rate.per_minute_micros:
                raise _Broken(
                    f"prefix {prefix} would cost another price after {start} s of a call; "
                    "a price may change by interval, not by length"
                )
            self.rates[rate.key] = structs.replace(
                before,
                initial_increment_seconds=start,
                increment_seconds=rate.increment_seconds,
            )
            self.lines[rate.key] = line

    def _per_minute(self, row: dict[str, str]) -> int:
        if "per_minute" in row:
            return self._money(row, "per_minute")
        unit = _seconds(row, "rate_unit", 1) if row.get("rate_unit") else 60
        return round_half_up(self._money(row, "rate") * 60, unit)

    def _money(self, row: dict[str, str], column: str) -> int:
        cell = row[column]
        if self._decimal_comma and cell.count(",") == 1 and "." not in cell:
            cell = cell.replace(",", ".")
        try:
            micros = parse_amount(_LONG_FRACTION.sub(r"\1", cell))
        except MoneyError as error:
            raise _Broken(f"{column}: {error}") from None
        if micros < 0:
            raise _Broken(f"{column} {cell!r} must not be negative")
        return micros


def _increments(row: dict[str, str]) -> tuple[int, int]:
    """The first block and the others: from columns of their own, or from a cell like 60/1."""
    if "increments" in row:
        found = _STEPS.fullmatch(row["increments"])
        if found is None:
            raise _Broken(f"increments {row['increments']!r} must be like 60/1")
        row = {**row, "initial_increment": found[1], "increment": found[2]}
    increment = _seconds(row, "increment", 1)
    if "initial_increment" not in row:
        return increment, increment
    return _seconds(row, "initial_increment", 1), increment


def _prefixes(row: dict[str, str]) -> list[str]:
    """One prefix, or several parted by commas or blanks, with or without "+"; ranges like
    380-389. Under a carrier's Code, what stands before a blank ("61 38,39") or in a column of its
    own is the country's, and goes before each of the others."""
    cell, country = row.get("prefix", ""), ""
    if "code" in row:
        cell, country = row["code"], row.get("country_code", "").removeprefix("+")
        found = None if "country_code" in row else _COUNTRY_AND_AREAS.fullmatch(cell)
        if found is not None:
            country, cell = found[1], found[2]
    parts = [part.removeprefix("+") for part in re.split(r"[,;\s]+", cell) if part]
    if not parts and country:
        parts = [""]
    if not parts:
        raise _Broken("prefix is empty: write digits such as 99532")
    return [_checked(country + one) for part in parts for one in _expand(part)]


def _expand(part: str) -> list[str]:
    found = _RANGE.fullmatch(part)
    if found is None:
        return [part]
    first, last = found[1], found[2]
    if len(first) != len(last) or not 0 <= int(last) - int(first) < MAX_RANGE:
        raise _Broken(f"prefix {part!r} is no range: write it like 380-389")
    return [str(one).zfill(len(first)) for one in range(int(first), int(last) + 1)]


def _checked(prefix: str) -> str:
    if prefix == ON_NET or _SET_NAME.fullmatch(prefix) is not None:
        return prefix
    if _DIGITS.fullmatch(prefix) is None or len(prefix) > MAX_PREFIX_DIGITS:
        raise _Broken(f"prefix {prefix!r} must be 1 to 15 digits, {ON_NET}, or @ and a set")
    if re.match("00[1-9]", prefix) is not None:  # numbers are compared as E.164
        raise _Broken(f"prefix {prefix!r} begins no number: write {prefix[2:]!r}")
    return prefix


def _seconds(row: dict[str, str], column: str, least: int) -> int:
    cell = row[column]
    found = _SECONDS.fullmatch(cell)
    seconds = -1 if found is None else int(found[1]) * (60 if cell.endswith("m") else 1)
    if not least <= seconds <= MAX_INCREMENT_SECONDS:
        raise _Broken(
            f"{column} {cell!r} must be whole seconds, {least} to {MAX_INCREMENT_SECONDS}"
        )
    return seconds


def _date(cell: str, zone: str) -> int:
    """Epoch milliseconds of a date, or a date and time with a zone; nothing means always."""
    if not cell:
        return 0
    day = _day(cell)
    if day is not None:
        return instant(day, time(0), zone)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Broken(
            f"effective_from {cell!r} must be like 2026-01-31 or 2026-01-31T00:00:00+04:00"
        )
    return (moment - _EPOCH) // _MILLISECOND


def _day(cell: str) -> date | None:
    """A date in one of the ways in which carriers write it, if there is only one way to read it."""
    cell = cell.removesuffix(" 00:00:00")
    try:
        if len(cell) == 10:
            return date.fromisoformat(cell)
    except ValueError:
        pass
    slashed = _SLASHED.fullmatch(cell)
    if slashed is not None:
        first, second, year = map(int, slashed.groups())
        if first <= 12 and second <= 12 and first != second:
            raise _Broken(f"effective_from {cell!r} may mean two days: write it like 2026-01-31")
        month, day = (second, first) if first > 12 or first == second else (first, second)
        return _date_of(year, month, day)
    for form in _DATES:
        try:
            return datetime.strptime(cell.replace(",", ""), form).date()
        except ValueError:
            continue
    return None


def _date_of(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
