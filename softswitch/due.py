"""Work that is due, kind by kind: what `billing.due` runs, at the switch and in its tests."""

from __future__ import annotations

from billing import bill, bonus, packages, rentals, sales_store
from billing.account import ACTIVE, SUSPENDED, Change
from billing.calendar import local_day
from billing.due import Apply, DueReport, DueWork, Handler, run
from billing.rental import ChargeRental, ReleaseNumber
from billing.sales import MoveDue, Notice, RenewPackage, Tell
from billing.store import Store
from softswitch.store import DirectoryStore
from softswitch.subscriber_store import SubscriberStore

LEASE_KIND = "lease"
"""A tenant's lease is over: his line is suspended."""
DOCUMENT_KIND = "document"
"""An approved document has expired."""
BILLED_AT_ONCE = 500
"""Accounts in one transaction."""


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
        LEASE_KIND: _end_lease(store, zone),
        DOCUMENT_KIND: _expire_document(store),
        bill.DUE_KIND: _make_bills(store, zone),
    }


def _make_bills(store: Store, zone: str) -> Handler:
    """A month ended: every account is billed."""
    subscribers = SubscriberStore(store.engine)

    def handle(work: DueWork) -> list[object]:
        month, before_at, starts_at, next_due_at = bill.billing_month(work.due_at, zone)
        fields = subscribers.all_fields()
        parties = {
            account.id: {"name": account.name, "kind": account.kind} | fields.get(account.id, {})
            for account in store.accounts()
        }
        owners = list(parties)
        commands: list[object] = [
            bill.MakeBills(
                {owner: parties[owner] for owner in owners[start : start + BILLED_AT_ONCE]},
                month,
                before_at,
                starts_at,
                work.due_at,
            )
            for start in range(0, len(owners), BILLED_AT_ONCE)
        ]
        return [*commands, MoveDue(work, next_due_at)]

    return handle


def _end_lease(store: Store, zone: str) -> Handler:
    directory = DirectoryStore(store.engine)

    def handle(work: DueWork) -> list[object]:
        def noted(number: str, ends_on: str) -> Change:
            assert work.account_id is not None
            what, why = f"line {number}", f"the lease ended on {ends_on}"
            return Change(work.account_id, work.due_at, "switch", what, ACTIVE, SUSPENDED, why)

        today = local_day(work.due_at, zone).isoformat()
        directory.end_lease(int(work.subject), today, noted)
        return [MoveDue(work, None)]

    return handle


def _expire_document(store: Store) -> Handler:
    subscribers = SubscriberStore(store.engine)

    def handle(work: DueWork) -> list[object]:
        document = subscribers.document(int(work.subject))
        if document is None:
            return [MoveDue(work, None)]
        notice = Notice(
            f"document_expired:{document.id}",
            document.account_id,
            "document_expired",
            document.kind,
            work.due_at,
        )
        return [Tell(notice), MoveDue(work, None)]

    return handle


def _renew(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [RenewPackage(account_id=work.account_id, at=work.due_at, subscription=work.subject)]


def _charge(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [ChargeRental(account_id=work.account_id, at=work.due_at, rental=work.subject)]


def _release(work: DueWork) -> list[object]:
    assert work.account_id is not None
    return [ReleaseNumber(account_id=work.account_id, at=work.due_at, number=work.subject)]
