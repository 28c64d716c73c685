"""Monthly bills: what a month came to, written once under a number of its own and never again.

A bill begins with the balance with which the one before it ended, whatever was posted late: with
the sums of its own month it keeps what the next one needs to find what came after it was made (a
call that was settled after a crash, say). That stands on the next bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec

from billing.facts.calendar import add_months, day_start, local_day
from billing.facts.command import Command, Touched
from billing.facts.due import DueWork
from billing.facts.tax import payable

DUE_KIND = "bill"
DUE_SUBJECT = "monthly"
BILLED_AT_ONCE = 100
"""Accounts in one transaction: some tens of milliseconds, for which calls wait."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A kind of posting, and what it came to.

    Args:
        kind: of the ledger's entries.
        about: the type of calls, the product, the number that is rented; "" for nothing of these.
        count: entries; of calls all that were answered, also those that cost nothing.
        seconds: of calls what was billed.
    """

    kind: str
    about: str
    count: int
    seconds: int
    amount_micros: int


class Bill(msgspec.Struct, frozen=True):
    """A bill as it was made.

    Args:
        number: without gaps from 1.
        month: "2026-05".
        starts_at, ends_at, made_at: epoch milliseconds.
        party: who is billed, as known when it was made.
        own: what of it is of this month; the rest of `items` was posted late.
        tax_basis_points: the month's rate; 0 for none.
        tax_included: whether the items' amounts include it; otherwise it is an item of its own.
        tax_micros: of all services, rounded once.
    """

    number: int
    account_id: int
    month: str
    starts_at: int
    ends_at: int
    made_at: int
    currency: str
    party: dict[str, str]
    opening_micros: int
    closing_micros: int
    items: list[Item]
    own: list[Item]
    tax_basis_points: int = 0
    tax_included: bool = True
    tax_micros: int = 0

    @property
    def charges_micros(self) -> int:
        """Micros of all services with their tax; above zero."""
        return -sum(item.amount_micros for item in self.items if item.kind not in PAYMENTS)

    @property
    def net_micros(self) -> int:
        """Micros of all services without their tax."""
        return self.charges_micros - self.tax_micros

    @property
    def services(self) -> list[Item]:
        """Items that the account is charged with (and their corrections), without a tax on top."""
        return [item for item in self.items if item.kind not in PAYMENTS and item.kind != TAX]

    @property
    def payments_micros(self) -> int:
        """Micros of payments, their reversals, refunds and bonuses."""
        return sum(item.amount_micros for item in self.items if item.kind in PAYMENTS)

    @property
    def to_pay_micros(self) -> int:
        """In whole hundredths, rounded up."""
        return payable(max(0, -self.closing_micros))


PAYMENTS = frozenset({"topup", "reversal", "refund", "bonus"})
"""Kinds of entries that aren't services."""


TAX = "tax"
"""The kind of the entry that a bill posts where prices don't include the tax."""
LATE = "late"
"""The item of what was posted so late that no bill can say what it was."""


@dataclass(frozen=True, slots=True)
class MakeBills(Command[list[Bill]]):
    """Bill accounts for a month that is over; answered by the Bills that were made now. One that
    was made before stays as it is, and an account that had nothing to be billed gets none.

    Args:
        parties: account id to who is billed.
        month: "2026-05".
        before_at: when the month before it began; what was posted since and isn't on its bill
            stands on this one.
        starts_at: when the month began.
        ends_at: when it ended, and when the bills are made; epoch milliseconds.
    """

    parties: Mapping[int, Mapping[str, str]]
    month: str
    before_at: int
    starts_at: int
    ends_at: int

    def touches(self, touched: Touched) -> None:
        # No other batch posts to them between the reading of their entries and of their balances.
        touched.accounts.update(self.parties)


def part(month: str, first: int) -> str:
    """The subject of the work that bills a few accounts; by their text they are in order."""
    return f"{month} from {first:012}"


def first_of(subject: str) -> int:
    """The first account of a part."""
    return int(subject.rpartition(" ")[2])


def billing_month(due_at: int, zone: str) -> tuple[str, int, int, int]:
    """The month that ended when the work was due: its name, when the one before it began, when it
    began, and when the one after it ends."""
    first = add_months(local_day(due_at, zone).replace(day=1), -1)
    before, following = (day_start(add_months(first, months), zone) for months in (-1, 2))
    return f"{first:%Y-%m}", before, day_start(first, zone), following


def first_work(now: int, zone: str) -> DueWork:
    """The end of the month that is now."""
    first = add_months(local_day(now, zone).replace(day=1), 1)
    return DueWork(DUE_KIND, DUE_SUBJECT, None, day_start(first, zone))


def month_days(month: str) -> tuple[date, date]:
    """A month's first and last day."""
    first = date.fromisoformat(f"{month}-01")
    return first, date.fromordinal(add_months(first, 1).toordinal() - 1)


def month_before(month: str) -> str:
    """The month before one such as "2026-05"."""
    return f"{add_months(date.fromisoformat(f'{month}-01'), -1):%Y-%m}"


def difference(after: Iterable[Item], before: Iterable[Item]) -> list[Item]:
    """Items that were posted between two sums of the same month."""
    known = {(item.kind, item.about): item for item in before}
    return merged([*after, *(_negative(item) for item in known.values())])


def merged(items: Iterable[Item]) -> list[Item]:
    """One item for each kind and thing, in their order, without what came to nothing."""
    sums: dict[tuple[str, str], list[int]] = {}
    for item in items:
        total = sums.setdefault((item.kind, item.about), [0, 0, 0])
        for place, value in enumerate((item.count, item.seconds, item.amount_micros)):
            total[place] += value
    return [Item(*key, *total) for key, total in sorted(sums.items()) if any(total)]


def _negative(item: Item) -> Item:
    return Item(item.kind, item.about, -item.count, -item.seconds, -item.amount_micros)
