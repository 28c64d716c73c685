"""The sections of the configuration about the business: [operator], [lines], [debt], [orders]."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from billing.facts.calendar import Term, WorkingDays
from billing.facts.intervals import MAX_HOLIDAYS, read_days, read_holiday
from billing.facts.money import parse_amount
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
    """[operator]: the seller on bills and contracts, and its working days."""

    name: _Text = ""
    """The name of the operator. Default: the switch's domain."""
    address: _Text = ""
    """The address of the operator."""
    registration_code: _Text = ""
    """The registration code of the company."""
    bank_account: _Text = ""
    """The bank account to which bills are paid."""
    working_days: Annotated[str, BeforeValidator(_week)] = "mon-fri"
    """Working days, on which orders are processed, such as mon-fri."""
    holidays: Annotated[
        list[Annotated[str, BeforeValidator(_holiday)]], Field(max_length=MAX_HOLIDAYS)
    ] = []
    """Public holidays: "2027-01-07", or "01-07" for every year."""

    @property
    def calendar(self) -> WorkingDays:
        week, _ = read_days(self.working_days.strip().lower())
        return WorkingDays(frozenset(week), frozenset(self.holidays))


def _term(value: object) -> object:
    return Term.parse(value) if isinstance(value, str) else value


class LinesSection(Section):
    """[lines]: the handling of unused lines."""

    unused_after: Annotated[Term | None, BeforeValidator(_term)] = None
    """A line without a call, a payment or a phone for this long is cancelled, such as "12 months".
    None: never."""
    quarantine: Annotated[Term, BeforeValidator(_term)] = Term(90, "days")
    """How long a cancelled line's number rests and can be restored."""


class DebtSection(Section):
    """[debt]: the handling of accounts that owe money."""

    suspend_after: Annotated[Term | None, BeforeValidator(_term)] = None
    """The term, such as "14 days", after which the switch suspends a debtor's account until it is
    paid. None: only operators suspend."""
    warn_before: Annotated[Term, BeforeValidator(_term)] = Term(3, "days")
    """How long before a suspension the subscriber is notified."""


class WarningsSection(Section):
    """[warnings]: told to subscribers before something ends, by mail or text as they chose."""

    low_balance: Annotated[str, Field(pattern=r"^([0-9]{1,12}(\.[0-9]{1,6})?)?$")] = ""
    """Below this amount, such as "2.00", what is available is low; each account is told once
    between two payments. It counts in each account's currency. Empty: nobody is told."""
    package_before: Annotated[Term | None, BeforeValidator(_term)] = Term(3, "days")
    """How long before the end of a package its subscriber is told, if it isn't renewed by itself or
    the balance won't pay for that. None: nobody is told."""

    @property
    def low_balance_micros(self) -> int | None:
        return parse_amount(self.low_balance) if self.low_balance else None


class OrdersSection(Section):
    """[orders]: orders of numbers that can't be connected at once."""

    documents_within: Annotated[Term, BeforeValidator(_term)] = DOCUMENTS_TERM
    """How long a number of the stock is reserved for a subscriber whose documents aren't approved
    yet."""
