"""The words of pages, in five languages: a file a language and area.

A text is named AREA.KEY, and holds placeholders in the syntax of `str.format`. One that counts is a
table by plural categories (CLDR), chosen by its placeholder `count`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from markupsafe import Markup, escape

from softswitch.errors.texts import LANGUAGES

Text = str | Mapping[str, str]

NAMES: Mapping[str, str] = {
    "ka": "ქართული",
    "ru": "Русский",
    "en": "English",
    "fa": "فارسی",
    "kk": "Қазақша",
}
"""The languages by their own names."""


@cache
def words(language: str) -> Mapping[str, Text]:
    """All texts of a language by name. Raises KeyError for a language that has none."""
    if language not in LANGUAGES:
        raise KeyError(language)
    found: dict[str, Text] = {}
    for file in files(__package__).joinpath(language).iterdir():
        if file.name.endswith(".toml"):
            area = file.name.removesuffix(".toml")
            for key, text in tomllib.loads(file.read_text("utf-8")).items():
                found[f"{area}.{key}"] = text
    return found


def text(language: str, name: str, /, **facts: object) -> str:
    """A text with its facts. Raises KeyError for a text or a fact that there isn't.

    With a fact of markup the text is markup; what else it holds is escaped.
    """
    found = words(language)[name]
    if not isinstance(found, str):
        found = found[plural(language, int(str(facts["count"])))]
    if any(isinstance(fact, Markup) for fact in facts.values()):
        return escape(found).format_map(facts)
    return found.format_map(facts)


def country(language: str, code: object) -> str:
    """The name of a country by its ISO 3166 alpha-2; the code itself where there is no name."""
    return str(words(language).get(f"countries.{code}", code))


def plural(language: str, count: int) -> str:
    """The plural category of a whole number.

    >>> [plural("ru", count) for count in (1, 2, 5, 11, 21, 22)]
    ['one', 'few', 'many', 'many', 'one', 'few']
    """
    if language == "ru":
        tens, ones = count // 10 % 10, count % 10
        if ones == 1 and tens != 1:
            return "one"
        return "few" if 2 <= ones <= 4 and tens != 1 else "many"
    if language == "fa":
        return "one" if count in (0, 1) else "other"
    return "one" if count == 1 else "other"
