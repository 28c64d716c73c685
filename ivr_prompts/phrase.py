"""Phrases: the content of an announcement, independent of the language."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from ivr_prompts import numbers, speech


@dataclass(frozen=True, slots=True)
class Number:
    """A number by itself."""

    value: int

    def tokens(self, language: str) -> list[str]:
        """The recordings of the number in a language."""
        return numbers.number(language, self.value)


@dataclass(frozen=True, slots=True)
class Count:
    """A count of things; `noun` is a token."""

    value: int
    noun: str

    def tokens(self, language: str) -> list[str]:
        """The recordings of the count with its noun in a language."""
        return speech.counted(language, self.value, self.noun)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount; micros are millionths of the currency's unit."""

    micros: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in speech.CURRENCIES:
            raise speech.UnknownCurrency(self.currency)

    def tokens(self, language: str) -> list[str]:
        """The recordings of the sum in a language."""
        return speech.money(language, self.micros, self.currency)


@dataclass(frozen=True, slots=True)
class Duration:
    """A time span."""

    seconds: int

    def tokens(self, language: str) -> list[str]:
        """The recordings of the duration in a language."""
        return speech.duration(language, self.seconds)


@dataclass(frozen=True, slots=True)
class Date:
    """A day, without its year."""

    day: datetime.date

    def tokens(self, language: str) -> list[str]:
        """The recordings of the date in a language."""
        return speech.date(language, self.day)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day."""

    time: datetime.time

    def tokens(self, language: str) -> list[str]:
        """The recordings of the time of day in a language."""
        return speech.clock(language, self.time.hour, self.time.minute)


@dataclass(frozen=True, slots=True)
class Digits:
    """A telephone number or a code, key by key."""

    text: str

    def tokens(self, _: str) -> list[str]:
        """The recordings of the digits, one by one, in a language."""
        return speech.digits(self.text)


Part = str | Number | Count | Money | Duration | Date | Clock | Digits
"""A string is the id of a prompt."""


def spoken(language: str, phrase: Iterable[Part]) -> list[str]:
    """The tokens of a phrase in a language."""
    tokens: list[str] = []
    for part in phrase:
        tokens += [part] if isinstance(part, str) else part.tokens(language)
    return tokens
