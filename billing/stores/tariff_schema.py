"""Tables of tariffs, and rows to facts. A price list only grows: what another version closed stays
as it was, with the version that closed it."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from billing.facts.rate import Rate
from billing.facts.tariff import Terms
from billing.stores.rows import NamedRow
from billing.stores.schema import metadata

tariffs = Table(
    "tariffs",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("terms", LargeBinary),
)

versions = Table(
    "tariff_versions",
    metadata,
    Column("tariff", String(64), ForeignKey("tariffs.name"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("terms", LargeBinary),
    Column("made_at", BigInteger, nullable=False),
    Column("note", String(256), nullable=False),
)

rates = Table(
    "rates",
    metadata,
    Column("tariff", String(64), ForeignKey("tariffs.name"), primary_key=True),
    Column("prefix", String(64), primary_key=True),
    Column("interval", String(32), primary_key=True),
    Column("effective_from", BigInteger, primary_key=True),
    Column("since_version", Integer, primary_key=True),
    Column("until_version", Integer),
    Column("destination", String(128), nullable=False),
    Column("connect_fee_micros", BigInteger, nullable=False),
    Column("per_minute_micros", BigInteger, nullable=False),
    Column("initial_increment_seconds", Integer, nullable=False),
    Column("increment_seconds", Integer, nullable=False),
    Column("grace_seconds", Integer, nullable=False),
    Column("minimum_micros", BigInteger, nullable=False),
    Index("rates_by_version", "tariff", "until_version"),
)
"""In force from `since_version` on, up to but not including `until_version` (None: still)."""

assignments = Table(
    "tariff_assignments",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("line", String(16)),
    Column("tariff", String(64), nullable=False),
    Column("from_at", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Index("tariff_assignments_by_account", "account_id"),
)

_encode = msgspec.msgpack.encode
_decode_terms = msgspec.msgpack.Decoder(Terms).decode

RATE_FACTS = (
    "prefix",
    "interval",
    "effective_from",
    "destination",
    "connect_fee_micros",
    "per_minute_micros",
    "initial_increment_seconds",
    "increment_seconds",
    "grace_seconds",
    "minimum_micros",
)


def terms_blob(terms: Terms) -> bytes | None:
    """Terms of a tariff as they are stored."""
    return None if terms == Terms() else _encode(terms)


def terms_of(blob: bytes | None) -> Terms:
    """The terms of a stored blob."""
    return Terms() if blob is None else _decode_terms(blob)


def rate_of(row: NamedRow, currency: str) -> Rate:
    """The rate of a row that has the tariff's name and then RATE_FACTS."""
    tariff, *facts = row
    return Rate(tariff, **dict(zip(RATE_FACTS, facts, strict=True)), currency=currency)


def rate_row(rate: Rate, tariff: str, version: int) -> dict[str, object]:
    """The row of a rate that a version of a tariff begins with."""
    row = {name: getattr(rate, name) for name in RATE_FACTS}
    return {"tariff": tariff, "since_version": version, "until_version": None, **row}
