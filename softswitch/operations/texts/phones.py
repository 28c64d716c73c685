"""Phones of recipients, read from what people and spreadsheets write."""

from __future__ import annotations

import re

from softswitch.admission.numbering import NumberError, NumberPlan
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context

_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
"""A number as a spreadsheet shows it that has no room for its digits: they are lost."""


class Phones:
    """Reads many phones: by the number plan, or as E.164 whose "+" a spreadsheet has dropped."""

    def __init__(self, context: Context) -> None:
        self._plan: NumberPlan = context.plan

    def read(self, text: str) -> str:
        """A phone as E.164 with "+". Raises OperationError."""
        written = text.strip()
        if _ROUNDED.fullmatch(written):
            raise OperationError("sms_phone_rounded", value=written)
        try:
            read = self._plan.read(written)
        except NumberError as error:
            digits = re.sub(r"[\s().-]", "", written)
            if not (digits.isascii() and digits.isdigit() and len(digits) > 9):
                raise _malformed(written, error) from None
            try:
                read = self._plan.read(f"+{digits}")
            except NumberError:
                raise _malformed(written, error) from None
        if read.kind != "e164":
            raise OperationError("number_is_service_code", number=written)
        return read.number


def _malformed(text: str, error: NumberError) -> OperationError:
    return OperationError("number_malformed", number=text, reason=error.reason)
