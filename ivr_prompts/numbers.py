"""Cardinal and ordinal numbers as tokens.

A token that ends in ``-and`` is the form that a number has when a smaller one follows in the same
number: Georgian "ოცდა", Persian "بیست و".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Gender = Literal["m", "f", "n"]
"""The gender of the counted noun; only Russian distinguishes it, and only for one and two."""

LIMIT = 10**12
"""No greater number is spoken: the scales end at billions."""
MAX_ORDINAL = 31
"""Ordinals count the days of a month."""
_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"))


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules by which a language counts.

    Args:
        group: tokens of 1 to 999.
        bare: scales that stand without "one" before them.
        links: a scale changes its form when something follows.
        gendered: a scale is counted in a gender of its own, and has plural forms.
    """

    group: Callable[[int, Gender], list[str]]
    bare: frozenset[str] = frozenset()
    links: bool = False
    gendered: bool = False


def number(language: str, value: int, gender: Gender = "m") -> list[str]:
    """A cardinal number.

    Raises:
        ValueError: it is too great.
    """
    if abs(value) >= LIMIT:
        raise ValueError(f"{value} is too great to be spoken")
    if value < 0:
        return ["minus", *number(language, -value, gender)]
    if value == 0:
        return ["0"]
    rules, tokens, rest = _RULES[language], [], value
    for size, scale in _SCALES:
        count, rest = divmod(rest, size)
        if count:
            tokens += _scaled(rules, scale, count, rest > 0)
    if rest:
        tokens += rules.group(rest, gender)
    return tokens


def _scaled(rules: _Rules, scale: str, count: int, more: bool) -> list[str]:
    """A count of thousands, millions or billions."""
    if rules.gendered:
        gender: Gender = "f" if scale == "thousand" else "m"
        return [*rules.group(count, gender), scale + slavic_form(count)]
    before = [] if count == 1 and scale in rules.bare else rules.group(count, "m")
    return [*before, f"{scale}-and" if rules.links and more else scale]


def slavic_form(count: int) -> str:
    """Which of three forms a Russian noun has after a number."""
    if count % 10 == 1 and count % 100 != 11:
        return ""
    few = count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14)
    return "-few" if few else "-many"


def _tens(value: int) -> list[str]:
    """1 to 99 where tens and units simply follow each other."""
    if value < 20:
        return [str(value)]
    tens, units = value // 10 * 10, value % 10
    return [str(tens), *([str(units)] if units else [])]


def _english(value: int, _: Gender) -> list[str]:
    hundreds, rest = divmod(value, 100)
    before = [str(hundreds), "hundred"] if hundreds else []
    return before + (_tens(rest) if rest else [])


def _russian(value: int, gender: Gender) -> list[str]:
    hundreds, rest = value // 100 * 100, value % 100
    tokens = [str(hundreds)] if hundreds else []
    tokens += _tens(rest) if rest else []
    if tokens[-1] == "1" and gender != "m":
        tokens[-1] = f"1{gender}"
    elif tokens[-1] == "2" and gender == "f":
        tokens[-1] = "2f"
    return tokens


def _georgian(value: int, _: Gender) -> list[str]:
    """Tens are counted by twenties: 34 is twenty-and-fourteen."""
    return _linked(value, (100, 20))


def _persian(value: int, _: Gender) -> list[str]:
    return _linked(value, (100, 10))


def _linked(value: int, steps: tuple[int, ...]) -> list[str]:
    tokens = []
    for step in steps:
        if value < max(step, 20):
            continue
        whole, value = value // step * step, value % step
        tokens.append(f"{whole}-and" if value else str(whole))
    return [*tokens, str(value)] if value else tokens


def _kazakh(value: int, _: Gender) -> list[str]:
    hundreds, rest = divmod(value, 100)
    tokens = [str(hundreds)] if hundreds > 1 else []
    tokens += ["hundred"] if hundreds else []
    tens, units = rest // 10 * 10, rest % 10
    return tokens + [str(part) for part in (tens, units) if part]


_RULES: Mapping[str, _Rules] = {
    "ka": _Rules(_georgian, bare=frozenset({"thousand"}), links=True),
    "ru": _Rules(_russian, gendered=True),
    "en": _Rules(_english),
    "fa": _Rules(_persian, links=True),
    "kk": _Rules(_kazakh, bare=frozenset({"thousand", "million", "billion"})),
}


def ordinal(language: str, value: int) -> list[str]:
    """An ordinal number as it names a day of the month: Russian in the neuter, Georgian the first
    alone, since all other days are named by cardinals there.

    Raises:
        ValueError: no month has such a day.
    """
    if not 1 <= value <= MAX_ORDINAL:
        raise ValueError(f"no month has a day {value}")
    if language == "ka":
        return ["1th"] if value == 1 else number(language, value)
    *before, last = number(language, value)
    return [*before, f"{last}th"]


def ordinal_of_year(value: int) -> list[str]:
    """A Russian year in the genitive ("of the year"), 2001 to 2099.

    Raises:
        ValueError: another year.
    """
    if not 2001 <= value <= 2099:
        raise ValueError(f"the year {value} isn't spoken")
    *before, last = number("ru", value)
    return [*before, f"{last}-of"]
