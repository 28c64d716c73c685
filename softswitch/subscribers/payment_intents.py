"""Payments that subscribers have begun on a provider's page.

Shares the database with billing, whose metadata this table extends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    insert,
    select,
    update,
)

from billing.stores.paging import Page, newest_first
from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow

State = Literal["open", "paid", "failed"]
STATES: tuple[State, ...] = get_args(State)

payment_intents_table = Table(
    "payment_intents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(8), nullable=False),
    Column("reference", String(128), nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Index("payment_intents_of_account", "account_id", "begun_at"),
    Index("payment_intents_by_time", "begun_at"),
)


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment on its way.

    Args:
        reference: the provider's own name of the payment; "" until it was told.
        settled_at: when it was paid or failed; epoch milliseconds.
    """

    id: str
    account_id: int
    amount_micros: int
    currency: str
    state: State
    reference: str
    begun_at: int
    settled_at: int | None = None

    @property
    def payment_id(self) -> str:
        """The id of its payment in the ledger: however often it is told, it counts once."""
        return f"online-{self.id}"


class IntentStore:
    """Intents by their id. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def add(self, intent: Intent) -> None:
        row = {
            "id": intent.id,
            "account_id": intent.account_id,
            "amount_micros": intent.amount_micros,
            "currency": intent.currency,
            "state": intent.state,
            "reference": intent.reference,
            "begun_at": intent.begun_at,
            "settled_at": intent.settled_at,
        }
        with self._engine.begin() as connection:
            connection.execute(insert(payment_intents_table).values(row))

    def find(self, intent_id: str) -> Intent | None:
        query = select(payment_intents_table).where(payment_intents_table.c.id == intent_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _intent(row)

    def settle(self, intent: Intent, state: State, reference: str, now: int) -> None:
        """Note the outcome; one that was paid stays paid."""
        table = payment_intents_table
        values = {
            "state": state, "reference": storable(reference, 128), "settled_at": now,
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(
                update(table).where(table.c.id == intent.id, table.c.state != "paid").values(values)
            )

    def intents(
        self, page: Page, account_id: int | None = None, state: State | None = None
    ) -> list[Intent]:
        """Intents, the newest first."""
        table = payment_intents_table
        query = select(table)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        if state is not None:
            query = query.where(table.c.state == state)
        query = newest_first(query, page, table.c.begun_at, table.c.id)
        with self._reader.connect() as connection:
            return [_intent(row) for row in connection.execute(query)]


def _intent(row: DbRow) -> Intent:
    return Intent(
        row.id, row.account_id, row.amount_micros, row.currency, row.state, row.reference,
        row.begun_at, row.settled_at,
    )  # fmt: skip
