"""Digest credentials of lines' devices in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
    select,
)

from billing.stores.schema import metadata
from sip.digest import Algorithm
from softswitch.database.rows import DbRow, among
from softswitch.subscribers.device_credentials import DeviceCredentials, PushAddress

Secrets = Mapping[Algorithm, str]
"""HA1 of each algorithm (RFC 7616 section 3.4.2), lower-case hexadecimal."""

COLUMNS = {
    Algorithm.MD5: "ha1_md5",
    Algorithm.SHA_256: "ha1_sha256",
    Algorithm.SHA_512_256: "ha1_sha512_256",
}

device_lines_table = Table(
    "device_lines",
    metadata,
    Column("device_id", String(16), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("line_id", Integer, ForeignKey("lines.id"), nullable=False, index=True),
    Column("username", String(80), nullable=False),
    *(Column(name, String(64)) for name in COLUMNS.values()),
    *(Column(f"next_{name}", String(64)) for name in COLUMNS.values()),
    UniqueConstraint("username", name="device_lines_username"),
)
"""The accounts of devices: `position` is the number of the account on the phone, from 1. The
columns are NULL until a device has fetched its first configuration; those of `next_` are the
secrets of a configuration that was handed out and isn't known to have arrived."""


push_tokens_table = Table(
    "device_push_tokens",
    metadata,
    Column("device_id", String(16), primary_key=True),
    Column("selector", String(256), primary_key=True),
    Column("call_token", String(512), nullable=False),
    Column("call_app", String(256), nullable=False),
    Column("other_token", String(512), nullable=False),
    Column("other_app", String(256), nullable=False),
    Column("reported_at", BigInteger, nullable=False),
)


def credentials_of(
    connection: Connection, line_ids: Iterable[int] | None = None
) -> dict[int, tuple[DeviceCredentials, ...]]:
    """The credentials of lines' devices by the line's id; None means all lines."""
    table = device_lines_table
    query = select(table).order_by(table.c.line_id, table.c.username)
    if line_ids is not None:
        query = query.where(among(table.c.line_id, line_ids))
    found: dict[int, tuple[DeviceCredentials, ...]] = {}
    addresses = _push_addresses(connection, line_ids)
    for row in connection.execute(query):
        wakes = addresses.get(row.device_id, ())
        device = DeviceCredentials(row.username, _secrets(row), wakes)
        found[row.line_id] = (*found.get(row.line_id, ()), device)
    return found


def _push_addresses(
    connection: Connection, line_ids: Iterable[int] | None
) -> dict[str, tuple[PushAddress, ...]]:
    """The push addresses for calls by the device's id."""
    table, lines = push_tokens_table, device_lines_table
    query = select(table).where(table.c.call_token != "").order_by(table.c.selector)
    if line_ids is not None:
        mine = select(lines.c.device_id).where(among(lines.c.line_id, line_ids))
        query = query.where(table.c.device_id.in_(mine))
    found: dict[str, tuple[PushAddress, ...]] = {}
    for row in connection.execute(query):
        address = PushAddress(row.call_app, row.call_token, row.selector)
        found[row.device_id] = (*found.get(row.device_id, ()), address)
    return found


def _secrets(row: DbRow) -> tuple[Secrets, ...]:
    return tuple(
        {algorithm: getattr(row, prefix + name) for algorithm, name in COLUMNS.items()}
        for prefix in ("", "next_")
        if getattr(row, prefix + COLUMNS[Algorithm.MD5]) is not None
    )
