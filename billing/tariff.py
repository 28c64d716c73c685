"""Tariffs: prices by number prefix and date, and how a price list in CSV is read."""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any

from billing.money import MoneyError, format_amount, parse_amount

ON_NET = "on_net"
"""Stands in the prefix column for calls between our own lines."""
MAX_PREFIX_DIGITS = 15
MAX_INCREMENT_SECONDS = 86_400
MAX_ERRORS = 100
"""More broken lines than this aren't listed."""

COLUMNS = (
    "prefix",
    "destination",
    "connect_fee",
    "per_minute",
    "initial_increment",
    "increment",
)
OPTIONAL_COLUMNS = ("effective_from", "grace_seconds")

_DIGITS = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of calls to one prefix from one date on.

    Args:
        prefix: digits without "+", or ON_NET.
        initial_increment_seconds: the first block; a shorter call costs it whole.
        increment_seconds: the blocks after it.
        effective_from: epoch milliseconds.
        grace_seconds: calls up to this long cost nothing.
    """

    tariff: str
    prefix: str
    destination: str
    connect_fee_micros: int
    per_minute_micros: int
    initial_increment_seconds: int
    increment_seconds: int
    effective_from: int = 0
    grace_seconds: int = 0
    currency: str = ""

    @property
    def free(self) -> bool:
        return self.connect_fee_micros == 0 and self.per_minute_micros == 0


class Tariff:
    """All rates of one price list, found by longest prefix in a microsecond or two."""

    def __init__(self, name: str, currency: str, rates: Iterable[Rate]) -> None:
        self.name = name
        self.currency = currency
        self.rates = tuple(sorted(rates, key=lambda r: (r.prefix, r.effective_from)))
        self._by_prefix: dict[str, list[Rate]] = {}
        for rate in self.rates:
            self._by_prefix.setdefault(rate.prefix, []).append(rate)
        lengths = {len(prefix) for prefix in self._by_prefix if prefix != ON_NET}
        self._lengths = sorted(lengths, reverse=True)

    def find(self, number: str, at: int) -> Rate | None:
        """The rate of the longest prefix that is in force.

        Args:
            number: E.164 digits without "+".
            at: epoch milliseconds.
        """
        for length in self._lengths:
            rates = self._by_prefix.get(number[:length])
            if rates is not None and (rate := _in_force(rates, at)) is not None:
                return rate
        return None

    def find_on_net(self, at: int) -> Rate | None:
        """The rate of calls between our own lines, if the tariff has one."""
        rates = self._by_prefix.get(ON_NET)
        return None if rates is None else _in_force(rates, at)


def _in_force(rates: Sequence[Rate], at: int) -> Rate | None:
    """The newest that has begun; `rates` are in the order of their dates."""
    index = bisect_right(rates, at, key=lambda rate: rate.effective_from)
    return rates[index - 1] if index else None


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with a line of a file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class TariffImport:
    """A price list that was read; with errors, nothing of it may be used."""

    rates: tuple[Rate, ...]
    errors: tuple[LineError, ...]


class _Broken(ValueError):
    """What is wrong with a cell."""


def read_csv(text: str, name: str, currency: str) -> TariffImport:
    """Read a price list; every broken line is reported with what to do about it."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        header = [cell.strip().lower() for cell in next(reader)]
    except StopIteration:
        return TariffImport((), (LineError(1, "the file is empty: it needs a header line"),))
    problem = _check_header(header)
    if problem:
        return TariffImport((), (LineError(1, problem),))
    rates: list[Rate] = []
    errors: list[LineError] = []
    seen: dict[tuple[str, int], int] = {}
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            found = _read_row(header, cells, name, currency)
            _check_unseen(found, seen, reader.line_num)
            rates += found
        except _Broken as broken:
            errors.append(LineError(reader.line_num, str(broken)))
            if len(errors) >= MAX_ERRORS:
                break
    if not rates and not errors:
        errors.append(LineError(reader.line_num, "the file has no rates"))
    return TariffImport(tuple(rates), tuple(errors))


def _check_header(header: list[str]) -> str | None:
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in (*COLUMNS, *OPTIONAL_COLUMNS)]
    expected = ",".join(COLUMNS) + "[," + ",".join(OPTIONAL_COLUMNS) + "]"
    if missing:
        return f"the header lacks {', '.join(missing)}; it must be {expected}"
    if unknown:
        return f"the header has an unknown column {unknown[0]!r}; it must be {expected}"
    if len(set(header)) != len(header):
        return "the header names a column twice"
    return None


