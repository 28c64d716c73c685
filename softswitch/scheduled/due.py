"""Due work by kind, which `billing.facts.due` runs, at the switch and in its tests."""

from __future__ import annotations

from dataclasses import dataclass

from billing.decisions import bonus, packages, rentals
from billing.facts import bill, debt, order
from billing.facts.account import ACTIVE, CLOSED, SUSPENDED, Change
from billing.facts.calendar import WEEKDAYS, Term, WorkingDays, local_day, next_midnight
from billing.facts.command import Apply, Command
from billing.facts.due import DueReport, DueWork, Handler, run
from billing.facts.rental import QUARANTINE_TERM, ChargeRental
from billing.facts.sales import NOTICE_KIND, MoveDue, Notice, RenewPackage, ScheduleWork, Tell
from billing.stores import bill_store, sales_store
from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.scheduled import notice_sending, order_work
from softswitch.scheduled.debt_work import WARN_BEFORE, watch_debts
from softswitch.scheduled.low_funds import WARNINGS_KIND, warn
from softswitch.scheduled.notice_sending import LeaveText, no_texts
from softswitch.scheduled.number_moves import NumberMoves
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.subscriber_store import SubscriberStore

LEASE_KIND = "lease"
"""The end of a tenant's lease: the line is suspended."""
DOCUMENT_KIND = "document"
"""The expiry of an approved document."""
NUMBER_CHANGE_KIND = "number_change"
"""The end of the announcement at an old number."""
INACTIVITY_KIND = "inactivity"
"""The search for unused lines."""


@dataclass(frozen=True, slots=True)
class DueSettings:
    """The operator's settings.

    Args:
        operator: the signature of mails, and the sender of texts.
        language: of subscribers who chose none.
        inactivity: the term after which an unused line is cancelled; None: never.
        quarantine: the term for which its number then rests.
        working_days: by which suppliers' days are counted.
        suspend_after: the term after which a debt suspends; None: never.
        warn_before: the term of the warning before that.
        low_balance_micros: below which subscribers are warned; None: they aren't.
        package_warn_before: the term of the warning before a package ends; None: there is none.
    """

    operator: str = ""
    language: str = "en"
    inactivity: Term | None = None
    quarantine: Term = QUARANTINE_TERM
    working_days: WorkingDays = WEEKDAYS
    suspend_after: Term | None = None
    warn_before: Term = WARN_BEFORE
    low_balance_micros: int | None = None
    package_warn_before: Term | None = None


DEFAULTS = DueSettings()


def due_settings(config: Config) -> DueSettings:
    """The settings in the configuration."""
    return DueSettings(
        config.operator.name or config.switch.domain,
        config.switch.language,
        config.lines.unused_after,
        config.lines.quarantine,
        config.operator.calendar,
        config.debt.suspend_after,
        config.debt.warn_before,
        config.warnings.low_balance_micros,
        config.warnings.package_before,
    )


def run_due(
    store: Store,
    apply: Apply,
    now: int,
    zone: str,
    settings: DueSettings = DEFAULTS,
    leave: LeaveText = no_texts,
) -> DueReport:
    """Carry out all work that is due by now, in the order of its dates.

    Args:
        apply: takes commands to the books; in a running switch through its single writer.
        now: epoch milliseconds.
        zone: the operator's time zone, whose midnights count.
        settings: the operator's.
        leave: stores notices that go as texts; by default all go by e-mail.
    """

    def due(until: int, limit: int) -> list[DueWork]:
        with store.reading() as connection:
            return sales_store.due(connection, until, limit)

    return run(due, _handlers(store, zone, settings, leave), apply, now)


def _handlers(
    store: Store, zone: str, settings: DueSettings, leave: LeaveText
) -> dict[str, Handler]:
    def minutes(start: int, end: int) -> dict[int, tuple[str, int]]:
        with store.reading() as connection:
            return sales_store.incoming_minutes(connection, start, end)

    def post_bonus(work: DueWork) -> list[Command[object]]:
        with store.reading() as connection:
            rates = sales_store.bonus_rates(connection)
        return bonus.commands(work, minutes, rates, zone)

    return {
        bonus.DUE_KIND: post_bonus,
        packages.DUE_KIND: _renew,
        rentals.FEE_KIND: _charge,
        rentals.NUMBER_KIND: order_work.release(store, zone, settings.working_days),
        order.POOL_KIND: order_work.serve_pool(store),
        order.LATE_KIND: order_work.tell_late,
        LEASE_KIND: _end_lease(store, zone),
        DOCUMENT_KIND: _expire_document(store),
        bill.DUE_KIND: _make_bills(store, zone),
        NOTICE_KIND: _send_notice(store, settings, leave),
        NUMBER_CHANGE_KIND: _end_change(store),
        INACTIVITY_KIND: _cancel_unused(store, zone, settings),
        WARNINGS_KIND: warn(store, zone, settings.low_balance_micros, settings.package_warn_before),
        debt.WATCH_KIND: watch_debts(store, zone, settings.suspend_after, settings.warn_before),
    }


