"""Registrations as they are kept between starts: the table, its rows, and the bindings they stand
for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from operator import gt, itemgetter

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, String, Table

from billing.stores.schema import metadata
from sip.flow import Flow
from sip.registrar import Binding
from softswitch.database.rows import DbRow

bindings_table = Table(
    "bindings",
    metadata,
    Column("aor", String(128), primary_key=True),
    Column("contact", String(1024), primary_key=True),
    Column("call_id", String(256), nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("q", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("local_host", String(64), nullable=False),
    Column("local_port", Integer, nullable=False),
    Column("remote_host", String(64), nullable=False),
    Column("remote_port", Integer, nullable=False),
    Column("instance", String(256)),
    Column("user_agent", String(256), nullable=False),
    Column("path", String, nullable=False),
    Column("node", String(64), nullable=False, server_default=""),
    Column("username", String(80), nullable=False, server_default=""),
)


def _text(wire: bytes) -> str:
    """Latin-1 keeps every octet, and databases take it: it has no surrogates."""
    return wire.decode("latin-1")


def _wire(text: str) -> bytes:
    return text.encode("latin-1")


def _lossless(text: str) -> str:
    """Text from the wire may hold escaped octets (surrogates), which no database takes."""
    return _text(text.encode(errors="surrogateescape"))


def _from_lossless(text: str) -> str:
    return _wire(text).decode(errors="surrogateescape")


def binding_of(row: DbRow) -> Binding:
    """The binding that a row keeps."""
    return Binding(
        aor=row.aor,
        contact=_wire(row.contact),
        call_id=_from_lossless(row.call_id),
        cseq=row.cseq,
        q=row.q,
        expires_at=row.expires_at,
        flow=Flow(
            row.transport, (row.local_host, row.local_port), (row.remote_host, row.remote_port)
        ),
        instance=_from_lossless(row.instance) if row.instance is not None else None,
        user_agent=row.user_agent,
        registered_at=row.registered_at,
        path=tuple(_wire(text) for text in row.path.split("\n") if text),
        username=row.username,
    )


ROWS_AT_ONCE = 50
"""Rows that one statement writes: 850 parameters, and SQLite before 3.32 takes 999."""

BindingRow = tuple[object, ...]
"""The values of a row, in the order of the table's columns."""
AOR, CONTACT, REGISTERED_AT = map(
    [column.name for column in bindings_table.columns].index, ("aor", "contact", "registered_at")
)
"""Places in a row."""
_texts = itemgetter(
    *[at for at, one in enumerate(bindings_table.columns) if isinstance(one.type, String)]
)
_LENGTHS = [
    one.type.length or sys.maxsize for one in bindings_table.columns if isinstance(one.type, String)
]
"""The most characters of each of them."""


def fits(row: BindingRow) -> bool:
    """True if every database takes the binding. One that a stranger made too long (or put a NUL
    into) serves as long as the process lives, and isn't kept beyond it."""
    texts = [text or "" for text in _texts(row)]
    return not any(map(gt, map(len, texts), _LENGTHS)) and "\0" not in "".join(texts)


def binding_row(binding: Binding, node: str) -> BindingRow:
    """The row of a binding of a phone that registered at this node."""
    transport, local, remote, _, _ = binding.flow
    instance = binding.instance
    return (
        binding.aor,
        _text(binding.contact),
        _lossless(binding.call_id),
        binding.cseq,
        binding.q,
        binding.expires_at,
        binding.registered_at,
        transport,
        *local,
        *remote,
        None if instance is None else _lossless(instance),
        binding.user_agent.encode(errors="replace").decode(),
        "\n".join(map(_text, binding.path)),
        node,
        _lossless(binding.username),
    )


def write_bindings(connection: Connection, rows: Sequence[BindingRow]) -> None:
    """Write rows, each in the place of the one with its address of record and Contact; there must
    be no two.

    The statements go to the driver as they are, many rows in one: SQLAlchemy would take longer to
    arrange a row than the database to write it, and at each statement this thread and the switch's
    hand the interpreter to each other."""
    one, many = _UPSERTS[connection.dialect.name]
    whole = len(rows) - len(rows) % ROWS_AT_ONCE
    for start in range(0, whole, ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        connection.exec_driver_sql(many, tuple(chain.from_iterable(some)))
    if whole < len(rows):
        connection.exec_driver_sql(one, list(rows[whole:]))


def _upserts(placeholder: str) -> tuple[str, str]:
    """Statements that write one row, and :data:`ROWS_AT_ONCE`."""
    names = [column.name for column in bindings_table.columns]
    row = f"({', '.join([placeholder] * len(names))})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
    start = f"INSERT INTO bindings ({', '.join(names)}) VALUES "  # noqa: S608 - our own columns
    end = f" ON CONFLICT (aor, contact) DO UPDATE SET {changed}"
    return start + row + end, start + ", ".join([row] * ROWS_AT_ONCE) + end


_UPSERTS = {"postgresql": _upserts("%s"), "sqlite": _upserts("?")}
