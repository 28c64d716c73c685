"""The bonus of incoming calls from other networks: a little for each whole minute of talk.

What a day brought is posted when the next one begins on the operator's clock. It is counted from
the CDRs, a call on the day it ended, so nothing has to be kept while the day lasts; and since the
days before are counted again, a CDR that came late (its database was out of order) is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta

from billing.decisions import debts, rentals
from billing.decisions.book import Book
from billing.facts.calendar import day_start, local_day
from billing.facts.command import Command
from billing.facts.due import DueWork
from billing.facts.sales import Bonus, MoveDue, PostBonus

DUE_KIND = "bonus"
LOOK_BACK_DAYS = 3
"""A settlement that waits longer for its database isn't made up for."""

Minutes = Callable[[int, int], Mapping[int, tuple[str, int]]]
"""A function from two instants (epoch milliseconds) to (currency, whole minutes of the incoming
calls that ended between them) by account id."""
Rates = Sequence[tuple[str, str, int]]
"""(currency, ISO day from which it counts, micros a minute)."""


def post(book: Book, command: PostBonus) -> int:
    """Post what isn't posted yet; the transaction's id says how many minutes it brought the day
    to."""
    known = book.sales.bonuses.get((command.account_id, command.day))
    before = known.amount_micros if known is not None else 0
    amount = command.minutes * command.micros_per_minute - before
    if amount <= 0:
        return 0
    book.post(
        f"bonus:{command.account_id}:{command.day}:{command.minutes}",
        command.account_id,
        amount,
        "bonus",
        "bonus",
        command.at,
    )
    book.sales.put_bonus(Bonus(command.account_id, command.day, command.minutes, before + amount))
    rentals.after_rise(book, command.account_id)
    debts.after_rise(book, command.account_id, amount, command.at)
    return amount


def first_work(now: int, zone: str) -> DueWork:
    """The next midnight's."""
    return DueWork(DUE_KIND, "day", None, day_start(local_day(now, zone) + timedelta(1), zone))


def commands(work: DueWork, minutes: Minutes, rates: Rates, zone: str) -> list[Command[object]]:
    """Post the day that ended when the work was due, and look back at those before it."""
    today = local_day(work.due_at, zone)
    found: list[Command[object]] = []
    for back in range(LOOK_BACK_DAYS, 0, -1):
        day = today - timedelta(back)
        by_currency = {currency: rate_on(rates, currency, day) for currency, _, _ in rates}
        start, end = day_start(day, zone), day_start(day + timedelta(1), zone)
        for account_id, (currency, total) in sorted(minutes(start, end).items()):
            rate = by_currency.get(currency, 0)
            if rate and total:
                found.append(
                    PostBonus(
                        account_id=account_id,
                        at=work.due_at,
                        day=day.isoformat(),
                        minutes=total,
                        micros_per_minute=rate,
                    )
                )
    return [*found, MoveDue(work, day_start(today + timedelta(1), zone))]


def rate_on(rates: Iterable[tuple[str, str, int]], currency: str, day: date) -> int:
    """Micros that a minute brings on a day: the newest rate that has begun."""
    begun = [(since, rate) for unit, since, rate in rates if unit == currency]
    begun = [item for item in begun if item[0] <= day.isoformat()]
    return max(begun)[1] if begun else 0