def _end_change(store: Store) -> Handler:
    moves = NumberMoves(store.engine)

    def handle(work: DueWork) -> list[Command[object]]:
        moves.end_change(work.subject, work.due_at)
        return [MoveDue(work, None)]

    return handle


def first_looks(now: int, zone: str) -> tuple[DueWork, ...]:
    """The first searches for unused lines, for debts and for what to warn of, at the next midnight;
    each schedules the next."""
    kinds = (INACTIVITY_KIND, debt.WATCH_KIND, WARNINGS_KIND)
    return tuple(DueWork(kind, "daily", None, next_midnight(now, zone)) for kind in kinds)


def _cancel_unused(store: Store, zone: str, settings: DueSettings) -> Handler:
    """Cancel lines that weren't used for long. If it runs twice, it finds the lines of the first
    run by the end of their quarantine, and notifies subscribers who weren't notified."""
    moves = NumberMoves(store.engine)

    def handle(work: DueWork) -> list[Command[object]]:
        commands: list[Command[object]] = []
        if settings.inactivity is not None:
            cutoff = settings.inactivity.boundary(work.due_at, -1, zone)
            until = settings.quarantine.boundary(work.due_at, 1, zone)
            why = f"unused for {settings.inactivity}"
            for unused in moves.unused(cutoff, work.due_at):
                what = f"line {unused.number}"
                change = Change(unused.account_id, work.due_at, "switch", what, ACTIVE, CLOSED, why)
                moves.cancel(unused, until, change)
            commands += [
                Tell(
                    Notice(
                        f"line_cancelled:{line.line_id}:{until}",
                        line.account_id,
                        "line_cancelled",
                        line.number,
                        work.due_at,
                    )
                )
                for line in moves.resting(until)
            ]
        return [*commands, MoveDue(work, next_midnight(work.due_at, zone))]

    return handle


def _send_notice(store: Store, settings: DueSettings, leave: LeaveText) -> Handler:
    """Send a notice by the ways that its subscriber has chosen; the keys of mail and text follow
    from the notice, so that a second run changes nothing."""

    def handle(work: DueWork) -> list[Command[object]]:
        with store.reading() as connection:
            notice = sales_store.notice(connection, work.subject)
        if notice is not None:
            with store.engine.begin() as connection:
                notice_sending.send(
                    connection,
                    notice,
                    work.due_at,
                    operator=settings.operator,
                    language=settings.language,
                    leave=leave,
                )
        return [MoveDue(work, None)]

    return handle


def _make_bills(store: Store, zone: str) -> Handler:
    """Bill the month that ended. Accounts are billed in small batches, each as work of its own, so
    that no call waits long for the books."""
    subscribers = SubscriberStore(store.engine)

    def share(work: DueWork) -> list[Command[object]]:
        month, *_, next_due_at = bill.billing_month(work.due_at, zone)
        with store.reading() as connection:
            last = bill_store.last_account(connection)
        parts = [
            DueWork(bill.DUE_KIND, bill.part(month, first), None, work.due_at)
            for first in range(1, last + 1, bill.BILLED_AT_ONCE)
        ]
        return [*(ScheduleWork(part.key, part) for part in parts), MoveDue(work, next_due_at)]

    def handle(work: DueWork) -> list[Command[object]]:
        if work.subject == bill.DUE_SUBJECT:
            return share(work)
        month, before_at, starts_at, _ = bill.billing_month(work.due_at, zone)
        first = bill.first_of(work.subject)
        owners = range(first, first + bill.BILLED_AT_ONCE)
        fields = subscribers.fields_of(owners)
        with store.reading() as connection:
            parties = {
                owner: {"name": name, "kind": kind} | fields.get(owner, {})
                for owner, name, kind in bill_store.accounts_of(connection, owners)
            }
        command = bill.MakeBills(parties, month, before_at, starts_at, work.due_at)
        return [command, MoveDue(work, None)]

    return handle


def _end_lease(store: Store, zone: str) -> Handler:
    directory = DirectoryStore(store.engine)

    def handle(work: DueWork) -> list[Command[object]]:
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

    def handle(work: DueWork) -> list[Command[object]]:
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


def _renew(work: DueWork) -> list[Command[object]]:
    assert work.account_id is not None
    return [RenewPackage(account_id=work.account_id, at=work.due_at, subscription=work.subject)]


def _charge(work: DueWork) -> list[Command[object]]:
    assert work.account_id is not None
    return [ChargeRental(account_id=work.account_id, at=work.due_at, rental=work.subject)]
