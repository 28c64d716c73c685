"""Values of operations as people read them: amounts, times, numbers, in their language.

What is read from left to right in every language (numbers of telephones, amounts, addresses) is
isolated by `<bdi>`, so that a right-to-left page doesn't turn it round.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

from markupsafe import Markup

from billing.facts.calendar import Term
from billing.facts.money import MoneyError, parse_amount
from softswitch.papers import numerals

if TYPE_CHECKING:
    from softswitch.portal.visit import Visit


def ltr(value: object) -> Markup:
    """A number of a telephone, an address or an id."""
    return Markup('<bdi dir="ltr">{}</bdi>').format("" if value is None else value)


def isolated(value: object) -> str:
    """Likewise, where no markup can stand: in the options of a choice."""
    return f"\N{LEFT-TO-RIGHT ISOLATE}{value}\N{POP DIRECTIONAL ISOLATE}"


def money(value: object, currency: object, language: str) -> Markup:
    """An amount of an operation ("12.5000", or "unlimited") with its currency."""
    text = str(value)
    try:
        micros = parse_amount(text)
    except MoneyError:
        return ltr(text)
    shown = numerals.amount(micros, str(currency or ""), language)
    return Markup("<bdi>{}</bdi>").format(shown)


def is_negative(value: object) -> bool:
    """True for an amount below zero."""
    return str(value).startswith("-") and Decimal(str(value)) < 0


def instant(value: object) -> datetime | None:
    """The time of an operation's answer."""
    if not value:
        return None
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def day(value: object, zone: tzinfo, language: str) -> Markup:
    """The date of a time; in Persian by the Jalali calendar."""
    at = instant(value)
    if at is None:
        return Markup("")
    local = at.astimezone(zone) if "T" in str(value) or " " in str(value) else at
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(
        local.date().isoformat(), numerals.day(local.date(), language)
    )


def moment(value: object, zone: tzinfo, language: str) -> Markup:
    """A date with hours and minutes."""
    at = instant(value)
    if at is None:
        return Markup("")
    local = at.astimezone(zone)
    clock = numerals.digits(f"{local:%H:%M}", language)
    return Markup('<time datetime="{}"><bdi>{}</bdi> <bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"), numerals.day(local.date(), language), clock
    )


def duration(seconds: object, language: str) -> Markup:
    """Seconds as minutes and seconds, or with hours."""
    whole = int(str(seconds or 0))
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return Markup("<bdi>{}</bdi>").format(numerals.digits(f"{minutes}:{rest:02d}", language))
    return Markup("<bdi>{}</bdi>").format(numerals.clock(whole, language))


def term(text: object, visit: Visit) -> str:
    """A term such as "30 days" in words."""
    found = Term.parse(str(text))
    number = count(found.count, visit.language)
    return visit.text(f"packages.term_{found.unit}", count=found.count, number=number)


def count(value: object, language: str) -> Markup:
    """A whole number."""
    return Markup("<bdi>{}</bdi>").format(numerals.digits(str(value), language))
