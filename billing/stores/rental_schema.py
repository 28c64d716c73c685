"""Tables of numbers for rent, and rows to facts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from billing.stores.rows import NamedRow
from billing.stores.schema import metadata

numbers = Table(
    "numbers",
    metadata,
    Column("number", String(16), primary_key=True),
    Column("country", String(2), nullable=False),
    Column("city", String(64)),
    Column("kind", String(16), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("documents", String(32), nullable=False),
    Column("service", String(64)),
    Column("currency", String(3), nullable=False),
    Column("monthly_micros", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("account_id", Integer, ForeignKey("accounts.id")),
    Column("line", String(16)),
    Column("until", BigInteger),
    Index("numbers_by_account", "account_id"),
    Index("numbers_by_place", "state", "country", "city"),
)

rentals = Table(
    "rentals",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("number", String(16), ForeignKey("numbers.number"), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("fee_micros", BigInteger, nullable=False),
    Column("months", Integer, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("anchor_at", BigInteger, nullable=False),
    Column("period", Integer, nullable=False),
    Column("paid_until", BigInteger, nullable=False),
    Column("owing", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Index("rentals_by_account", "account_id", "state"),
)

waits = Table(
    "number_waits",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("country", String(2), nullable=False),
    Column("city", String(64)),
    Column("kind", String(16), nullable=False),
    Column("since", BigInteger, nullable=False),
)

orders = Table(
    "number_orders",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("country", String(2), nullable=False),
    Column("city", String(64)),
    Column("kind", String(16), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("documents", String(32), nullable=False),
    Column("number", String(16)),
    Column("line", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("monthly_micros", BigInteger, nullable=False),
    Column("months", Integer, nullable=False),
    Column("discount_percent", Integer, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ordered_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("days_from", Integer, nullable=False),
    Column("days_to", Integer, nullable=False),
    Column("expected_from", String(10)),
    Column("expected_by", String(10)),
    Column("reference", String(64), nullable=False),
    Index("number_orders_by_account", "account_id", "state"),
    Index("number_orders_by_place", "state", "country", "kind"),
    Index("number_orders_by_number", "number"),
)

offers = Table(
    "number_offers",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("country", String(2), nullable=False),
    Column("city", String(64)),
    Column("kind", String(16), nullable=False),
    Column("supplier", String(64), nullable=False),
    Column("documents", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("monthly_micros", BigInteger, nullable=False),
    Column("days_from", Integer, nullable=False),
    Column("days_to", Integer, nullable=False),
)
"""Offers: kinds of numbers that suppliers deliver on order."""

discounts = Table(
    "rental_discounts",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("percent", Integer, nullable=False),
)


def row_of(table: Table, fact: NamedRow) -> dict[str, object]:
    """The row of a fact whose fields are named as the table's columns."""
    return {column.name: getattr(fact, column.name) for column in table.columns}
