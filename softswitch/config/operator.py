"""The sections of the configuration about the business: [operator], [lines], [debt], [orders]."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from billing.facts.calendar import Term, WorkingDays
from billing.facts.intervals import MAX_HOLIDAYS, read_days, read_holiday
from billing.facts.rental import DOCUMENTS_TERM
from softswitch.config.values import Section

_Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f]*$")]


def _week(value: object) -> object:
    if not isinstance(value, str):
        return value
    days, holidays = read_days(value.strip().lower())
    if holidays or not days:
        raise ValueError(f"{value!r} is no working week: write mon-fri or sun,mon-thu")
    return value


def _holiday(value: object) -> object:
    return read_holiday(value) if isinstance(value, str) else value


class OperatorSection(Section):
    """[operator]: how bills and contracts name the seller, and when he works."""

    name: _Text = ""
    """Default: the switch's domain."""
    address: _Text = ""
    """The address of the operator."""
    registration_code: _Text = ""
    """The registration code of the company."""
    bank_account: _Text = ""
    """Where bills are paid to."""
    working_days: Annotated[str, BeforeValidator(_week)] = "mon-fri"
    """Days on which orders go on, such as mon-fri."""
    holidays: Annotated[
        list[Annotated[str, BeforeValidator(_holiday)]], Field(max_length=MAX_HOLIDAYS)
    ] = []
    """ "2027-01-07", or "01-07" for every year."""

    @property
    def calendar(self) -> WorkingDays:
        week, _ = read_days(self.working_days.strip().lower())
        return WorkingDays(frozenset(week), frozenset(self.holidays))


def _term(value: object) -> object:
    return Term.parse(value) if isinstance(value, str) else value


class LinesSection(Section):
    """[lines]: what becomes of lines that nobody uses."""

    unused_after: Annotated[Term | None, BeforeValidator(_term)] = None
    """ "12 months": after so long without a call, a payment or a phone a line is cancelled. None:
    never."""
    quarantine: Annotated[Term, BeforeValidator(_term)] = Term(90, "days")
    """How long a cancelled line's number rests and can be restored."""


class DebtSection(Section):
    """[debt]: accounts that owe money."""

    suspend_after: Annotated[Term | None, BeforeValidator(_term)] = None
    """ "14 days": then the switch suspends the account, until it is paid. None: only operators
    suspend."""
    warn_before: Annotated[Term, BeforeValidator(_term)] = Term(3, "days")
    """So long before, the subscriber is told."""


class OrdersSection(Section):
    """[orders]: numbers that can't be connected at once."""

    documents_within: Annotated[Term, BeforeValidator(_term)] = DOCUMENTS_TERM
    """How long a number of the stock is kept for somebody whose documents aren't approved yet."""
