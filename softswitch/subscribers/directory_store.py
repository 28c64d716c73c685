"""The directory's tables, and what the switch keeps of itself between starts.

Shares the database with billing, whose metadata these tables extend. Everything is read at
start and written on an operator's change; the call path never comes here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing.facts.account import ACTIVE, SUSPENDED, Change
from billing.stores.paging import Page, beginning_with, containing, newest_first
from billing.stores.schema import account_changes_table, change_row, metadata
from sip.digest import Algorithm
from sip.registrar import Binding
from softswitch.database.news import tell_of_lines
from softswitch.database.rows import DbRow
from softswitch.subscribers.bindings_table import (
    binding_of,
    binding_row,
    bindings_table,
    fits,
    write_bindings,
)
from softswitch.subscribers.caps import Caps
from softswitch.subscribers.caps_table import caps_of, caps_table
from softswitch.subscribers.device_credentials import DeviceCredentials
from softswitch.subscribers.device_credentials_store import credentials_of
from softswitch.subscribers.directory import Directory, Line, Source, Trunk, Waiting
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.mailbox_store import mailboxes_of
from softswitch.subscribers.pin_tries import Secret, forget_tries
from softswitch.subscribers.service_store import forget_services, services_of
from softswitch.subscribers.supplementary import NO_SERVICES, Supplementary

LINES_IN_PART = 5000
"""Some ten megabytes, and some fifty milliseconds of a thread."""

HA1_COLUMNS = {
    Algorithm("MD5"): "ha1_md5",
    Algorithm("SHA-256"): "ha1_sha256",
    Algorithm("SHA-512-256"): "ha1_sha512_256",
}

lines_table = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String(16), nullable=False, unique=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("display_name", String(128), nullable=False),
    Column("algorithms", String(64)),
    Column("no_answer_seconds", Integer),
    Column("max_calls", Integer),
    Column("waiting_new", Integer),
    Column("waiting_old", Integer),
    Column("lease_ends_on", String(10)),
    Column("rests_until", BigInteger),
    Column("active_at", BigInteger),
    Column("since", BigInteger),
    Column("language", String(2)),
    Column("listed", Boolean, nullable=False, server_default=false()),
    Column("record", Boolean, nullable=False, server_default=false()),
    Column("pin", String(128)),
    Column("srtp", String(16)),
    Column("dtmf", String(16)),
    Column("webrtc", String(8)),
    Column("ha1_md5", String(32), nullable=False),
    Column("ha1_sha256", String(64), nullable=False),
    Column("ha1_sha512_256", String(64), nullable=False),
)

trunks_table = Table(
    "trunks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("target", String(256), nullable=False),
    Column("prefixes", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("username", String(128)),
    Column("password", String(256)),
    Column("inbound_from", String, nullable=False),
    Column("status", String(16), nullable=False),
    Column("max_calls", Integer),
    Column("ping_seconds", Integer),
    Column("trusted", Boolean, nullable=False, server_default=false()),
    Column("inbound_certificates", String, nullable=False, server_default=""),
    Column("tariff", String(64)),
    Column("weight", Integer, nullable=False, server_default="1"),
    Column("srtp", String(16)),
    Column("dtmf", String(16)),
    Column("contact", String(16), nullable=False, server_default="auto"),
    Column("caller_id", String(16), nullable=False, server_default="numbers"),
    Column("stir", String(16), nullable=False, server_default="off"),
)

settings_table = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String, nullable=False),
)


Forget = Callable[[Connection, int], None]
"""Deletes the rows that a room keeps of the line with this id."""


def add_lines(connection: Connection, lines: Sequence[Line]) -> list[int]:
    """Insert lines as :meth:`DirectoryStore.add_lines` does, in the caller's transaction."""
    rows = [_line_row(line) for line in lines]
    if connection.dialect.name == "sqlite":
        first = _first_free_id(connection, lines_table, _LAST_LINE)
        rows = [{**row, "id": first + place} for place, row in enumerate(rows)]
    connection.execute(insert(lines_table), rows)
    return _ids_of(connection, [line.number for line in lines])


