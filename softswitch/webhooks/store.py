"""Webhooks, events and deliveries in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.paging import Page, newest_first
from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow

KEPT_MS = 30 * 86_400_000
"""The age at which events and deliveries are removed."""
MAX_ERROR = 200
WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
_BIG = BigInteger().with_variant(Integer, "sqlite")

webhooks_table = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("url", String(500), nullable=False),
    Column("events", String(1000), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("old_secret", String(64), nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger, nullable=False),
    Index("webhooks_of_account", "account_id"),
    sqlite_autoincrement=True,
)

events_table = Table(
    "webhook_events",
    metadata,
    Column("id", _BIG, primary_key=True),
    Column("account_id", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("ref", String(200), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("expanded", Integer, nullable=False, server_default="0"),
    Index("webhook_events_new", "expanded", "id"),
    sqlite_autoincrement=True,
)

deliveries_table = Table(
    "webhook_deliveries",
    metadata,
    Column("id", _BIG, primary_key=True),
    Column("webhook_id", Integer, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("done_at", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error", String(MAX_ERROR), nullable=False),
    Index("webhook_deliveries_due", "state", "next_at"),
    Index("webhook_deliveries_of_webhook", "webhook_id", "id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address to which an account's events go.

    Args:
        events: kinds such as "call.ended", "payment.*", or "*" for all.
        old_secret: signs as well for a day after a rotation; "": there is none.
        disabled_at: epoch milliseconds; 0: it is on.
    """

    id: int
    account_id: int
    url: str
    events: tuple[str, ...]
    secret: str
    old_secret: str
    rotated_at: int
    created_at: int
    disabled_at: int

    def wants(self, kind: str) -> bool:
        """True if events of this kind go to it."""
        resource = kind.partition(".")[0]
        return not {"*", kind, f"{resource}.*"}.isdisjoint(self.events) or kind == TEST


TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account.

    Args:
        kind: such as "call.ended".
        ref: the id of its cause: of a CDR, a ledger entry, a notice, a text.
        at: epoch milliseconds.
    """

    id: int
    account_id: int
    kind: str
    ref: str
    at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook.

    Args:
        next_at: of the next attempt; epoch milliseconds.
        done_at: 0: it isn't done.
        status: of the last answer (HTTP); 0: there was none.
    """

    id: int
    webhook_id: int
    event_id: int
    state: str
    attempts: int
    next_at: int
    done_at: int
    status: int
    error: str