def _read_row(header: list[str], cells: list[str], name: str, currency: str) -> list[Rate]:
    if len(cells) != len(header):
        raise _Broken(f"{len(cells)} cells under {len(header)} columns")
    row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    common: dict[str, Any] = {
        "tariff": name,
        "currency": currency,
        "destination": row["destination"],
        "connect_fee_micros": _money(row, "connect_fee"),
        "per_minute_micros": _money(row, "per_minute"),
        "initial_increment_seconds": _seconds(row, "initial_increment", 1),
        "increment_seconds": _seconds(row, "increment", 1),
        "grace_seconds": _seconds(row, "grace_seconds", 0) if row.get("grace_seconds") else 0,
        "effective_from": _date(row.get("effective_from", "")),
    }
    return [Rate(prefix=prefix, **common) for prefix in _prefixes(row["prefix"])]


def _prefixes(cell: str) -> list[str]:
    """One prefix, or several parted by commas or blanks; with or without "+"."""
    found = [part.removeprefix("+") for part in cell.replace(",", " ").split()]
    if not found:
        raise _Broken("prefix is empty: write digits such as 99532")
    for prefix in found:
        if prefix == ON_NET:
            continue
        if _DIGITS.fullmatch(prefix) is None or len(prefix) > MAX_PREFIX_DIGITS:
            raise _Broken(f"prefix {prefix!r} must be 1 to 15 digits, or {ON_NET}")
    return found


def _money(row: dict[str, str], column: str) -> int:
    try:
        micros = parse_amount(row[column])
    except MoneyError as error:
        raise _Broken(f"{column}: {error}") from None
    if micros < 0:
        raise _Broken(f"{column} {row[column]!r} must not be negative")
    return micros


def _seconds(row: dict[str, str], column: str, least: int) -> int:
    cell = row[column]
    if _DIGITS.fullmatch(cell) is None or not least <= int(cell[:6]) <= MAX_INCREMENT_SECONDS:
        raise _Broken(
            f"{column} {cell!r} must be whole seconds, {least} to {MAX_INCREMENT_SECONDS}"
        )
    return int(cell)


def _date(cell: str) -> int:
    """Epoch milliseconds of an ISO date or a date and time with a zone; nothing means always."""
    if not cell:
        return 0
    try:
        if len(cell) == 10:
            day = date.fromisoformat(cell)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(cell)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Broken(
            f"effective_from {cell!r} must be like 2026-01-31 or 2026-01-31T00:00:00+04:00"
        )
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND


_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000) - datetime(1970, 1, 1)


def _check_unseen(rates: list[Rate], seen: dict[tuple[str, int], int], line: int) -> None:
    for rate in rates:
        key = (rate.prefix, rate.effective_from)
        if key in seen:
            raise _Broken(f"prefix {rate.prefix} stands in line {seen[key]} for the same date")
        seen[key] = line


@dataclass(frozen=True, slots=True)
class TariffDiff:
    """What an import would change; the same prefix and date are compared."""

    new: tuple[Rate, ...] = ()
    up: tuple[tuple[Rate, Rate], ...] = ()
    down: tuple[tuple[Rate, Rate], ...] = ()
    closed: tuple[Rate, ...] = ()
    unchanged: int = 0
    changed: tuple[tuple[Rate, Rate], ...] = field(default=())
    """Same price of a minute, but something else differs."""


def diff(old: Iterable[Rate], new: Iterable[Rate]) -> TariffDiff:
    """Compare two price lists."""
    before = {(rate.prefix, rate.effective_from): rate for rate in old}
    after = {(rate.prefix, rate.effective_from): rate for rate in new}
    both = [(before[key], after[key]) for key in after if key in before]
    different = [(a, b) for a, b in both if _facts(a) != _facts(b)]
    return TariffDiff(
        tuple(rate for key, rate in after.items() if key not in before),
        tuple((a, b) for a, b in different if b.per_minute_micros > a.per_minute_micros),
        tuple((a, b) for a, b in different if b.per_minute_micros < a.per_minute_micros),
        tuple(rate for key, rate in before.items() if key not in after),
        len(both) - len(different),
        tuple((a, b) for a, b in different if b.per_minute_micros == a.per_minute_micros),
    )


def _facts(rate: Rate) -> tuple[object, ...]:
    return tuple(getattr(rate, item.name) for item in fields(rate) if item.name != "tariff")


def describe(rate: Rate) -> str:
    """A rate in words for a person."""
    return (
        f"{rate.destination} ({rate.prefix}): {format_amount(rate.per_minute_micros)} "
        f"{rate.currency} a minute, {format_amount(rate.connect_fee_micros)} to connect, "
        f"{rate.initial_increment_seconds}/{rate.increment_seconds} s"
    )
