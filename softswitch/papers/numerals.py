"""Amounts, dates and durations in the notation of each language."""

from __future__ import annotations

from datetime import date

import jdatetime  # type: ignore[import-untyped]

from billing.facts.money import format_amount
from ivr_prompts.languages import spelled
from ivr_prompts.speech import UnknownCurrency, money
from softswitch.papers.words import RIGHT_TO_LEFT

_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_WESTERN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "0123456789" * 2)
_SEPARATORS = {"en": (",", "."), "fa": ("٬", "٫")}
"""Separators of thousands and decimals; a narrow no-break space and a comma elsewhere."""
_SIGNS = {"GEL": "₾", "KZT": "₸", "RUB": "₽", "EUR": "€", "USD": "$"}
_WITHOUT_CAPITALS = frozenset({"ka", "fa"})
"""Languages without capitals in sentences; Georgian has them for headings only."""
_MINUS = "\N{MINUS SIGN}"
_LEFT = "\N{LEFT-TO-RIGHT MARK}"
"""Keeps the sign on the left of the digits, as Persian writes it."""


def digits(text: str, language: str) -> str:
    """A text with the language's own digits."""
    return text.translate(_PERSIAN) if language == "fa" else text


def western_digits(text: str) -> str:
    """A text whose Persian or Arabic digits are 0 to 9: as programs read it."""
    return text.translate(_WESTERN)


def amount(micros: int, currency: str, language: str) -> str:
    """An amount with its currency."""
    thousands, decimals = _SEPARATORS.get(language, ("\N{NARROW NO-BREAK SPACE}", ","))
    whole, _, part = format_amount(abs(micros)).partition(".")
    groups = []
    while whole:
        whole, group = whole[:-3], whole[-3:]
        groups.append(group)
    sign = (_LEFT + _MINUS if language == "fa" else _MINUS) if micros < 0 else ""
    number = f"{sign}{thousands.join(reversed(groups))}{decimals}{part}"
    shown = f"{digits(number, language)}\N{NO-BREAK SPACE}{unit(currency, language)}"
    return in_line(shown, language)


def percent(basis_points: int, language: str) -> str:
    """A rate: 1800 is 18 %."""
    _, decimals = _SEPARATORS.get(language, ("", ","))
    whole, part = divmod(basis_points, 100)
    text = str(whole) + (f"{decimals}{part:02d}".rstrip("0") if part else "")
    return digits(text, language) + ("٪" if language == "fa" else "\N{NO-BREAK SPACE}%")


def in_words(micros: int, currency: str, language: str) -> str | None:
    """An amount in whole hundredths in words, as the prompts say it; None for a currency without
    words."""
    try:
        text = spelled(language, money(language, micros, currency))
    except UnknownCurrency:
        return None
    return text[:1].upper() + text[1:] if language not in _WITHOUT_CAPITALS else text


def in_line(text: str, language: str) -> str:
    """A text without letters, isolated in the direction of the language."""
    return f"\N{RIGHT-TO-LEFT MARK}{text}" if language in RIGHT_TO_LEFT else text


def unit(currency: str, language: str) -> str:
    """The sign of a currency, or its code."""
    if currency == "IRR" and language == "fa":
        return "ریال"
    return _SIGNS.get(currency, currency)


def day(when: date, language: str) -> str:
    """A date; in Persian by the Jalali calendar."""
    if language == "fa":
        jalali = jdatetime.date.fromgregorian(date=when)
        return digits(f"{jalali.year:04d}/{jalali.month:02d}/{jalali.day:02d}", language)
    if language == "en":
        return when.isoformat()
    return f"{when:%d.%m.%Y}"


def clock(seconds: int, language: str) -> str:
    """A duration as hours, minutes and seconds."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return digits(f"{hours}:{minutes:02d}:{rest:02d}", language)
