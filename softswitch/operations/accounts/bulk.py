"""Changes of many accounts at once: previewed, run in portions, undone within a day.

Each account is changed by the operation that changes one, as whoever runs the job: with that one's
rights, its errors and its row in the audit.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace

from billing.facts.account import ACTIVE, SUSPENDED, TRANSITIONS, Account
from billing.facts.assignment import Assignments
from billing.facts.cdr import show_stamp
from billing.stores import tariff_store
from billing.stores.paging import Page
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount
from softswitch.operations.accounts.notices import notice_text
from softswitch.operations.accounts.standing import reason_given, who
from softswitch.operations.context import Concern, Context
from softswitch.operations.pages import DEFAULT_ROWS, page_at, read_cursor
from softswitch.operations.rights import check_role
from softswitch.operations.tariffs.tariff_terms import tariff_known
from softswitch.subscribers.bulk_store import BulkStore, Item, ItemState, Job

KINDS: Mapping[str, tuple[str, str]] = {
    "suspend": ("account_status", "account_status"),
    "resume": ("account_status", "account_status"),
    "tariff": ("tariff_assign", "tariff_assign"),
    "topup": ("account_topup", "payment_reverse"),
    "notice": ("account_notify", "account_notify"),
}
"""By kind the operations that do it to one account, and undo it."""
FOR_GOOD = frozenset({"notice"})
"""Kinds that nothing undoes."""
OF_STATUS = {"suspend": SUSPENDED, "resume": ACTIVE}
MAX_ACCOUNTS = 20_000
MAX_PORTION = 1_000
PORTION = 500
"""Accounts of one request: a few seconds."""
UNDO_MS = 86_400_000
SHOWN_ITEMS = 50


def bulk_preview(
    context: Context,
    kind: str,
    value: str = "",
    accounts: list[str] | None = None,
    search: str | None = None,
    status: str | None = None,
    table: str | None = None,
    reason: str = "",
    by: str = "operator",
) -> Row:
    """Prepare a change of many accounts, and show what it would do to each. Nothing is changed.

    Args:
        kind: suspend, resume, tariff, topup or notice.
        value: the tariff; of a notice its text; of a payment the amount for each account that the
            table gives none.
        accounts: by id or name; or else `search` and `status`, as `account_list` has them.
        table: CSV with the columns account and, for payments, amount, instead of all three.
        reason: for the accounts' histories.
    """
    one_of("kind", tuple(KINDS), kind)
    _check_rights(context, KINDS[kind])
    if kind == "tariff":
        tariff_known(context, value)
    if kind == "notice":
        value = notice_text(value)
    job = Job(
        secrets.token_hex(8), kind, value, reason_given(reason), "previewed", context.now_ms(),
        who(by),
    )  # fmt: skip
    chosen = list(_chosen(context, kind, value, accounts, search, status, table))
    if not chosen:
        raise OperationError("bulk_empty")
    if len(chosen) > MAX_ACCOUNTS:
        raise OperationError("entries_too_many", most=MAX_ACCOUNTS, what="accounts")
    tariffs = _tariffs(context, [account for account, _ in chosen]) if kind == "tariff" else {}
    items = [
        _item(job, position, account, after, tariffs)
        for position, (account, after) in enumerate(chosen)
    ]
    store = BulkStore(context.billing.engine)
    store.add(job, items)
    return _job_row(store, job) | {"items": [_item_row(item) for item in items[:SHOWN_ITEMS]]}


def bulk_run(context: Context, job: str, limit: int = PORTION) -> Row:
    """Do the next portion of a job; again and again, until nothing is `pending`. What was done
    already isn't done twice."""
    store, found = BulkStore(context.billing.engine), _job(context, job)
    _check_rights(context, KINDS[found.kind])
    if found.state not in ("previewed", "running"):
        raise OperationError("state_final", what="bulk job", id=found.id, state=found.state)
    run_at = found.run_at or context.now_ms()
    store.set_state(found.id, "running", run_at)
    for item in _as_of_now(context, found, store.items(found.id, "pending", _portion(limit))):
        store.save(item if item.fault else _done(context, found, item))
    left = store.counts(found.id).get("pending", 0)
    after = replace(found, state="running" if left else "done", run_at=run_at)
    store.set_state(found.id, after.state, run_at)
    return _job_row(store, after)


