"""Deliveries of webhooks: made of events, and sent until they are taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

import msgspec
import structlog
from sqlalchemy import Engine, select

from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.stores.sales_schema import notices
from billing.stores.schema import entries
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_row
from softswitch.mail.letter import Mail
from softswitch.mail.outbox import Outbox
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.identity import Identity
from softswitch.portal.reader import Reader
from softswitch.subscribers.subscriber_store import SubscriberStore
from softswitch.texting.store import texts_table
from softswitch.webhooks import signing
from softswitch.webhooks.posting import Network, PostingError, post
from softswitch.webhooks.store import (
    DELIVERED,
    FAILED,
    TEST,
    WAITING,
    Delivery,
    Event,
    Webhook,
    WebhookStore,
)

POLL_SECONDS = 1.0
AT_ONCE = 8
"""Requests to webhooks at the same time."""
MINUTE_MS = 60_000
PAUSES_MS = tuple(minutes * MINUTE_MS for minutes in (1, 5, 30, 120, 360, 720, 1440))
"""After each attempt that failed; after the last of them the webhook is switched off."""
ROTATION_MS = 86_400_000
"""The time for which the secret before the last rotation signs as well."""
_log = structlog.get_logger()


class Deliveries:
    """Sends what is due, once a second; several portals share the work by the database.

    Args:
        allowed: networks to which webhooks may be sent although they aren't public.
    """

    def __init__(
        self, engine: Engine, reader: Reader, identity: Identity, allowed: Collection[Network]
    ) -> None:
        self._engine = engine
        self._allowed = allowed
        self._reader = reader
        self._identity = identity
        self._store = WebhookStore(engine)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; a second start changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what is under way is tried again later."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.work()
            except Exception:
                _log.exception("webhooks_failed")
            await asyncio.sleep(POLL_SECONDS)

    async def work(self) -> int:
        """Make deliveries of new events and attempt those that are due; returns the number of
        attempts."""
        now = self._identity.now_ms()
        await asyncio.to_thread(self._store.expand, now)
        due = await asyncio.to_thread(self._store.due, now, AT_ONCE)
        await asyncio.gather(*map(self._attempt, due))
        return len(due)

    async def _attempt(self, delivery: Delivery) -> None:
        now = self._identity.now_ms()
        pause = PAUSES_MS[min(delivery.attempts, len(PAUSES_MS) - 1)]
        if not await asyncio.to_thread(self._store.claim, delivery, now + pause):
            return
        webhook = await asyncio.to_thread(self._store.find, delivery.webhook_id)
        event = await asyncio.to_thread(self._store.event, delivery.event_id)
        if webhook is None or event is None or webhook.disabled_at:
            await self._ended(delivery, FAILED, 0, "the webhook is off")
            return
        body = msgspec.json.encode(
            {
                "type": event.kind,
                "timestamp": show_stamp(event.at),
                "account": event.account_id,
                "data": await self._data(event),
            }
        )
        headers = signing.headers(f"evt_{event.id}", now // 1000, body, _secrets(webhook, now))
        try:
            status = await asyncio.to_thread(post, webhook.url, headers, body, self._allowed)
        except PostingError as error:
            await self._failed(webhook, delivery, 0, str(error))
            return
        if 200 <= status < 300:
            await self._ended(delivery, DELIVERED, status, "")
        else:
            await self._failed(webhook, delivery, status, f"answered {status}")

    async def _failed(self, webhook: Webhook, delivery: Delivery, status: int, error: str) -> None:
        given_up = delivery.attempts + 1 >= len(PAUSES_MS)
        await self._ended(delivery, FAILED if given_up else WAITING, status, error)
        if given_up:
            now = self._identity.now_ms()
            await asyncio.to_thread(self._store.change, webhook.id, disabled_at=now)
            await asyncio.to_thread(self._tell, webhook, error, now)

    async def _ended(self, delivery: Delivery, state: str, status: int, error: str) -> None:
        await asyncio.to_thread(
            self._store.ended, delivery.id, state, status, error, self._identity.now_ms()
        )

    def _tell(self, webhook: Webhook, error: str, now: int) -> None:
        """Tell the account's address that a webhook was switched off."""
        email = SubscriberStore(self._engine).fields(webhook.account_id).get("email", "")
        if email:
            text = f"{webhook.url} took no delivery for two days ({error}) and was switched off."
            mail = Mail(f"webhook-{webhook.id}-{now}", email, "A webhook was switched off", text)
            Outbox(self._engine).put(mail, now)

    async def _data(self, event: Event) -> Row:
        """The cause of an event as the subscriber may see it; empty when it is gone."""
        match event.kind.partition(".")[0]:
            case "call":
                actor = Actor("webhook", "subscriber", event.account_id)
                operation = OPERATIONS["account_call"]
                with contextlib.suppress(OperationError):
                    found = await self._reader.perform(actor, operation, {"call": event.ref})
                    return as_row(found)
                return {}
            case "payment" | "notice" | "message":
                return await asyncio.to_thread(self._cause, event)
            case _:
                return {"id": event.ref} if event.kind == TEST else {}

    def _cause(self, event: Event) -> Row:
        with self._engine.execution_options(reading=True).connect() as connection:
            match event.kind.partition(".")[0]:
                case "payment":
                    row = connection.execute(select(entries).where(entries.c.id == event.ref)).one()
                    return {
                        "id": row.transaction_id,
                        "amount": format_amount(row.amount_micros),
                        "currency": row.currency,
                    }
                case "notice":
                    row = connection.execute(select(notices).where(notices.c.id == event.ref)).one()
                    return {"what": row.what, "about": row.about}
                case _:
                    wanted = texts_table.c.id == int(event.ref)
                    row = connection.execute(select(texts_table).where(wanted)).one()
                    return {
                        "id": row.id,
                        "from": row.sender,
                        "to": row.recipient,
                        "text": row.body.decode("utf-8", "replace"),
                    }


def _secrets(webhook: Webhook, now: int) -> list[str]:
    rotating = webhook.old_secret and now - webhook.rotated_at < ROTATION_MS
    return [webhook.secret, webhook.old_secret] if rotating else [webhook.secret]
