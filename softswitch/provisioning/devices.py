"""Devices in the database: tokens by their hashes, accounts, and when each was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow
from softswitch.provisioning.device import (
    Device,
    DeviceLine,
    Found,
    Holder,
    Key,
    Kind,
    Presented,
    PushToken,
)
from softswitch.subscribers.device_credentials_store import (
    COLUMNS,
    device_lines_table,
    push_tokens_table,
)
from softswitch.subscribers.directory_store import lines_table

RETRY_MS = 600_000
"""How long a one-time token still answers the device that has used it: an answer may get lost."""

devices_table = Table(
    "devices",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("model", String(32), nullable=False),
    Column("mac", String(12)),
    Column("name", String(64), nullable=False),
    Column("keys", Text, nullable=False),
    Column("token_hash", String(64)),
    Column("next_token_hash", String(64)),
    Column("enrolment_hash", String(64)),
    Column("enrolment_ends_at", BigInteger),
    Column("rotating", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("enrolled_at", BigInteger),
    Column("seen_at", BigInteger),
    Column("seen_address", String(64), nullable=False),
    Column("seen_agent", String(256), nullable=False),
    Index("devices_of_account", "account_id"),
    UniqueConstraint("mac", name="devices_mac"),
    *(
        Index(f"devices_{name}", name, unique=True)
        for name in ("token_hash", "next_token_hash", "enrolment_hash")
    ),
)

_D = devices_table.c
_L = device_lines_table.c

DigestSecrets = Mapping[str, str]
"""HA1 by the names of the columns."""


class HandOver(NamedTuple):
    """The next token of a device, and the digest secrets that follow from it.

    Args:
        presented: the hash of the token with which the device asked.
        mac: the phone's, to which its one-time token is bound from now on; None: an app.
        token_hash: of the token in the configuration that it is given.
        secrets: by the username of each of its accounts.
    """

    device_id: str
    presented: str
    mac: str | None
    token_hash: str
    secrets: Mapping[str, DigestSecrets]


class Sighting(NamedTuple):
    """A request of a device: when, from where, and the User-Agent that it gave."""

    device_id: str
    at: int
    address: str
    agent: str


class DeviceStore:
    """Devices in the database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    # Reading

    def find(self, token_hash: str, now_ms: int) -> Found | None:
        """The device that one of its tokens names."""
        with self._reader.connect() as connection:
            rows = connection.execute(_FIND, {"hash": token_hash}).all()
        if not rows:
            return None
        row = rows[0]
        presented: Presented = "permanent"
        if token_hash == row.next_token_hash:
            presented = "next"
        elif token_hash == row.enrolment_hash:
            presented = "enrolment"
            if now_ms >= (row.enrolment_ends_at or 0):
                return None
        accounts = [each for each in rows if each.line_id is not None]
        lines = [DeviceLine(each.position, each.line_id, each.username) for each in accounts]
        holders = {
            each.line_id: Holder(
                each.line_id, each.number, each.login, each.display_name, each.language,
                each.srtp, each.dtmf,
            )
            for each in accounts
        }  # fmt: skip
        return Found(_device(row, {row.id: lines}), presented, holders)

    def get(self, device_id: str) -> Device | None:
        """A device by its id."""
        return next(iter(self._where(_D.id == device_id)), None)

    def of_accounts(self, account_ids: Sequence[int] | None) -> list[Device]:
        """Devices of accounts, the oldest first; None means all accounts."""
        return self._where(True if account_ids is None else _D.account_id.in_(account_ids))

    def colleagues(self, account_id: int) -> list[Holder]:
        """The lines of an account, by number: the phone book of its devices."""
        with self._reader.connect() as connection:
            rows = connection.execute(_COLLEAGUES, {"account": account_id})
            return [Holder(*row) for row in rows]

    def push_tokens(self, line_id: int) -> list[PushToken]:
        """The push tokens of the apps on a line."""
        table = push_tokens_table
        mine = select(_L.device_id).where(_L.line_id == line_id)
        query = select(table).where(table.c.device_id.in_(mine)).order_by(table.c.reported_at)
        with self._reader.connect() as connection:
            return [PushToken(*row) for row in connection.execute(query)]

    def _where(self, condition: object) -> list[Device]:
        query = select(devices_table).where(condition)  # type: ignore[arg-type]
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(_D.created_at, _D.id)).all()
            lines = _lines(connection, [row.id for row in rows])
            return [_device(row, lines) for row in rows]

    # Writing

    def add(self, device: Device) -> None:
        """Add a device with its accounts. Raises IntegrityError: another one has its MAC."""
        with self._engine.begin() as connection:
            connection.execute(insert(devices_table), _row(device))
            connection.execute(
                insert(device_lines_table),
                [
                    {"device_id": device.id, "position": each.position,
                     "line_id": each.line_id, "username": each.username}
                    for each in device.lines
                ],
            )  # fmt: skip

    def open_enrolment(self, device_id: str, token_hash: str, ends_at: int) -> None:
        """Give a device a one-time token in the place of the one it may have."""
        self._set(device_id, enrolment_hash=token_hash, enrolment_ends_at=ends_at)

    def close_enrolment(self, device_id: str) -> None:
        """Take a device's one-time token away."""
        self._set(device_id, enrolment_hash=None, enrolment_ends_at=None)

    def begin_rotation(self, device_id: str) -> None:
        """Have a device given its next token and passwords when it asks next."""
        self._set(device_id, rotating=True)

    def set_keys(self, device_id: str, keys: Sequence[Key]) -> None:
        """Replace the programmed keys of a device."""
        self._set(device_id, keys=msgspec.json.encode(keys).decode())

    def hand_over(self, given: HandOver, now_ms: int) -> frozenset[int] | None:
        """Note the token and the secrets that a device is about to be given; returns the ids of
        its lines. None: the token that it presented is not, or no longer, good for that."""
        by_enrolment = and_(
            _D.enrolment_hash == given.presented,
            _D.enrolment_ends_at > now_ms,
            or_(_D.mac.is_(None), _D.mac == given.mac),
        )
        by_rotation = and_(_D.token_hash == given.presented, _D.rotating)
        may = and_(_D.id == given.device_id, or_(by_enrolment, by_rotation))
        with self._engine.begin() as connection:
            row = connection.execute(select(devices_table).where(may)).one_or_none()
            if row is None:
                return None
            values: dict[str, object] = {
                "next_token_hash": given.token_hash,
                "mac": row.mac or given.mac,
                "enrolled_at": row.enrolled_at or now_ms,
            }
            if row.enrolment_hash == given.presented:
                # An app shows nothing by which it could be known again: its code is good once.
                again = RETRY_MS if given.mac is not None else 0
                values["enrolment_ends_at"] = min(row.enrolment_ends_at, now_ms + again)
            try:
                done = connection.execute(update(devices_table).where(may).values(values))
            except IntegrityError:
                return None  # another device has this MAC
            if not done.rowcount:
                return None
            for username, secrets in given.secrets.items():
                mine = and_(_L.device_id == given.device_id, _L.username == username)
                following = {f"next_{name}": secrets[name] for name in COLUMNS.values()}
                connection.execute(update(device_lines_table).where(mine).values(following))
            return _line_ids(connection, given.device_id)

    def set_secrets(
        self, device_id: str, secrets: Mapping[str, DigestSecrets], now_ms: int
    ) -> frozenset[int]:
        """Give a device that is set up by hand its passwords; returns the ids of its lines."""
        with self._engine.begin() as connection:
            for username, made in secrets.items():
                mine = and_(_L.device_id == device_id, _L.username == username)
                connection.execute(update(device_lines_table).where(mine).values(dict(made)))
            here = update(devices_table).where(_D.id == device_id)
            connection.execute(here.values(enrolled_at=now_ms))
            return _line_ids(connection, device_id)

    def leave(self, line_id: int) -> None:
        """Take a line off all devices, for it is removed or becomes another subscriber's."""
        with self._engine.begin() as connection:
            forget_line(connection, line_id)

    def arrived(self, device_id: str, token_hash: str) -> frozenset[int] | None:
        """Note that a device has used the token that it was handed: its earlier tokens and
        passwords are void. Returns the ids of its lines; None: that was noted before."""
        mine = and_(_D.id == device_id, _D.next_token_hash == token_hash)
        with self._engine.begin() as connection:
            done = connection.execute(
                update(devices_table)
                .where(mine)
                .values(
                    token_hash=token_hash, next_token_hash=None, enrolment_hash=None,
                    enrolment_ends_at=None, rotating=False,
                )
            )  # fmt: skip
            if not done.rowcount:
                return None
            following = {name: _L[f"next_{name}"] for name in COLUMNS.values()}
            handed = and_(_L.device_id == device_id, _L.next_ha1_md5.is_not(None))
            connection.execute(update(device_lines_table).where(handed).values(following))
            past = {f"next_{name}": None for name in COLUMNS.values()}
            connection.execute(update(device_lines_table).where(handed).values(past))
            return _line_ids(connection, device_id)

    def seen(self, sightings: Iterable[Sighting]) -> None:
        """Note when and from where devices came."""
        rows = [
            {"device": each.device_id, "at": each.at, "address": storable(each.address, 64),
             "agent": storable(each.agent, 256)}
            for each in sightings
        ]  # fmt: skip
        if rows:
            with self._engine.begin() as connection:
                connection.execute(_SEEN, rows)

    def put_push_token(self, token: PushToken) -> None:
        """Keep an app's push tokens, in the place of those that it reported before."""
        table = push_tokens_table
        mine = and_(table.c.device_id == token.device_id, table.c.selector == token.selector)
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(mine))
            connection.execute(insert(table), msgspec.structs.asdict(token))

    def remove(self, device_id: str) -> frozenset[int]:
        """Remove a device with its tokens and passwords; returns the ids of its lines."""
        with self._engine.begin() as connection:
            lines = _line_ids(connection, device_id)
            for column in (_L.device_id, push_tokens_table.c.device_id, _D.id):
                connection.execute(delete(column.table).where(column == device_id))
            return lines

    def _set(self, device_id: str, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(devices_table).where(_D.id == device_id).values(values))


