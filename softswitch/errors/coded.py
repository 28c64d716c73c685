"""Exceptions that carry a code of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import PurePath

from billing.facts.money import format_amount
from softswitch.errors.catalogue import CATALOGUE
from softswitch.errors.entry import Kind

Fact = str | int | tuple[str, ...]
"""A fact as it is kept and sent. The name of an amount ends in `_micros`."""
Given = Fact | date | tuple[int, ...] | PurePath | BaseException | None
"""A fact as it is given; what isn't a Fact becomes its text."""


class CodedError(Exception):
    """An error of the catalogue.

    Args:
        code: its key in the catalogue.
        facts: what the entry's sentence names.

    `message` is that sentence, one line of English.

    Raises:
        KeyError: the catalogue has no such code, or its sentence names another fact.
    """

    def __init__(self, code: str, /, **facts: Given) -> None:
        self.code = code
        self.facts: Mapping[str, Fact] = {key: _kept(value) for key, value in facts.items()}
        self.message = sentence(CATALOGUE[code].text, self.facts)
        super().__init__(self.message)

    @property
    def kind(self) -> Kind:
        return CATALOGUE[self.code].kind

    @property
    def field(self) -> str:
        """The argument that has to change; "" if none has to."""
        return CATALOGUE[self.code].field or str(self.facts.get("field", ""))


def sentence(template: str, facts: Mapping[str, Fact]) -> str:
    """A template filled with facts. Raises KeyError for a fact that is missing."""
    return template.format_map({key: _shown(key, value) for key, value in facts.items()})


def _kept(value: Given) -> Fact:
    match value:
        case str() | int():
            return value
        case tuple():
            return tuple(map(str, value))
        case _:
            return str(value)


def _shown(key: str, value: Fact) -> str | int:
    if isinstance(value, tuple):
        if key == "choices" and len(value) > 1:
            return f"{', '.join(value[:-1])} or {value[-1]}"
        return ("; " if key == "reasons" else ", ").join(value)
    if isinstance(value, int) and key.endswith("_micros"):
        return format_amount(value)
    return value
