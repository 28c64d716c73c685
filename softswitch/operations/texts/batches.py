"""Batches of texts: preview, send, pause, resume, cancel (B1-B3, B9)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence

from billing.facts.account import Account
from billing.facts.cdr import show_stamp
from billing.facts.hold import HoldCredit
from billing.facts.money import format_amount
from billing.facts.wallet import SMS
from billing.stores import wallet_store
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_asked, page_at, read_cursor
from softswitch.operations.texts.recipients import Chosen, Recipient, Recipients, recipients_of
from softswitch.operations.texts.templates import checked_text, draft_named, template_text
from softswitch.operations.texts.texts import text_row
from softswitch.operations.times import read_time
from softswitch.texting import batch_store, client_store, contracts, store
from softswitch.texting.batch_store import Batch, BatchState
from softswitch.texting.batches import ALIGNED_AT_ONCE, release_of
from softswitch.texting.message import State, Text
from softswitch.texting.quiet_hours import QuietHours
from softswitch.texting.store import NEVER

DAY_MS = 86_400_000
UNIT = "SMS"
STORED_AT_ONCE = 2_000
"""Texts in one transaction: bounds how long calls wait for the database."""
_GIVEN_ID = re.compile(r"[\x21-\x7e]{1,100}")


def sms_batch_add(
    context: Context,
    account: str,
    sender: str = "",
    text: str = "",
    template: str | None = None,
    draft: str | None = None,
    groups: Sequence[str] = (),
    everyone: bool = False,
    to: str = "",
    at: str | None = None,
    dry_run: bool = False,
    batch_id: str | None = None,
) -> Row:
    """Send a text to many. All of it is held in messages of the SMS wallet, or nothing is sent.

    Args:
        sender: an approved sender name, or a number of the account.
        text: with {fields} of contacts; or the name of a `template`, or of a `draft` with all of
            it.
        groups: names of groups that get it.
        everyone: send to all contacts.
        to: a table of phones: CSV with the columns phone, name and fields, or a phone a line.
        at: when it is to go; at once if None.
        dry_run: say who would get it and what it costs, and send nothing.
        batch_id: the caller's own; repeating it is answered by the same batch.
    """
    owner = context.account(account)
    if draft is not None:
        kept = draft_named(context, owner, draft)
        sender, text = sender or kept.sender, text or kept.text
        groups = groups or kept.groups
    if template is not None:
        text = template_text(context, owner, template)
    checked_text(text)
    if not groups and not everyone and not to:
        raise OperationError("sms_recipients_missing")
    _check_right(context, owner, sender)
    own_id = _id_of(owner, batch_id)
    if not dry_run and _found(context, own_id) is not None:
        return sms_batch_show(context, own_id)
    now = context.now_ms()
    due = now if at is None else max(now, read_time(at, context.config.switch.time_zone))
    found = recipients_of(context, owner, Chosen(groups, everyone, to), text)
    if dry_run:
        return _preview(context, owner, found)
    if not found.kept:
        raise OperationError("sms_recipients_none", faulty=found.faulty, stopped=found.stopped)
    batch = Batch(
        id=own_id,
        account_id=owner.id,
        sender=sender,
        text=text,
        recipients=len(found.kept),
        segments=found.segments,
        price_micros=found.price_micros,
        unit=UNIT,
        doubles=found.doubles,
        faulty=found.faulty,
        stopped=found.stopped,
        created_at=now,
        created_by=context.actor.user,
        due_at=due,
    )
    _hold(context, batch)
    _store(context, batch, found.kept)
    _move(context, batch, (BatchState.PREPARING,), BatchState.RUNNING)
    return sms_batch_show(context, own_id)


def sms_batch_list(
    context: Context,
    account: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Batches, the newest first.

    Args:
        before: the last row of the page before, as TIME,ID.
    """
    owner = context.own_account(account)
    page = page_at(limit, None if before is None else read_cursor(before)) or Page(DEFAULT_ROWS)
    with context.billing.reading() as connection:
        return [
            batch_row(batch, batch_store.counts(connection, batch.id), context.now_ms())
            for batch in batch_store.page(connection, owner, page)
        ]


