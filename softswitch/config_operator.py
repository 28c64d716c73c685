"""The sections of the configuration about the business: [operator] and [lines]."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from billing.calendar import Term
from softswitch.config_values import Section

_Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f]*$")]


class OperatorSection(Section):
    """[operator]: how bills and contracts name the seller."""

    name: _Text = ""
    """Default: the switch's domain."""
    address: _Text = ""
    registration_code: _Text = ""
    bank_account: _Text = ""


def _term(value: object) -> object:
    return Term.parse(value) if isinstance(value, str) else value


class LinesSection(Section):
    """[lines]: what becomes of lines that nobody uses."""

    unused_after: Annotated[Term | None, BeforeValidator(_term)] = None
    """ "12 months": after so long without a call, a payment or a phone a line is cancelled. None:
    never."""
    quarantine: Annotated[Term, BeforeValidator(_term)] = Term(90, "days")
    """How long a cancelled line's number rests and can be restored."""