class DirectoryStore:
    """Lines, trunks, bindings and settings in the database.

    Errors of the database come through as SQLAlchemy raises them; operations name them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def load(self) -> Directory:
        """The whole directory."""
        return Directory(chain.from_iterable(self.line_parts()), self.trunks())

    def lines(self, ids: Sequence[int] | None = None) -> list[Line]:
        """Lines by id; None means all of them."""
        query = select(lines_table).order_by(lines_table.c.number)
        with self._reading() as connection:
            if ids is None:
                kept = _kept(connection)
                return [_line(row, kept) for row in connection.execute(query)]
            found: list[Line] = []
            for start in range(0, len(ids), 500):
                some = ids[start : start + 500]
                kept = _kept(connection, some)
                chunk = query.where(lines_table.c.id.in_(some))
                found += [_line(row, kept) for row in connection.execute(chunk)]
            return found

    def line_parts(self) -> Iterator[list[Line]]:
        """All lines in parts by their ids, so that they needn't be in memory at once."""
        columns = lines_table.c
        query = select(lines_table).order_by(columns.id).limit(LINES_IN_PART)
        last = 0
        while True:
            with self._reading() as connection:
                rows = connection.execute(query.where(columns.id > last)).all()
                if not rows:
                    return
                kept = _kept(connection, range(last + 1, rows[-1].id + 1))
            yield [_line(row, kept) for row in rows]
            last = rows[-1].id

    def line_count(self) -> int:
        with self._reading() as connection:
            return connection.execute(select(func.count()).select_from(lines_table)).scalar_one()

    def line_page(
        self,
        page: Page,
        account_id: int | None = None,
        search: str | None = None,
        status: str | None = None,
        resting: bool = False,
    ) -> list[Line]:
        """Lines with the newest first.

        Args:
            search: how the number or the login begins, or a part of the display name.
            resting: only cancelled ones that can still be restored.
        """
        columns = lines_table.c
        query = newest_first(select(columns.id), page, columns.id)
        if account_id is not None:
            query = query.where(columns.account_id == account_id)
        if search is not None:
            number = f"+{search.removeprefix('+')}"
            found = beginning_with(number, columns.number) | beginning_with(search, columns.login)
            query = query.where(found | containing(search, columns.display_name))
        if status is not None:
            query = query.where(columns.status == status)
        if resting:
            query = query.where(columns.rests_until.is_not(None))
        with self._reading() as connection:
            ids = list(connection.execute(query).scalars())
        return sorted(self.lines(ids), key=lambda line: line.id, reverse=True) if ids else []

    def lines_of(self, accounts: Iterable[int]) -> list[Line]:
        """The lines of some accounts."""
        query = select(lines_table.c.id).where(lines_table.c.account_id.in_(sorted(accounts)))
        with self._reading() as connection:
            ids = list(connection.execute(query).scalars())
        return self.lines(ids) if ids else []

    def end_lease(self, line_id: int, today: str, noted: Callable[[str, str], Change]) -> bool:
        """Suspend a line whose lease was over before a day (ISO date), and write down what `noted`
        says of its number and the lease's end; whether it was so."""
        table = lines_table
        over = (table.c.id == line_id) & (table.c.lease_ends_on < today)
        with self._engine.begin() as connection:
            row = connection.execute(select(table).where(over)).one_or_none()
            if row is None or row.status != ACTIVE:
                return False
            connection.execute(update(table).where(over).values(status=SUSPENDED))
            connection.execute(
                insert(account_changes_table), change_row(noted(row.number, row.lease_ends_on))
            )
            return True

    def line_by_number(self, number: str) -> Line | None:
        return self._line_where(lines_table.c.number == number)

    def line_by_login(self, login: str) -> Line | None:
        return self._line_where(lines_table.c.login == login)

    def _reading(self) -> Connection:
        """A connection that neither waits for the billing writer nor keeps it out."""
        return self._reader.connect()

    def _line_where(self, condition: ColumnElement[bool]) -> Line | None:
        with self._reading() as connection:
            row = connection.execute(select(lines_table).where(condition)).one_or_none()
            if row is None:
                return None
            return _line(row, _kept(connection, [row.id]))

    def taken(self) -> tuple[set[str], set[str]]:
        """All numbers and all logins that lines have."""
        query = select(lines_table.c.number, lines_table.c.login)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {number for number, _ in rows}, {login for _, login in rows}

    def add_lines(self, lines: Sequence[Line]) -> list[int]:
        """Insert all of them or none; their `id` is ignored. Returns the ids in order. Raises
        sqlalchemy.exc.IntegrityError when a number or login is taken."""
        with self._engine.begin() as connection:
            return add_lines(connection, lines)

    def save_line(self, before: Line, after: Line) -> None:
        """Write the columns that differ, and none that another process may change meanwhile; a new
        PIN resets the counter of wrong tries."""
        old = _line_row(before)
        changed = {name: value for name, value in _line_row(after).items() if value != old[name]}
        if not changed:
            return
        with self._engine.begin() as connection:
            if "pin" in changed:
                forget_tries(connection, Secret("line", str(after.id)))
            mine = lines_table.c.id == after.id
            connection.execute(update(lines_table).where(mine).values(changed))

    def set_pin(self, line_id: int, kept: str) -> None:
        """Give a line another PIN, as pins.hashed made it; wrong tries are forgotten."""
        with self._engine.begin() as connection:
            mine = lines_table.c.id == line_id
            connection.execute(update(lines_table).where(mine).values(pin=kept))
            forget_tries(connection, Secret("line", str(line_id)))
            tell_of_lines(connection, [line_id])

    def remove_line(self, line: Line, forget: Iterable[Forget] = ()) -> None:
        """Delete a line with its registrations, services and wrong PIN tries.

        Args:
            forget: deletes what other rooms keep of it, in the same transaction.
        """
        with self._engine.begin() as connection:
            connection.execute(delete(bindings_table).where(bindings_table.c.aor == line.login))
            forget_services(connection, line.id)
            for each in forget:
                each(connection, line.id)
            forget_tries(connection, Secret("line", str(line.id)))
            _note_id(connection, line.id, _LAST_LINE)
            connection.execute(delete(lines_table).where(lines_table.c.id == line.id))

    def trunks(self) -> list[Trunk]:
        query = select(trunks_table).order_by(trunks_table.c.priority, trunks_table.c.id)
        with self._reading() as connection:
            return [_trunk(row) for row in connection.execute(query)]

    def add_trunk(self, trunk: Trunk) -> int:
        """Its `id` is ignored; returns the new one. Raises IntegrityError for a taken name."""
        row = _trunk_row(trunk)
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                row["id"] = _first_free_id(connection, trunks_table, _LAST_TRUNK)
            result = connection.execute(insert(trunks_table).values(row))
            key = result.inserted_primary_key
        return int(key[0]) if key is not None else 0

    def save_trunk(self, trunk: Trunk) -> None:
        """Replace the trunk that has this id."""
        with self._engine.begin() as connection:
            connection.execute(
                update(trunks_table).where(trunks_table.c.id == trunk.id).values(_trunk_row(trunk))
            )

    def remove_trunk(self, trunk_id: int) -> None:
        with self._engine.begin() as connection:
            _note_id(connection, trunk_id, _LAST_TRUNK)
            connection.execute(delete(trunks_table).where(trunks_table.c.id == trunk_id))

    def bindings(
        self, now: float, node: str | None = None, logins: Sequence[str] | None = None
    ) -> list[Binding]:
        """Those that haven't expired; `now` in epoch seconds.

        Args:
            node: the switch that the phones registered at; None: any. Bindings of the time before
                nodes were kept are every node's.
            logins: of these lines; None: of all.
        """
        query = (
            select(bindings_table)
            .where(bindings_table.c.expires_at > now)
            .order_by(bindings_table.c.aor, bindings_table.c.registered_at)
        )
        if node is not None:
            query = query.where(bindings_table.c.node.in_(("", node)))
        if logins is not None:
            query = query.where(bindings_table.c.aor.in_(logins))
        with self._reading() as connection:
            return [binding_of(row) for row in connection.execute(query)]

    def save_bindings(
        self,
        by_aor: Mapping[str, Iterable[Binding]],
        node: str = "",
        renewed: Container[str] = (),
    ) -> None:
        """Replace all bindings that each address of record has at a node, in one transaction.

        Those at other nodes stay, except for a Contact that has come to this one.

        Args:
            renewed: addresses of record that have lost no binding since they were saved last.
        """
        # A phone may use one Contact on several flows; after a restart it tells them apart anew.
        unique = {(b.aor, b.contact): b for bindings in by_aor.values() for b in bindings}
        rows = [row for b in unique.values() if fits(row := binding_row(b, node))]
        changed = [{"address": aor, "at": node} for aor in by_aor if aor not in renewed]
        with self._engine.begin() as connection:
            if changed:
                connection.execute(_DELETE_BINDINGS, changed)
            if rows:
                write_bindings(connection, rows)

    def caps(self, accounts: Sequence[int] | None = None) -> list[Caps]:
        """The caps of accounts that have any; None means all accounts."""
        query = select(caps_table).order_by(caps_table.c.account_id)
        if accounts is not None:
            query = query.where(caps_table.c.account_id.in_(accounts))
        with self._reading() as connection:
            return [caps_of(row) for row in connection.execute(query)]

    def save_caps(self, caps: Caps) -> None:
        """Put an account's caps in the place of the ones it has."""
        countries = None if caps.countries is None else " ".join(caps.countries)
        with self._engine.begin() as connection:
            mine = caps_table.c.account_id == caps.account_id
            connection.execute(delete(caps_table).where(mine))
            row = {column.name: getattr(caps, column.name) for column in caps_table.columns}
            connection.execute(insert(caps_table), row | {"countries": countries})

    def setting(self, name: str) -> str | None:
        query = select(settings_table.c.value).where(settings_table.c.name == name)
        with self._reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def first_setting(self, name: str, value: str) -> str:
        """The value of a setting, which is this one if nobody has set it before."""
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            mine = settings_table.c.name == name
            if connection.execute(select(settings_table.c.value).where(mine)).first() is None:
                connection.execute(insert(settings_table).values(name=name, value=value))
        return self.setting(name) or value

    def set_setting(self, name: str, value: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(settings_table).where(settings_table.c.name == name))
            connection.execute(insert(settings_table).values(name=name, value=value))