def sms_batch_show(context: Context, batch: str) -> Row:
    """A batch, and how many of its texts are in each state."""
    found = own_batch(context, batch)
    with context.billing.reading() as connection:
        counts = batch_store.counts(connection, found.id)
    return batch_row(found, counts, context.now_ms()) | {"text": found.text}


def sms_batch_texts(
    context: Context,
    batch: str,
    state: str | None = None,
    limit: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """The recipients of a batch, one a row, with what became of each text; the last one first.

    Args:
        state: only those in this state.
        before: the id of the last one of the page before.
    """
    found = own_batch(context, batch)
    page = page_asked(limit, before) or Page(DEFAULT_ROWS)
    wanted = None if state is None else _state(state)
    with context.billing.reading() as connection:
        texts = store.page(
            connection, batch_id=found.id, state=wanted, before=before, limit=page.limit
        )
    return [text_row(text) | {"text": text.text.body.decode("utf-8", "replace")} for text in texts]


def sms_batch_pause(context: Context, batch: str) -> Row:
    """Let what hasn't gone out wait until the batch is resumed."""
    return _change(context, batch, (BatchState.RUNNING,), BatchState.PAUSED)


def sms_batch_resume(context: Context, batch: str) -> Row:
    """Send a paused batch on."""
    return _change(context, batch, (BatchState.PAUSED,), BatchState.RUNNING)


def sms_batch_cancel(context: Context, batch: str) -> Row:
    """Take back what hasn't gone out; its price is given back."""
    running = (BatchState.RUNNING, BatchState.PAUSED)
    return _change(context, batch, running, BatchState.CANCELLED)


def batch_row(batch: Batch, counts: Mapping[State, int], now: int) -> Row:
    """A batch as it is shown."""
    waiting = counts.get(State.WAITING, 0)
    scheduled = batch.state is BatchState.RUNNING and batch.due_at > now
    return {
        "id": batch.id,
        "account": batch.account_id,
        "sender": batch.sender,
        "state": "scheduled" if scheduled else batch.state.value,
        "recipients": batch.recipients,
        "gone_out": sum(counts.values()) - waiting - counts.get(State.CANCELLED, 0),
        **{state.value: counts.get(state, 0) for state in State},
        "segments": batch.segments,
        "price": format_amount(batch.price_micros),
        "unit": batch.unit,
        "doubles": batch.doubles,
        "faulty": batch.faulty,
        "stopped": batch.stopped,
        "created_at": show_stamp(batch.created_at),
        "created_by": batch.created_by,
        "due_at": show_stamp(batch.due_at),
        "done_at": None if batch.done_at is None else show_stamp(batch.done_at),
    }


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        choices = tuple(state.value for state in State)
        raise OperationError("not_one_of", field="state", choices=choices, value=text) from None


def _check_right(context: Context, owner: Account, sender: str) -> None:
    """Raise OperationError unless an account may send batches under a sender (B1-B3)."""
    with context.billing.reading() as connection:
        if not client_store.is_granted(connection, owner.id):
            raise OperationError("sms_not_granted", account=owner.id)
        if contracts.accepted(connection, owner.id, context.config.sms.terms) is None:
            raise OperationError("sms_contract_missing", account=owner.id)
        approved = client_store.senders(connection, owner.id, "approved")
    if any(one.name == sender for one in approved):
        return
    if any(line.number == sender for line in context.directory.lines_of([owner.id])):
        return
    raise OperationError("sms_sender_not_approved", account=owner.id, name=sender)


def _id_of(owner: Account, given: str | None) -> str:
    """The id of a batch: the same for the same id that an account gave."""
    if given is None:
        return secrets.token_hex(8)
    if _GIVEN_ID.fullmatch(given) is None:
        raise OperationError("key_malformed", what="a batch id", longest=100)
    return hashlib.sha256(f"batch\n{owner.id}\n{given}".encode()).hexdigest()[:16]


def _found(context: Context, batch_id: str) -> Batch | None:
    with context.billing.reading() as connection:
        return batch_store.get(connection, batch_id)


def own_batch(context: Context, batch: str) -> Batch:
    """A batch that the actor may see. Raises OperationError."""
    found = _found(context, batch)
    if found is None or not context.owns(found.account_id):
        raise OperationError("sms_batch_not_found", batch=batch)
    return found


def _preview(context: Context, owner: Account, found: Recipients) -> Row:
    with context.billing.reading() as connection:
        wallets = wallet_store.of_accounts(connection, [owner.id])
    available = sum(wallet.available_micros for wallet in wallets if wallet.name == SMS)
    return {
        "recipients": len(found.kept),
        "doubles": found.doubles,
        "faulty": found.faulty,
        "stopped": found.stopped,
        "segments": found.segments,
        "price": format_amount(found.price_micros),
        "unit": UNIT,
        "available": format_amount(available),
        "affordable": found.price_micros <= available,
        "by_segments": {str(count): many for count, many in found.by_segments().items()},
        "examples": [f"{one.number}: {one.text}" for one in found.kept[:3]],
        "left_out": found.left_out,
    }


def _hold(context: Context, batch: Batch) -> None:
    """Write a batch down and hold its price, or leave nothing of it."""
    with context.billing.engine.begin() as connection:
        batch_store.add(connection, batch)
    try:
        context.do(
            HoldCredit(
                account_id=batch.account_id,
                at=batch.created_at,
                hold_id=batch.hold_id,
                wallet=SMS,
                amount_micros=batch.price_micros,
            )
        )
    except OperationError:
        with context.billing.engine.begin() as connection:
            batch_store.forget(connection, batch.id)
        raise


def _store(context: Context, batch: Batch, recipients: Sequence[Recipient]) -> None:
    """Store the texts of a batch. None is due before the batch runs."""
    expires = batch.due_at + context.config.sms.kept_days * DAY_MS
    for start in range(0, len(recipients), STORED_AT_ONCE):
        texts = [
            Text(
                origin=f"batch:{batch.id}:{number}",
                kind="out",
                account_id=batch.account_id,
                sender=batch.sender,
                recipient=one.number,
                body=one.text.encode("utf-8"),
                segments=one.segments,
                price_micros=one.segments * (batch.price_micros // batch.segments),
                currency=batch.unit,
                created_at=batch.created_at,
                due_at=NEVER,
                expires_at=expires,
                batch_id=batch.id,
            )
            for number, one in enumerate(recipients[start : start + STORED_AT_ONCE], start)
        ]
        with context.billing.engine.begin() as connection:
            store.add_new(connection, texts)


def _change(context: Context, batch: str, before: Sequence[BatchState], after: BatchState) -> Row:
    found = own_batch(context, batch)
    _move(context, found, before, after)
    return sms_batch_show(context, found.id)


def _move(context: Context, batch: Batch, before: Sequence[BatchState], after: BatchState) -> None:
    """Give a batch another state, bring its texts in line, and release its rest if it is over."""
    with context.billing.engine.begin() as connection:
        moved = batch_store.move(connection, batch.id, before, after)
        now_it_is = batch_store.get(connection, batch.id)
    assert now_it_is is not None
    if not moved and now_it_is.state is not after:
        raise OperationError("sms_batch_state", batch=batch.id, state=now_it_is.state.value)
    kept_ms = context.config.sms.kept_days * DAY_MS
    quiet = QuietHours(context.config.sms.quiet_hours)
    now, aligned = context.now_ms(), 1
    while aligned:
        with context.billing.engine.begin() as connection:
            current = batch_store.get(connection, batch.id)
            assert current is not None
            aligned = batch_store.align(
                connection, current, ALIGNED_AT_ONCE, now, kept_ms, quiet.due
            )
    context.changes.texts = True
    if after is BatchState.CANCELLED:
        _release(context, now_it_is)


def _release(context: Context, batch: Batch) -> None:
    """Give back the rest of a batch at once if none of its texts is under way; otherwise the
    running switch does, when they are final."""
    with context.billing.reading() as connection:
        rest = batch_store.rest(connection, batch, context.config.sms.charge)
    if rest is None or rest.uncaptured_micros > 0:
        return
    release = release_of(batch, rest, context.now_ms())
    if release is not None:
        context.do(release)
    with context.billing.engine.begin() as connection:
        batch_store.settle(connection, batch.id, context.now_ms())
