"""Counted things, money, durations, dates, times and digits as tokens, for each language."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

import jdatetime  # type: ignore[import-untyped]

from ivr_prompts.languages import texts
from ivr_prompts.numbers import Gender, number, ordinal, ordinal_of_year, slavic_form

MICROS = 1_000_000
"""Micros in a currency's unit: amounts are integers of millionths."""

_GENDERS: Mapping[str, Gender] = {
    "kopek": "f",
    "minute": "f",
    "second": "f",
    "new-message": "n",
    "old-message": "n",
}
"""Russian nouns that aren't masculine."""
_WITH_AND = frozenset({"ka", "en", "fa"})
"""Languages that put "and" between the units and the hundredths of an amount."""
_KEYS = {"+": "plus", "*": "star", "#": "hash"}


class UnknownCurrency(LookupError):
    """A currency without words; it is never replaced by another one's name."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"no words for the currency {currency!r}; known: {', '.join(CURRENCIES)}")


@dataclass(frozen=True, slots=True)
class Currency:
    """The spoken names of a currency's units.

    Args:
        unit, part: nouns.
        unit_micros: worth of the unit; a hundredth of it is the part, unless `parts` says how many.
    """

    unit: str
    part: str
    unit_micros: int = MICROS
    parts: int = 100


CURRENCIES: Mapping[str, Currency] = {
    "GEL": Currency("lari", "tetri"),
    "KZT": Currency("tenge", "tiyn"),
    "RUB": Currency("ruble", "kopek"),
    "USD": Currency("dollar", "cent"),
    "EUR": Currency("euro", "cent"),
    # Written in rials, but spoken in tomans of ten; rials have no parts in use.
    "IRR": Currency("toman", "rial", 10 * MICROS, 10),
}
"""Currencies by ISO 4217."""

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def counted(language: str, count: int, noun: str) -> list[str]:
    """A number of things, each in its right form."""
    return [*number(language, count, _GENDERS.get(noun, "m")), _form(language, count, noun)]


def _form(language: str, count: int, noun: str) -> str:
    """A noun after a number; one that the language doesn't inflect has a single form."""
    form = ""
    if language == "ru":
        form = slavic_form(count)
    elif language == "en":
        form = "" if count == 1 else "-many"
    return noun + form if noun + form in texts(language) else noun


def money(language: str, micros: int, currency: str) -> list[str]:
    """An amount: whole units, then parts; a rest below the smallest part is dropped.

    Raises:
        UnknownCurrency: there are no words for it.
    """
    found = CURRENCIES.get(currency)
    if found is None:
        raise UnknownCurrency(currency)
    parts_in_all = abs(micros) * found.parts // found.unit_micros
    whole, parts = divmod(parts_in_all, found.parts)
    tokens = ["minus"] if micros < 0 and parts_in_all else []
    if whole or not parts:
        tokens += counted(language, whole, found.unit)
    if whole and parts and language in _WITH_AND:
        tokens.append("and")
    if parts:
        tokens += counted(language, parts, found.part)
    return tokens


def duration(language: str, seconds: int, most: int = 2) -> list[str]:
    """A time span in its largest units, at most `most` of them; the rest is dropped."""
    left = max(0, seconds)
    said: list[tuple[int, str]] = []
    for noun, size in _UNITS:
        count, left = divmod(left, size)
        if count or said:
            said.append((count, noun))
    shown = [one for one in said[:most] if one[0]] or [(0, "second")]
    return [token for count, noun in shown for token in counted(language, count, noun)]


def date(language: str, day: datetime.date, *, year: bool = False) -> list[str]:
    """A day; in Persian of the Persian calendar."""
    if language == "fa":
        persian = jdatetime.date.fromgregorian(date=day)
        return _dated(language, persian.day, f"fa-month-{persian.month}", persian.year, year)
    return _dated(language, day.day, f"month-{day.month}", day.year, year)


def _dated(language: str, day: int, month: str, of: int, year: bool) -> list[str]:
    of_day = ordinal(language, day)
    match language:
        case "en":
            return [month, *of_day, *(number(language, of) if year else [])]
        case "ru":
            return [*of_day, month, *([*ordinal_of_year(of), "of-year"] if year else [])]
        case "fa":
            return [*of_day, month, *(number(language, of) if year else [])]
        case "kk":
            *before, last = number(language, of)
            return [*([*before, f"{last}th", "of-year"] if year else []), *of_day, month]
        case _:
            return [*([*number(language, of), "of-year"] if year else []), *of_day, month]


def clock(language: str, hour: int, minute: int) -> list[str]:
    """A time of day, 0:00 to 23:59."""
    said = counted(language, hour, "hour")
    return [*said, *counted(language, minute, "minute")] if minute else said


def digits(text: str) -> list[str]:
    """A telephone number or a code, key by key; what isn't a key is left out."""
    return [_KEYS.get(key, key) for key in text if key in "0123456789" or key in _KEYS]
