"""Texts: what one costs, sending it, and what became of it (A20, C12)."""

from __future__ import annotations

import re
import secrets

from billing.facts.cdr import show_stamp
from billing.facts.hold import HoldCredit, ReleaseCredit
from billing.facts.money import format_amount
from billing.facts.wallet import MONEY, SMS
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.calls.explanation import stages_of
from softswitch.operations.context import Context
from softswitch.operations.pages import rows_asked
from softswitch.operations.times import read_time
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import carrier_store, store
from softswitch.texting.charging import hold_of
from softswitch.texting.message import State, StoredText, Text
from softswitch.texting.sending import Payer, Quote, TextPrices

MAX_LIMIT = 1_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000
_KEY = re.compile(r"[\x21-\x7e]{1,100}")


def sms_send(
    context: Context,
    line: str,
    recipient: str,
    text: str,
    dry_run: bool = False,
    at: str | None = None,
    key: str | None = None,
    valid_minutes: int | None = None,
) -> Row:
    """Send a text from a line.

    Args:
        line: its number or login.
        recipient: a number; one of our own lines gets the text for nothing.
        dry_run: say what it costs, and send nothing.
        at: when it is to go; at once if None.
        key: repeating the same key is answered by the same text.
        valid_minutes: how long it is worth delivering, which its carrier is told too; None: as long
            as texts are kept.
    """
    sender = context.line(line)
    if not text or len(text) > 10_000:
        raise OperationError("text_length", longest=10_000)
    number = context.number(recipient)
    now = context.now_ms()
    due = now if at is None else max(now, read_time(at, context.config.switch.time_zone))
    called = context.directory.line_by_number(number)
    if called is not None:
        quote = Quote(number, "", 0, 0, "")
    else:
        quote = _quote(context, Payer(sender.account_id, sender), number, text)
    if dry_run:
        return _quote_row(quote)
    if key is not None and _KEY.fullmatch(key) is None:
        raise OperationError("sms_key_malformed")
    origin = f"key:{sender.account_id}:{key}" if key else f"web:{secrets.token_hex(16)}"
    expires = due + _validity_ms(context, valid_minutes)
    made = Text(
        origin=origin,
        kind="out" if called is None else "line",
        account_id=sender.account_id,
        from_line=sender.id,
        to_line=None if called is None else called.id,
        sender=sender.number,
        recipient=number,
        body=text.encode("utf-8"),
        segments=quote.segments,
        price_micros=quote.price_micros,
        currency=quote.unit,
        created_at=now,
        due_at=due,
        expires_at=expires,
        has_validity=valid_minutes is not None,
    )
    return text_row(_stored(context, made))


def sms_quote(context: Context, line: str, recipient: str, text: str) -> Row:
    """The segments and the price of a text from a line; nothing is sent."""
    return sms_send(context, line, recipient, text, dry_run=True)


def sms_list(
    context: Context,
    account: str | None = None,
    line: str | None = None,
    number: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Row]:
    """Texts, the newest first. `before` is the id of the last one of the page before."""
    rows_asked(limit, MAX_LIMIT)
    owner = context.own_account(account)
    lines = None
    if line is not None:
        lines = [context.line(line).id]
    elif context.actor.is_line_user:
        lines = sorted(context.actor.lines)
    elif owner is not None:
        lines = [one.id for one in context.directory.lines_of([owner])]
    wanted = None if number is None else context.number(number)
    with context.billing.reading() as connection:
        found = store.page(
            connection,
            account_id=owner if lines is None else None,
            lines=lines,
            number=wanted,
            now=context.now_ms(),
            inbox_of=owner if line is None and not context.actor.is_line_user else None,
            before=before,
            limit=limit,
        )
    return [text_row(text) for text in found]


def sms_show(context: Context, text_id: int) -> Row:
    """A text with its body."""
    found = _own(context, text_id)
    return text_row(found) | {"text": found.text.body.decode("utf-8", "replace")}


