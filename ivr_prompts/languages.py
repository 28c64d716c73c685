"""The languages, and their texts by token."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("ka", "ru", "en", "fa", "kk")
"""ISO 639-1: Georgian, Russian, English, Persian, Kazakh."""
LAST_RESORT = "en"
"""The language of a prompt that neither the line's language nor the switch's own has."""
GLUED = "-"
"""At the end of a text: it is written in one word with the next."""


class UnknownLanguage(LookupError):
    """A language without texts; the message names those that exist."""

    def __init__(self, language: str) -> None:
        super().__init__(f"no texts in {language!r}; languages are {', '.join(LANGUAGES)}")


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language: token to text.

    Raises:
        UnknownLanguage: it has none.
    """
    if language not in LANGUAGES:
        raise UnknownLanguage(language)
    data = files(__package__).joinpath("texts", f"{language}.toml").read_text("utf-8")
    return {token: text for table in tomllib.loads(data).values() for token, text in table.items()}


def spelled(language: str, tokens: list[str]) -> str:
    """The words of each token, written out.

    Raises:
        KeyError: a token that the language doesn't have.
    """
    of = texts(language)
    return " ".join(of[token] for token in tokens).replace(GLUED + " ", "")


def voiced(language: str, token: str) -> str:
    """The text of one token as a voice is to read it.

    Raises:
        KeyError: a token that the language doesn't have.
    """
    return texts(language)[token].removesuffix(GLUED)