def bulk_undo(context: Context, job: str, limit: int = PORTION) -> Row:
    """Undo the next portion of a job that was run, within a day of its beginning; an account that
    can't be put back says why."""
    store, found = BulkStore(context.billing.engine), _job(context, job)
    _check_rights(context, KINDS[found.kind])
    if found.run_at is None or found.state == "undone":
        raise OperationError("state_final", what="bulk job", id=found.id, state=found.state)
    if found.kind in FOR_GOOD:
        raise OperationError("bulk_for_good", kind=found.kind)
    if context.now_ms() > found.run_at + UNDO_MS:
        raise OperationError("bulk_too_old", job=found.id)
    store.set_state(found.id, "undoing", found.run_at)
    for item in store.items(found.id, "done", _portion(limit)):
        store.save(_undone(context, found, item))
    left = store.counts(found.id).get("done", 0)
    after = replace(found, state="undoing" if left else "undone")
    store.set_state(found.id, after.state, found.run_at)
    return _job_row(store, after)


def bulk_show(
    context: Context,
    job: str,
    state: str | None = None,
    limit: int = DEFAULT_ROWS,
    after: int = -1,
) -> Row:
    """A job with its accounts in their order.

    Args:
        state: only those that are pending, faulty, done or undone.
        after: the last position of the page before.
    """
    states: tuple[ItemState, ...] = ("pending", "faulty", "done", "undone")
    one_of("state", states, state)
    wanted = next((each for each in states if each == state), None)
    store, found = BulkStore(context.billing.engine), _job(context, job)
    items = store.items(found.id, wanted, _portion(limit), after)
    return _job_row(store, found) | {"items": [_item_row(item) for item in items]}


def bulk_list(context: Context, limit: int | None = None, before: str | None = None) -> list[Row]:
    """Jobs, the newest first.

    Args:
        before: those before the last one of the page before ("MADE_AT,ID").
    """
    store = BulkStore(context.billing.engine)
    page = page_at(limit, None if before is None else read_cursor(before)) or Page(DEFAULT_ROWS)
    return [_job_row(store, job) for job in store.jobs(page)]


# Which accounts, and what happens to them


def _chosen(
    context: Context,
    kind: str,
    value: str,
    accounts: list[str] | None,
    search: str | None,
    status: str | None,
    table: str | None,
) -> Iterator[tuple[Account, str]]:
    """Accounts, each with what it gets."""
    if table is not None:
        yield from _of_table(context, kind, value, table)
        return
    after = "sent" if kind == "notice" else OF_STATUS.get(kind, value)
    if kind == "topup":
        _check_amount(value)
    if accounts is not None:
        for reference in dict.fromkeys(accounts):
            yield context.account(reference), after
        return
    for account in context.billing.accounts(Page(MAX_ACCOUNTS + 1), search, status, 0):
        yield account, after