def forget_line(connection: Connection, line_id: int) -> None:
    """Delete the accounts of a line on all devices, and the devices that have no other."""
    mine = select(_L.device_id).where(_L.line_id == line_id)
    ids = list(connection.execute(mine).scalars())
    connection.execute(delete(device_lines_table).where(_L.line_id == line_id))
    others = select(_L.device_id)
    empty = list(
        connection.execute(select(_D.id).where(_D.id.in_(ids), _D.id.not_in(others))).scalars()
    )
    tokens = push_tokens_table.c.device_id
    connection.execute(delete(push_tokens_table).where(tokens.in_(empty)))
    connection.execute(delete(devices_table).where(_D.id.in_(empty)))


_HASH = bindparam("hash", type_=String)
_HOLDER = (
    lines_table.c.id, lines_table.c.number, lines_table.c.login, lines_table.c.display_name,
    lines_table.c.language, lines_table.c.srtp, lines_table.c.dtmf,
)  # fmt: skip
_FIND = (
    select(devices_table, _L.position, _L.line_id, _L.username, *_HOLDER[1:])
    .select_from(
        devices_table.outerjoin(device_lines_table, _L.device_id == _D.id).outerjoin(
            lines_table, lines_table.c.id == _L.line_id
        )
    )
    .where(or_(_D.token_hash == _HASH, _D.next_token_hash == _HASH, _D.enrolment_hash == _HASH))
    .order_by(_L.position)
)
"""A device by one of its tokens, with its lines: one statement, for after a power cut every phone
asks at once."""
_COLLEAGUES = (
    select(*_HOLDER)
    .where(lines_table.c.account_id == bindparam("account"))
    .order_by(lines_table.c.number)
    .limit(1000)
)
_SEEN = (
    update(devices_table)
    .where(_D.id == bindparam("device"))
    .values(
        seen_at=bindparam("at"), seen_address=bindparam("address"), seen_agent=bindparam("agent")
    )
)
_decode_keys = msgspec.json.Decoder(tuple[Key, ...]).decode


