"""Registrations as they are kept between starts: the table, its rows, and the bindings they stand
for."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Float, Integer, String, Table

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


_BINDING_LENGTHS = {
    column.name: column.type.length
    for column in bindings_table.columns
    if isinstance(column.type, String) and column.type.length is not None
}


def fits(row: Mapping[str, object]) -> bool:
    """True if every database takes the binding. One that a stranger made too long (or put a NUL
    into) serves as long as the process lives, and isn't kept beyond it."""
    return not any(isinstance(value, str) and "\0" in value for value in row.values()) and all(
        len(str(row[name] or "")) <= length for name, length in _BINDING_LENGTHS.items()
    )


def binding_row(binding: Binding) -> dict[str, object]:
    """The row of a binding, without its node."""
    (local_host, local_port), (remote_host, remote_port) = binding.flow.local, binding.flow.remote
    return {
        "aor": binding.aor,
        "contact": _text(binding.contact),
        "call_id": _lossless(binding.call_id),
        "cseq": binding.cseq,
        "q": binding.q,
        "expires_at": binding.expires_at,
        "registered_at": binding.registered_at,
        "transport": binding.flow.transport,
        "local_host": local_host,
        "local_port": local_port,
        "remote_host": remote_host,
        "remote_port": remote_port,
        "instance": _lossless(binding.instance) if binding.instance is not None else None,
        "user_agent": binding.user_agent.encode(errors="replace").decode(),
        "path": "\n".join(_text(hop) for hop in binding.path),
        "username": _lossless(binding.username),
    }
