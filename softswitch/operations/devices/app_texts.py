"""Texts and push tokens of apps, by Cloud Softphone's web services (A20)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value
from softswitch.operations.context import Context
from softswitch.operations.devices.devices import device_store, own_device
from softswitch.provisioning.device import PushToken
from softswitch.texting import store
from softswitch.texting.message import State, StoredText

FETCHED_AT_ONCE = 100
_MAX_TOKEN = 512
_MAX_NAME = 256
_GONE = frozenset({State.CANCELLED, State.FAILED, State.EXPIRED})


def device_texts(context: Context, line: str, last_received: int = 0, last_sent: int = 0) -> Row:
    """Texts from and to a line that are newer than the last ones that its app knows, the oldest
    first; `waiting` has the ids of those that no phone of the line has yet.

    Args:
        last_received, last_sent: ids of texts; 0: the app knows none.
    """
    found, now = context.line(line), context.now_ms()
    with context.billing.reading() as connection:
        known = min(last_received, last_sent)
        if known:
            texts = store.page(connection, lines=[found.id], after=known, limit=2 * FETCHED_AT_ONCE)
        else:
            newest = store.page(connection, lines=[found.id], limit=FETCHED_AT_ONCE)
            texts = newest[::-1]
    shown = [each for each in texts if each.state not in _GONE and each.text.due_at <= now]
    received = [each for each in shown if each.text.to_line == found.id and each.id > last_received]
    sent = [each for each in shown if each.text.from_line == found.id and each.id > last_sent]
    return {
        "waiting": [each.id for each in received if each.state is State.WAITING],
        "date": _rfc3339(now),
        "received_smss": [_received(each) for each in received],
        "sent_smss": [_sent(each) for each in sent],
    }


def device_texts_taken(context: Context, line: str, text_ids: Sequence[int]) -> Row:
    """Note that an app of a line has fetched texts that waited for its phones: they are
    delivered."""
    found, taken = context.line(line), 0
    with context.billing.engine.begin() as connection:
        for text_id in text_ids[:FETCHED_AT_ONCE]:
            text = store.get(connection, text_id)
            if text is not None and text.text.to_line == found.id:
                store.move(connection, text_id, State.DELIVERED, context.now_ms())
                taken += 1
    context.changes.texts = True
    return {"line": found.number, "texts": taken}


def device_push(
    context: Context,
    device: str,
    selector: str,
    call_token: str = "",
    call_app: str = "",
    other_token: str = "",
    other_app: str = "",
) -> Row:
    """Keep the push tokens that an app reported, in place of those before."""
    found = own_device(context, device)
    tokens, names = (call_token, other_token), (selector, call_app, other_app)
    too_long = max(map(len, tokens)) > _MAX_TOKEN or max(map(len, names)) > _MAX_NAME
    if not selector or too_long or not "".join((*tokens, *names)).isprintable():
        raise OperationError("device_push_malformed")
    device_store(context).put_push_token(
        PushToken(
            found.id, selector, call_token, call_app, other_token, other_app, context.now_ms()
        )
    )
    context.changes.lines.update(each.line_id for each in found.lines)
    return {"device": found.id}


def _received(text: StoredText) -> dict[str, Value]:
    return _common(text) | {"sender": text.text.sender, "stream_id": text.text.sender}


def _sent(text: StoredText) -> dict[str, Value]:
    return _common(text) | {"recipient": text.text.recipient, "stream_id": text.text.recipient}


def _common(text: StoredText) -> dict[str, Value]:
    return {
        "sms_id": str(text.id),
        "sending_date": _rfc3339(text.text.created_at),
        "sms_text": text.text.body.decode("utf-8", "replace"),
        "content_type": "text/plain",
    }


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
