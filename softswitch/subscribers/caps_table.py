"""The caps of accounts in the database; see :mod:`softswitch.subscribers.caps`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table

from billing.stores.schema import metadata
from softswitch.database.rows import DbRow
from softswitch.subscribers.caps import Caps

caps_table = Table(
    "account_caps",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("calls", Integer),
    Column("calls_per_minute", Integer),
    Column("spend_hour_micros", BigInteger),
    Column("spend_day_micros", BigInteger),
    Column("countries", String),
    Column("high_risk", Boolean, nullable=False),
)


def caps_of(row: DbRow) -> Caps:
    """The caps in a row of the table."""
    facts = dict(row._mapping)
    countries = facts["countries"]
    return Caps(**facts | {"countries": None if countries is None else tuple(countries.split())})
