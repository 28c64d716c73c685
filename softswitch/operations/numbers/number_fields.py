"""Readers of what operators type about numbers for rent."""

from __future__ import annotations

import re

from billing.facts.rental import KINDS
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context

_WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f,]{1,64}")
_COUNTRY = re.compile(r"[A-Z]{2}")
MAX_WORD = 64


def country_of(text: str) -> str:
    if _COUNTRY.fullmatch(text.upper()) is None:
        raise OperationError("country_malformed", value=text)
    return text.upper()


def kind_of(text: str) -> str:
    if text not in KINDS:
        raise OperationError("not_one_of", field="kind", choices=tuple(KINDS), value=text)
    return text


def word_of(what: str, text: str | None, longest: int = MAX_WORD) -> str:
    """A city, a supplier, a class of documents; "" for none."""
    if text and (_WORD.fullmatch(text) is None or len(text) > longest):
        raise OperationError("text_malformed", field=what, value=text, longest=longest)
    return text or ""


def line_of(context: Context, account_id: int, text: str) -> str:
    """The number of one of the account's lines."""
    line = context.line(text)
    if line.account_id != account_id:
        raise OperationError("line_of_other_account", line=line.number, account=account_id)
    return line.number
