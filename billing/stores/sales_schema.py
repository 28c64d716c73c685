"""Tables of what is sold, and rows to facts."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from billing.facts.due import DueWork
from billing.facts.product import Product, Subscription
from billing.facts.sales import Bonus, Notice
from billing.stores.rows import NamedRow
from billing.stores.schema import metadata

due_work = Table(
    "due_work",
    metadata,
    Column("key", String(240), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("account_id", Integer, ForeignKey("accounts.id")),
    Column("due_at", BigInteger, nullable=False),
    Index("due_work_by_time", "due_at"),
)

products = Table(
    "products",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("facts", LargeBinary, nullable=False),
)

destinations = Table(
    "destinations",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("prefix", String(17), primary_key=True),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("line", String(16)),
    Column("product", String(64), nullable=False),
    Column("terms", LargeBinary, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("anchor_at", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("renewals", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("held_ms", BigInteger, nullable=False),
    Column("auto_renew", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Index("subscriptions_by_account", "account_id", "state"),
)

bonus_rates = Table(
    "bonus_rates",
    metadata,
    Column("currency", String(3), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("micros_per_minute", BigInteger, nullable=False),
)

bonuses = Table(
    "bonuses",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("minutes", BigInteger, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("what", String(32), nullable=False),
    Column("about", String(500), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("notices_by_account", "account_id", "at"),
)

_encode = msgspec.msgpack.encode
_decode_product = msgspec.msgpack.Decoder(Product).decode


def product_blob(product: Product) -> bytes:
    """A product as it is stored."""
    return _encode(product)


def product_of(blob: bytes) -> Product:
    """The product of a stored blob."""
    return _decode_product(blob)


def subscription_of(row: NamedRow) -> Subscription:
    """The subscription of a row."""
    facts = dict(row._mapping)
    return Subscription(**{**facts, "terms": product_of(facts["terms"])})


def subscription_row(item: Subscription) -> dict[str, object]:
    """The row of a subscription."""
    row = {column.name: getattr(item, column.name) for column in subscriptions.columns}
    row["terms"] = product_blob(item.terms)
    return row


def due_of(row: NamedRow) -> DueWork:
    """The work of a row."""
    return DueWork(row.kind, row.subject, row.account_id, row.due_at)


def due_row(work: DueWork) -> dict[str, object]:
    """The row of a work."""
    return {
        "key": work.key,
        "kind": work.kind,
        "subject": work.subject,
        "account_id": work.account_id,
        "due_at": work.due_at,
    }


def bonus_row(bonus: Bonus) -> dict[str, object]:
    """The row of a bonus."""
    return {column.name: getattr(bonus, column.name) for column in bonuses.columns}


def notice_row(notice: Notice) -> dict[str, object]:
    """The row of a notice."""
    return {column.name: getattr(notice, column.name) for column in notices.columns}