class WebhookStore:
    """Webhooks by account. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    # Webhooks

    def add(self, webhook: Webhook) -> int:
        """Add a webhook; its `id` is ignored, and the new one is returned."""
        row = {
            "account_id": webhook.account_id,
            "url": webhook.url,
            "events": " ".join(webhook.events),
            "secret": webhook.secret,
            "old_secret": "",
            "rotated_at": 0,
            "created_at": webhook.created_at,
            "disabled_at": 0,
        }
        with self._engine.begin() as connection:
            key = connection.execute(insert(webhooks_table).values(row)).inserted_primary_key
        if key is None:
            raise LookupError("the database gave the webhook no id")
        return int(key[0])

    def find(self, webhook_id: int) -> Webhook | None:
        query = select(webhooks_table).where(webhooks_table.c.id == webhook_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _webhook(row)

    def of_account(self, account_id: int | None) -> list[Webhook]:
        """The webhooks of an account, the oldest first; None: of all."""
        table = webhooks_table
        query = select(table).order_by(table.c.id)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        with self._reader.connect() as connection:
            return [_webhook(row) for row in connection.execute(query)]

    def change(self, webhook_id: int, **values: str | int) -> None:
        table = webhooks_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == webhook_id).values(values))

    def remove(self, webhook_id: int) -> None:
        """Remove a webhook with its deliveries."""
        with self._engine.begin() as connection:
            column = deliveries_table.c.webhook_id
            connection.execute(delete(deliveries_table).where(column == webhook_id))
            connection.execute(delete(webhooks_table).where(webhooks_table.c.id == webhook_id))

    # Events

    def event(self, event_id: int) -> Event | None:
        query = select(events_table).where(events_table.c.id == event_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _event(row)

    def tell(self, account_id: int, kind: str, ref: str, at: int) -> int:
        """Add an event by hand: a test."""
        row = {"account_id": account_id, "kind": kind, "ref": ref, "at": at, "expanded": 0}
        with self._engine.begin() as connection:
            key = connection.execute(insert(events_table).values(row)).inserted_primary_key
        if key is None:
            raise LookupError("the database gave the event no id")
        return int(key[0])

    def expand(self, now: int, limit: int = 500) -> int:
        """Make deliveries of the events that are new; returns the number of events. What is a month
        old is removed."""
        table = events_table
        query = select(table).where(table.c.expanded == 0).order_by(table.c.id).limit(limit)
        with self._reader.connect() as connection:
            found = [_event(row) for row in connection.execute(query)]
        if not found:
            return 0
        webhooks = [one for one in self.of_account(None) if not one.disabled_at]
        rows = [
            {
                "webhook_id": webhook.id,
                "event_id": event.id,
                "state": WAITING,
                "attempts": 0,
                "next_at": now,
                "done_at": 0,
                "status": 0,
                "error": "",
            }
            for event in found
            for webhook in webhooks
            if webhook.account_id == event.account_id and webhook.wants(event.kind)
        ]
        ids = [event.id for event in found]
        with self._engine.begin() as connection:
            fresh = (table.c.id.in_(ids)) & (table.c.expanded == 0)
            done = connection.execute(update(table).where(fresh).values(expanded=1))
            if done.rowcount != len(ids):  # another portal was faster
                connection.rollback()
                return 0
            if rows:
                connection.execute(insert(deliveries_table), rows)
            connection.execute(delete(table).where(table.c.at < now - KEPT_MS))
            old = deliveries_table.c.next_at < now - KEPT_MS
            connection.execute(delete(deliveries_table).where(old))
        return len(found)

    # Deliveries

    def due(self, now: int, limit: int) -> list[Delivery]:
        """The deliveries whose attempt is due, those that wait longest first."""
        table = deliveries_table
        query = (
            select(table)
            .where(table.c.state == WAITING, table.c.next_at <= now)
            .order_by(table.c.next_at, table.c.id)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def claim(self, delivery: Delivery, next_at: int) -> bool:
        """Note an attempt before it is made; False: another portal makes it."""
        table = deliveries_table
        mine = (table.c.id == delivery.id) & (table.c.attempts == delivery.attempts)
        values = {"attempts": delivery.attempts + 1, "next_at": next_at}
        with self._engine.begin() as connection:
            done = connection.execute(update(table).where(mine).values(values))
            return done.rowcount == 1

    def ended(self, delivery_id: int, state: str, status: int, error: str, now: int) -> None:
        """Note the outcome of an attempt; `waiting` leaves it for the next one."""
        values = {
            "state": state,
            "status": status,
            "error": storable(error, MAX_ERROR),
            "done_at": 0 if state == WAITING else now,
        }
        table = deliveries_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == delivery_id).values(values))

    def again(self, delivery_id: int, now: int) -> None:
        """Have a delivery begin anew."""
        table = deliveries_table
        values = {"state": WAITING, "attempts": 0, "next_at": now, "done_at": 0}
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == delivery_id).values(values))

    def deliveries(self, webhook_id: int, page: Page) -> list[tuple[Delivery, Event | None]]:
        """A page of a webhook's deliveries, the newest first."""
        table = deliveries_table
        query = newest_first(
            select(table).where(table.c.webhook_id == webhook_id), page, table.c.id
        )
        with self._reader.connect() as connection:
            found = [_delivery(row) for row in connection.execute(query)]
            events = self._events(connection.execute(
                select(events_table).where(events_table.c.id.in_([one.event_id for one in found]))
            ).all())  # fmt: skip
        return [(one, events.get(one.event_id)) for one in found]

    def delivery(self, delivery_id: int) -> Delivery | None:
        query = select(deliveries_table).where(deliveries_table.c.id == delivery_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _delivery(row)

    @staticmethod
    def _events(rows: Sequence[DbRow]) -> dict[int, Event]:
        return {row.id: _event(row) for row in rows}


def _webhook(row: DbRow) -> Webhook:
    return Webhook(
        row.id, row.account_id, row.url, tuple(row.events.split()), row.secret, row.old_secret,
        row.rotated_at, row.created_at, row.disabled_at,
    )  # fmt: skip


def _event(row: DbRow) -> Event:
    return Event(row.id, row.account_id, row.kind, row.ref, row.at)


def _delivery(row: DbRow) -> Delivery:
    return Delivery(
        row.id, row.webhook_id, row.event_id, row.state, row.attempts, row.next_at, row.done_at,
        row.status, row.error,
    )  # fmt: skip
