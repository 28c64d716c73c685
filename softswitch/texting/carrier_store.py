"""Carriers in the database."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata
from softswitch.texting.carrier import Carrier

carriers_table = Table(
    "sms_carriers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("host", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("system_id", String(15), nullable=False),
    Column("password", String(64), nullable=False),
    Column("system_type", String(12), nullable=False),
    Column("prefixes", String(1000), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("binds", Integer, nullable=False),
    Column("window", Integer, nullable=False, quote=True),
    Column("rate", Integer, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("receipt_ids", String(8), nullable=False, server_default="any"),
    # SQLite would give a removed carrier's id to the next one.
    sqlite_autoincrement=True,
)


def carriers(connection: Connection) -> list[Carrier]:
    """All carriers, by name."""
    query = select(carriers_table).order_by(carriers_table.c.name)
    return [
        Carrier(**{**row._mapping, "prefixes": tuple(row.prefixes.split())})
        for row in connection.execute(query)
    ]


def named(connection: Connection, name: str) -> Carrier | None:
    """A carrier by its name."""
    return next((one for one in carriers(connection) if one.name == name), None)


def put(connection: Connection, carrier: Carrier) -> None:
    """Write a carrier: a new one (id 0), or in the place of the one of its id."""
    values = {
        name: getattr(carrier, name) for name in Carrier.__struct_fields__ if name != "id"
    } | {"prefixes": " ".join(carrier.prefixes)}
    if carrier.id:
        mine = carriers_table.c.id == carrier.id
        connection.execute(update(carriers_table).where(mine).values(**values))
    else:
        connection.execute(insert(carriers_table).values(**values))


def remove(connection: Connection, carrier: Carrier) -> None:
    """Take a carrier away; texts that it has taken keep its name."""
    connection.execute(delete(carriers_table).where(carriers_table.c.id == carrier.id))
