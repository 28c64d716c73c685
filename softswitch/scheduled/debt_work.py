"""Due work for debts: at every midnight accounts that owe for too long are suspended, those that
will soon be are notified, and suspensions end whose debt was settled otherwise than by a
payment."""

from __future__ import annotations

from billing.facts.calendar import Term, local_day, next_midnight
from billing.facts.command import Command
from billing.facts.debt import Debt, LiftSuspension, SuspendForDebt, suspended_key, warned_key
from billing.facts.due import DueWork, Handler
from billing.facts.sales import MoveDue, Notice, Tell
from billing.stores import debt_search, sales_store
from billing.stores.store import Store

WARN_BEFORE = Term(3, "days")


def watch_debts(store: Store, zone: str, suspend_after: Term | None, warn_before: Term) -> Handler:
    """A debt suspends an account once: an account that an operator reopens stays open until it owes
    anew."""

    def handle(work: DueWork) -> list[Command[object]]:
        now = work.due_at
        with store.reading() as connection:
            commands: list[Command[object]] = [
                LiftSuspension(account_id=item.account_id, at=now)
                for item in debt_search.made_up(connection)
            ]
            owed = [] if suspend_after is None else debt_search.debts(connection)
            told = {
                key
                for debt in owed
                for key in (suspended_key(debt), warned_key(debt))
                if sales_store.notice(connection, key) is not None
            }
        for debt in owed:
            assert suspend_after is not None
            commands += _steps(debt, now, suspends_at(debt, suspend_after, zone), told)
        return [*commands, MoveDue(work, next_midnight(now, zone))]

    def _steps(debt: Debt, now: int, suspends: int, told: set[str]) -> list[Command[object]]:
        if now >= suspends:
            if suspended_key(debt) in told:
                return []
            return [SuspendForDebt(account_id=debt.account_id, at=now, debt=debt)]
        key = warned_key(debt)
        if now < warn_before.boundary(suspends, -1, zone) or key in told:
            return []
        day = local_day(suspends, zone).isoformat()
        return [Tell(Notice(key, debt.account_id, "debt_warning", day, now))]

    return handle


def suspends_at(debt: Debt, after: Term, zone: str) -> int:
    """The midnight at which a debt suspends: the first one after its term."""
    over = after.boundary(debt.since, 1, zone)
    return next_midnight(over - 1, zone)