_DELETE_BINDINGS = delete(bindings_table).where(
    bindings_table.c.aor == bindparam("address"),
    bindings_table.c.node.in_(("", bindparam("at"))),
)


_LAST_LINE = "highest id of removed lines"
"""Its name among the settings."""
_LAST_TRUNK = "highest id of removed trunks"
HIGHEST_REMOVED = {"lines": _LAST_LINE, "trunks": _LAST_TRUNK}
"""By table: the setting with the highest id of removed rows, where the database doesn't know it."""


def _note_id(connection: Connection, removed_id: int, name: str) -> None:
    """Keep the highest id that was removed, for it is never given again: a call, a room or a
    message of a removed line would be another subscriber's, health and figures of a removed trunk
    another carrier's. PostgreSQL's sequence sees to that itself, SQLite gives the highest id anew.
    """
    mine = settings_table.c.name == name
    kept = connection.execute(select(settings_table.c.value).where(mine)).scalar_one_or_none()
    if kept is None:
        connection.execute(insert(settings_table).values(name=name, value=str(removed_id)))
    elif removed_id > int(kept):
        connection.execute(update(settings_table).where(mine).values(value=str(removed_id)))


def _first_free_id(connection: Connection, table: Table, name: str) -> int:
    removed = select(settings_table.c.value).where(settings_table.c.name == name)
    there = connection.execute(select(func.max(table.c.id))).scalar()
    return max(int(there or 0), int(connection.execute(removed).scalar() or 0)) + 1


