"""The details of requests: which each kind has, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ivr_prompts.languages import LANGUAGES
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import coming_day
from softswitch.operations.context import Context

VOICES = ("female", "male")
MAX_TEXT = 256


def read_details(context: Context, kind: str, details: Mapping[str, str]) -> Row:
    """The details of a request as they are kept. Raises OperationError for one that the kind hasn't
    got, or that can't be read."""
    readers = DETAILS.get(kind, {})
    read: Row = {}
    for key, text in details.items():
        if key not in readers:
            raise OperationError(
                "request_detail_unknown", kind=kind, field=key, known=tuple(readers) or ("none",)
            )
        read[key] = readers[key](context, text)
    return read


def _number(context: Context, text: str) -> str:
    return context.number(text)


def _day(context: Context, text: str) -> str:
    return coming_day(context, text)


def _words(_context: Context, text: str) -> str:
    words = text.strip()
    if not 0 < len(words) <= MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    return words


def _language(_context: Context, text: str) -> str:
    one_of("language", tuple(LANGUAGES), text)
    return text


def _voice(_context: Context, text: str) -> str:
    one_of("voice", VOICES, text)
    return text


Reader = Callable[[Context, str], str]
DETAILS: Mapping[str, Mapping[str, Reader]] = {
    "relocation": {"address": _words, "on": _day},
    "number_change": {"number": _number, "on": _day},
    "greeting": {"language": _language, "voice": _voice},
    "line": {"number": _number, "lease_ends_on": _day},
}
"""By kind of request; kinds that aren't named have none."""