def sms_cancel(context: Context, text_id: int) -> Row:
    """Take back a text that no phone and no carrier has yet; its price is given back."""
    found = _own(context, text_id)
    with context.billing.engine.begin() as connection:
        moved = store.move(connection, found.id, State.CANCELLED, context.now_ms())
    assert moved is not None
    if moved.state is not State.CANCELLED:
        raise OperationError("sms_gone", text=text_id, state=moved.state.value)
    facts = moved.text
    if facts.price_micros and facts.account_id is not None and facts.batch_id is None:
        # A crash before this is mended by the switch, which compares holds with their texts.
        context.do(
            ReleaseCredit(account_id=facts.account_id, at=context.now_ms(), hold_id=hold_of(moved))
        )
    context.changes.texts = True
    return text_row(moved)


def text_row(text: StoredText) -> Row:
    """A text as it is shown, without its body."""
    facts = text.text
    return {
        "id": text.id,
        "from": facts.sender or None,
        "to": facts.recipient,
        "state": text.state.value,
        "segments": facts.segments,
        "price": format_amount(facts.price_micros),
        "currency": facts.currency or None,
        "created_at": show_stamp(facts.created_at),
        "sent_at": None if text.sent_at is None else show_stamp(text.sent_at),
        "done_at": None if text.done_at is None else show_stamp(text.done_at),
        "carrier": text.carrier or None,
        "error": text.error or None,
    }


def _own(context: Context, text_id: int) -> StoredText:
    """A text of the actor's: of its account, or from or to a line of its own."""
    with context.billing.reading() as connection:
        found = store.get(connection, text_id)
    if found is not None and context.actor.is_subscriber:
        mine = [
            line is not None and context.owns_line(context.line_of(line))
            for line in (found.text.from_line, found.text.to_line)
        ]
        by_account = not context.actor.is_line_user and context.owns(found.text.account_id)
        if not any(mine) and not (by_account and found.text.account_id is not None):
            found = None
    if found is None:
        raise OperationError("sms_not_found", text=text_id)
    return found


def _validity_ms(context: Context, minutes: int | None) -> int:
    most = context.config.sms.kept_days * DAY_MS
    if minutes is None:
        return most
    if not MINUTE_MS <= minutes * MINUTE_MS <= most:
        raise OperationError("sms_validity_out_of_range", most=most // MINUTE_MS)
    return minutes * MINUTE_MS


def _quote(context: Context, payer: Payer, number: str, text: str) -> Quote:
    with context.billing.reading() as connection:
        carriers = carrier_store.carriers(connection)
    at = context.now_ms()
    prices = TextPrices(stages_of(context, at), context.config.sms.tariff, lambda: carriers)
    try:
        return prices.quote(payer, number, text, at)
    except Refusal as refusal:
        raise OperationError.of(refusal) from None


def _stored(context: Context, text: Text) -> StoredText:
    """The text once its price is held and it is on disk."""
    if text.price_micros:
        assert text.account_id is not None
        context.do(
            HoldCredit(
                account_id=text.account_id,
                at=text.created_at,
                hold_id=f"text:{text.origin}",
                wallet=SMS if text.currency == "SMS" else MONEY,
                amount_micros=text.price_micros,
                currency=None if text.currency == "SMS" else text.currency,
            )
        )
    most = context.config.sms.max_kept
    with context.billing.engine.begin() as connection:
        stored = store.keep(connection, text, most)
    if stored is None:
        raise OperationError("text_line_full", most=most)
    context.changes.texts = True
    return stored


def _quote_row(quote: Quote) -> Row:
    return {
        "id": None,
        "to": quote.number,
        "state": "dry_run",
        "segments": quote.segments,
        "alphabet": quote.alphabet or None,
        "price": format_amount(quote.price_micros),
        "currency": quote.unit or None,
        "package": quote.package or None,
    }
