"""Value added tax of bills: rates by month, and the one place where a tax is rounded.

A bill has one rate, that of its month, so rates begin with months. The tax is computed once, of
the sum of the bill's services, and rounded half up to a hundredth of the currency's unit; no line
is taxed by itself. Where prices don't include it, the bill posts it to the account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.facts.command import Command
from billing.facts.money import round_half_up

EVERYBODY = 0
"""In the place of an account: the operator's own rate."""
WHOLE = 10_000
"""Basis points of 100 percent."""
MINOR_MICROS = 10_000
"""A hundredth of the currency's unit: the smallest sum that papers ask for."""


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate, from a month on.

    Args:
        account_id: whose; EVERYBODY for all that have none of their own.
        month: "2027-01".
        basis_points: 1800 is 18 percent.
        included: whether prices include it.
    """

    account_id: int
    month: str
    basis_points: int
    included: bool


@dataclass(frozen=True, slots=True)
class SetTax(Command[bool]):
    """Put a rate in the place of the one of its account and month, or remove it (None); answered
    by whether there was one."""

    account_id: int
    month: str
    rate: TaxRate | None


def rate_for(rates: Iterable[TaxRate], account_id: int, month: str) -> TaxRate | None:
    """The account's newest rate that has begun, or else everybody's."""
    begun = [rate for rate in rates if rate.month <= month]
    for owner in (account_id, EVERYBODY):
        own = [rate for rate in begun if rate.account_id == owner]
        if own:
            return max(own, key=lambda rate: rate.month)
    return None


def tax_of(charges_micros: int, rate: TaxRate) -> int:
    """The tax in, or on top of, what services came to."""
    whole = WHOLE + rate.basis_points if rate.included else WHOLE
    part = round_half_up(abs(charges_micros) * rate.basis_points, whole * MINOR_MICROS)
    return (part if charges_micros >= 0 else -part) * MINOR_MICROS


def to_minor(micros: int) -> int:
    """A sum in whole hundredths, rounded half up."""
    part = round_half_up(abs(micros), MINOR_MICROS) * MINOR_MICROS
    return part if micros >= 0 else -part


def payable(micros: int) -> int:
    """A debt in whole hundredths: rounded up, so that who pays it owes nothing more."""
    return -(-micros // MINOR_MICROS) * MINOR_MICROS
