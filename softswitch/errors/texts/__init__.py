"""The texts of errors for subscribers, in their languages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from softswitch.errors.coded import CodedError, sentence

LANGUAGES = ("ka", "ru", "en", "fa", "kk")
"""ISO 639-1: Georgian, Russian, English, Persian, Kazakh."""
OF_OPERATORS = "books_refused"
"""The code whose text stands for errors that only operators should meet."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """A language's texts by code. Raises KeyError for a language that has none."""
    if language not in LANGUAGES:
        raise KeyError(language)
    return tomllib.loads(files(__package__).joinpath(f"{language}.toml").read_text("utf-8"))


def text_for_subscriber(error: CodedError, language: str) -> str:
    """The text for a subscriber: sentences without commands of the command line, other accounts'
    numbers or names of trunks."""
    known = texts(language)
    return sentence(known.get(error.code) or known[OF_OPERATORS], error.facts)