def _ids_of(connection: Connection, numbers: Sequence[str]) -> list[int]:
    ids: dict[str, int] = {}
    for start in range(0, len(numbers), 500):
        query = select(lines_table.c.number, lines_table.c.id).where(
            lines_table.c.number.in_(numbers[start : start + 500])
        )
        ids.update((number, line_id) for number, line_id in connection.execute(query))
    return [ids[number] for number in numbers]


class _Kept(NamedTuple):
    """What other tables keep of lines, by the line's id."""

    services: Mapping[int, Supplementary]
    mailboxes: Mapping[int, VoiceMailbox]
    devices: Mapping[int, tuple[DeviceCredentials, ...]]


def _kept(connection: Connection, ids: Sequence[int] | None = None) -> _Kept:
    return _Kept(
        services_of(connection, ids), mailboxes_of(connection, ids), credentials_of(connection, ids)
    )


def _line(row: DbRow, kept: _Kept) -> Line:
    """The line of a row of :data:`lines_table`. Taken apart at once: by name a column costs as much
    as a quarter of a microsecond, and a start reads all lines."""
    (
        line_id, number, login, account_id, status, display_name, algorithms, no_answer_seconds,
        max_calls, waiting_new, waiting_old, lease_ends_on, rests_until, _active_at, since,
        language, listed, record, pin, srtp, dtmf, webrtc, *secrets,
    ) = tuple(row)  # fmt: skip
    return Line(
        id=line_id,
        number=number,
        login=login,
        account_id=account_id,
        ha1=dict(zip(HA1_COLUMNS, secrets, strict=True)),
        status=status,
        display_name=display_name,
        algorithms=tuple(map(Algorithm, algorithms.split())) if algorithms else None,
        no_answer_seconds=no_answer_seconds,
        srtp=srtp,
        dtmf=dtmf,
        webrtc=webrtc,
        max_calls=max_calls,
        waiting=None if waiting_new is None else Waiting(waiting_new, waiting_old),
        language=language,
        listed=listed,
        record=record,
        pin=pin,
        services=kept.services.get(line_id, NO_SERVICES),
        mailbox=kept.mailboxes.get(line_id),
        lease_ends_on=lease_ends_on,
        rests_until=rests_until,
        since=since,
        devices=kept.devices.get(line_id, ()),
    )


