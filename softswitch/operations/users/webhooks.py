"""Webhooks: add, list, change, rotate, test, remove; their deliveries."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import page_asked
from softswitch.webhooks.signing import new_secret
from softswitch.webhooks.store import TEST, Delivery, Event, Webhook, WebhookStore

MAX_WEBHOOKS = 10
"""Of an account."""
_EVENT = re.compile(r"\*|[a-z]+\.(?:\*|[a-z_]+)")


def webhook_add(context: Context, account: str, url: str, events: list[str] | None = None) -> Row:
    """Have an account's events sent to an address; the secret that signs them is shown once.

    Args:
        url: https, at a public address.
        events: call.ended, call.refused, payment.posted, payment.reversed, message.received,
            notice.number_connected and the like; payment.* for all of a kind; None: all.
    """
    owner = context.account(account)
    store = WebhookStore(context.billing.engine)
    if len(store.of_account(owner.id)) >= MAX_WEBHOOKS:
        raise OperationError("entries_too_many", most=MAX_WEBHOOKS, what="webhooks")
    webhook = Webhook(
        0, owner.id, _url(url), _events(events or ["*"]), new_secret(), "", 0, context.now_ms(), 0
    )
    webhook_id = store.add(webhook)
    return _row(_found(context, webhook_id)) | {"secret": webhook.secret}


def webhook_list(context: Context, account: str | None = None) -> list[Row]:
    """The webhooks of an account, or all."""
    store = WebhookStore(context.billing.engine)
    return [_row(webhook) for webhook in store.of_account(context.own_account(account))]


def webhook_set(context: Context, webhook: int, key: str, value: str) -> Row:
    """Change a webhook's `url`, `events` (with spaces between) or `enabled` (yes or no)."""
    found = _found(context, webhook)
    store = WebhookStore(context.billing.engine)
    match key:
        case "url":
            store.change(found.id, url=_url(value))
        case "events":
            store.change(found.id, events=" ".join(_events(value.split())))
        case "enabled":
            if value not in ("yes", "no"):
                raise OperationError(
                    "not_one_of", field="enabled", choices=("yes", "no"), value=value
                )
            store.change(found.id, disabled_at=0 if value == "yes" else context.now_ms())
        case _:
            known = ("url", "events", "enabled")
            raise OperationError("not_one_of", field="key", choices=known, value=key)
    return _row(_found(context, webhook))


def webhook_rotate(context: Context, webhook: int) -> Row:
    """Give a webhook a new secret, which is shown once. The old one signs as well for a day."""
    found, secret = _found(context, webhook), new_secret()
    WebhookStore(context.billing.engine).change(
        found.id, secret=secret, old_secret=found.secret, rotated_at=context.now_ms()
    )
    return _row(found) | {"secret": secret}


def webhook_test(context: Context, webhook: int) -> Row:
    """Send a `webhook.test` event to all webhooks of the account."""
    found = _found(context, webhook)
    store = WebhookStore(context.billing.engine)
    event = store.tell(found.account_id, TEST, str(found.id), context.now_ms())
    return {"event": event, "result": "queued"}


def webhook_remove(context: Context, webhook: int) -> Row:
    """Remove a webhook with its deliveries."""
    found = _found(context, webhook)
    WebhookStore(context.billing.engine).remove(found.id)
    return {"id": found.id, "result": "removed"}


def webhook_deliveries(
    context: Context, webhook: int, limit: int | None = None, before: int | None = None
) -> list[Row]:
    """A webhook's deliveries, the newest first.

    Args:
        before: those before this id: the last of the page before.
    """
    found = _found(context, webhook)
    page = page_asked(50 if limit is None else limit, before)
    assert page is not None  # a limit was given
    rows = WebhookStore(context.billing.engine).deliveries(found.id, page)
    return [_delivery_row(delivery, event) for delivery, event in rows]


def webhook_again(context: Context, webhook: int, delivery: int) -> Row:
    """Send a delivery again."""
    found = _found(context, webhook)
    store = WebhookStore(context.billing.engine)
    kept = store.delivery(delivery)
    if kept is None or kept.webhook_id != found.id:
        raise OperationError("delivery_not_found", delivery=delivery)
    store.again(kept.id, context.now_ms())
    return {"id": kept.id, "result": "queued"}


def _found(context: Context, webhook: int) -> Webhook:
    found = WebhookStore(context.billing.engine).find(webhook)
    if found is None or not context.owns(found.account_id):
        raise OperationError("webhook_not_found", webhook=webhook)
    return found


def _url(text: str) -> str:
    parts = urlsplit(text)
    try:
        fine = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        fine = False
    if not fine or parts.username or parts.fragment or len(text) > 500 or not text.isprintable():
        raise OperationError("webhook_url_malformed", url=text[:80])
    return text


def _events(texts: list[str]) -> tuple[str, ...]:
    for text in texts:
        if _EVENT.fullmatch(text) is None:
            raise OperationError("webhook_event_malformed", event=text[:80])
    if not texts or len(" ".join(texts)) > 1000:
        raise OperationError("webhook_event_malformed", event="")
    return tuple(dict.fromkeys(texts))


def _row(webhook: Webhook) -> Row:
    return {
        "id": webhook.id,
        "account": webhook.account_id,
        "url": webhook.url,
        "events": list(webhook.events),
        "enabled": not webhook.disabled_at,
        "created_at": show_stamp(webhook.created_at),
    }


def _delivery_row(delivery: Delivery, event: Event | None) -> Row:
    return {
        "id": delivery.id,
        "event": None if event is None else event.kind,
        "at": None if event is None else show_stamp(event.at),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_at": show_stamp(delivery.next_at) if delivery.state == "waiting" else None,
        "done_at": show_stamp(delivery.done_at) if delivery.done_at else None,
        "status": delivery.status or None,
        "error": delivery.error,
    }