def _lines(connection: Connection, device_ids: Sequence[str]) -> dict[str, list[DeviceLine]]:
    query = select(_L.device_id, _L.position, _L.line_id, _L.username)
    wanted = query.where(_L.device_id.in_(device_ids)).order_by(_L.device_id, _L.position)
    found: dict[str, list[DeviceLine]] = {}
    for device_id, *line in connection.execute(wanted):
        found.setdefault(device_id, []).append(DeviceLine(*line))
    return found


def _line_ids(connection: Connection, device_id: str) -> frozenset[int]:
    query = select(_L.line_id).where(_L.device_id == device_id)
    return frozenset(connection.execute(query).scalars())


def _device(row: DbRow, lines: Mapping[str, Sequence[DeviceLine]]) -> Device:
    return Device(
        id=row.id,
        account_id=row.account_id,
        kind=cast("Kind", row.kind),
        created_at=row.created_at,
        name=row.name,
        model=row.model,
        mac=row.mac,
        keys=_decode_keys(row.keys),
        lines=tuple(lines.get(row.id, ())),
        enrolment_ends_at=row.enrolment_ends_at,
        rotating=row.rotating,
        enrolled_at=row.enrolled_at,
        seen_at=row.seen_at,
        seen_address=row.seen_address,
        seen_agent=row.seen_agent,
    )


def _row(device: Device) -> dict[str, object]:
    return {
        "id": device.id,
        "account_id": device.account_id,
        "kind": device.kind,
        "model": device.model,
        "mac": device.mac,
        "name": device.name,
        "keys": msgspec.json.encode(device.keys).decode(),
        "rotating": device.rotating,
        "created_at": device.created_at,
        "seen_address": device.seen_address,
        "seen_agent": device.seen_agent,
    }
