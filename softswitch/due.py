"""Work that is due, kind by kind: what `billing.due` runs, at the switch and in its tests."""

from __future__ import annotations

from billing import bonus, packages, rentals, sales_store
from billing.due import Apply, DueReport, DueWork, Handler, run
from billing.rental import ChargeRental, ReleaseNumber
from billing.sales import RenewPackage
from billing.store import Store


def run_due(store: Store, apply: Apply, now: int, zone: str) -> DueReport:
    """Do everything that is due by now, in the order of its dates.

    Args:
        apply: how commands get to the books; in a running switch through its single writer.
        now: epoch milliseconds.
        zone: the operator's time zone, whose midnights count.
    """

    def due(until: int, limit: int) -> list[DueWork]:
        with store.reading() as connection:
            return sales_store.due(connection, until, limit)

    return run(due, _handlers(store, zone), apply, now)


def next_due(store: Store) -> int | None:
    """When something is due next; epoch milliseconds."""
    with store.reading() as connection:
        return sales_store.next_due(connection)


def _handlers(store: Store, zone: str) -> dict[str, Handler]:
    def minutes(start: int, end: int) -> dict[int, tuple[str, int]]:
        with store.reading() as connection:
            return sales_store.incoming_minutes(connection, start, end)

    def post_bonus(work: DueWork) -> list[object]:
        with store.reading() as connection:
            rates = sales_store.bonus_rates(connection)
        return bonus.commands(work, minutes, rates, zone)

    return {
        bonus.DUE_KIND: post_bonus,
        packages.DUE_KIND: _renew,
        rentals.FEE_KIND: _charge,
        rentals.NUMBER_KIND: _release,
    }


def _renew(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [RenewPackage(account_id=work.account_id, at=work.due_at, subscription=work.subject)]


def _charge(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [ChargeRental(account_id=work.account_id, at=work.due_at, rental=work.subject)]


def _release(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [ReleaseNumber(account_id=work.account_id, at=work.due_at, number=work.subject)]