def _of_table(context: Context, kind: str, value: str, table: str) -> Iterator[tuple[Account, str]]:
    """Rows of a CSV file. Raises OperationError with every fault."""
    reader = csv.DictReader(io.StringIO(table.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    if "account" not in header:
        raise OperationError("column_missing", column="account", known=("account", "amount"))
    reader.fieldnames = header
    found: list[tuple[Account, str]] = []
    faults: list[str] = []
    for row in reader:
        try:
            account = context.account((row.get("account") or "").strip())
            after = "sent" if kind == "notice" else OF_STATUS.get(kind, value)
            if kind == "topup":
                after = (row.get("amount") or value).strip()
                _check_amount(after)
            found.append((account, after))
        except OperationError as error:
            faults.append(f"line {reader.line_num}: {error}")
        if len(found) > MAX_ACCOUNTS:
            raise OperationError("lines_too_many", most=MAX_ACCOUNTS)
    if faults:
        raise OperationError("import_failed", faults[:SHOWN_ITEMS], count=len(faults))
    yield from found


def _check_amount(text: str) -> None:
    if read_amount(text) <= 0:
        raise OperationError("amount_not_positive", what="a payment", amount=text)


def _tariffs(context: Context, accounts: list[Account]) -> dict[int, str]:
    """The tariff that each account has now."""
    index = Assignments()
    for account in accounts:
        index.put_account(account.id, account.tariff)
    with context.billing.reading() as connection:
        index.put(tariff_store.assignments(connection, [account.id for account in accounts]))
    now = context.now_ms()
    return {account.id: index.tariff_of(account.id, None, now) for account in accounts}


def _item(
    job: Job, position: int, account: Account, after: str, tariffs: Mapping[int, str]
) -> Item:
    before = ""
    if job.kind in OF_STATUS:
        before = account.status
    elif job.kind == "tariff":
        before = tariffs[account.id]
    item = Item(job.id, position, account.id, before, after)
    if before == after:
        return replace(item, state="faulty", fault="bulk_unchanged")
    if job.kind in OF_STATUS and after not in TRANSITIONS[account.status]:
        return replace(item, state="faulty", fault="status_conflict")
    return item


# One account


def _as_of_now(context: Context, job: Job, items: list[Item]) -> list[Item]:
    """Items as a preview would show them now: what is undone later is what was there before."""
    found = (context.billing.account(item.account_id) for item in items)
    accounts = {account.id: account for account in found if account is not None}
    tariffs = _tariffs(context, list(accounts.values())) if job.kind == "tariff" else {}
    return [
        _item(job, item.position, accounts[item.account_id], item.after, tariffs) for item in items
    ]


def _done(context: Context, job: Job, item: Item) -> Item:
    account: dict[str, object] = {"account": str(item.account_id)}
    match job.kind:
        case "topup":
            arguments = {"amount": item.after, "payment_id": _payment_id(item)}
        case "tariff":
            arguments = {"tariff": item.after}
        case "notice":
            arguments = {"text": job.value, "key": f"{job.id}-{item.position}"}
        case _:
            arguments = {"status": item.after, "reason": job.reason or f"bulk job {job.id}"}
    fault = _perform(context, KINDS[job.kind][0], account | arguments)
    return replace(item, state="faulty" if fault else "done", fault=fault)


def _undone(context: Context, job: Job, item: Item) -> Item:
    account: dict[str, object] = {"account": str(item.account_id)}
    why = f"bulk job {job.id} was undone"
    match job.kind:
        case "topup":
            arguments = {"payment_id": _payment_id(item), "reason": why}
        case "tariff":
            arguments = {"tariff": item.before}
        case _:
            arguments = {"status": item.before, "reason": why}
    fault = _perform(context, KINDS[job.kind][1], account | arguments)
    return replace(item, state="faulty" if fault else "undone", fault=fault)


def _payment_id(item: Item) -> str:
    return f"bulk:{item.job_id}:{item.position}"


def _perform(context: Context, operation: str, arguments: Mapping[str, object]) -> str:
    """The code of a refusal; "" when it was done. The audit has a row for it."""
    # The registry has these operations too.
    from softswitch.operations.dispatch import perform
    from softswitch.operations.registry import OPERATIONS

    try:
        perform(replace(context, concern=Concern()), OPERATIONS[operation], arguments)
    except OperationError as error:
        return error.code
    return ""


def _check_rights(context: Context, operations: tuple[str, str]) -> None:
    """A job is for those who may do and undo it to one account."""
    from softswitch.operations.registry import OPERATIONS

    for name in operations:
        check_role(context.actor, OPERATIONS[name])


def _portion(limit: int) -> int:
    if not 1 <= limit <= MAX_PORTION:
        raise OperationError("limit_out_of_range", most=MAX_PORTION)
    return limit


def _job(context: Context, job_id: str) -> Job:
    found = BulkStore(context.billing.engine).job(job_id)
    if found is None:
        raise OperationError("bulk_not_found", job=job_id)
    return found


def _job_row(store: BulkStore, job: Job) -> Row:
    counts = store.counts(job.id)
    return {
        "id": job.id,
        "kind": job.kind,
        "value": job.value,
        "reason": job.reason,
        "state": job.state,
        "made_at": show_stamp(job.made_at),
        "made_by": job.made_by,
        "run_at": None if job.run_at is None else show_stamp(job.run_at),
        "accounts": sum(counts.values()),
        **{state: counts.get(state, 0) for state in ("pending", "faulty", "done", "undone")},
    }


def _item_row(item: Item) -> Row:
    return {
        "position": item.position,
        "account": item.account_id,
        "before": item.before or None,
        "after": item.after,
        "state": item.state,
        "fault": item.fault or None,
    }