def _line_row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {
        "number": line.number,
        "login": line.login,
        "account_id": line.account_id,
        "status": line.status,
        "display_name": line.display_name,
        "algorithms": " ".join(item.value for item in line.algorithms or ()) or None,
        "no_answer_seconds": line.no_answer_seconds,
        "srtp": line.srtp,
        "dtmf": line.dtmf,
        "webrtc": line.webrtc,
        "max_calls": line.max_calls,
        "waiting_new": None if line.waiting is None else line.waiting.new,
        "waiting_old": None if line.waiting is None else line.waiting.old,
        "lease_ends_on": line.lease_ends_on,
        "rests_until": line.rests_until,
        "since": line.since,
        "language": line.language,
        "listed": line.listed,
        "record": line.record,
        "pin": line.pin,
    }
    row.update((column, line.ha1[algorithm]) for algorithm, column in HA1_COLUMNS.items())
    return row


def _trunk(row: DbRow) -> Trunk:
    return Trunk(
        id=row.id,
        name=row.name,
        target=row.target,
        prefixes=tuple(row.prefixes.split()) or ("",),
        priority=row.priority,
        username=row.username,
        password=row.password,
        inbound_from=tuple(Source.parse(text) for text in row.inbound_from.split()),
        status=row.status,
        max_calls=row.max_calls,
        srtp=row.srtp,
        dtmf=row.dtmf,
        ping_seconds=row.ping_seconds,
        trusted=row.trusted,
        inbound_certificates=tuple(row.inbound_certificates.split()),
        tariff=row.tariff,
        weight=row.weight,
        contact=row.contact,
        caller_id=row.caller_id,
        stir=row.stir,
    )


def _trunk_row(trunk: Trunk) -> dict[str, object]:
    return {
        "name": trunk.name,
        "target": trunk.target,
        "prefixes": " ".join(trunk.prefixes).strip(),
        "priority": trunk.priority,
        "username": trunk.username,
        "password": trunk.password,
        "inbound_from": " ".join(map(str, trunk.inbound_from)),
        "status": trunk.status,
        "max_calls": trunk.max_calls,
        "srtp": trunk.srtp,
        "dtmf": trunk.dtmf,
        "ping_seconds": trunk.ping_seconds,
        "trusted": trunk.trusted,
        "inbound_certificates": " ".join(trunk.inbound_certificates),
        "tariff": trunk.tariff,
        "weight": trunk.weight,
        "contact": trunk.contact,
        "caller_id": trunk.caller_id,
        "stir": trunk.stir,
    }
