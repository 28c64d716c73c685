"""The bindings of all nodes in the database: read by login, written by difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, text

from sip.registrar import Binding, Registration
from softswitch.subscribers.bindings_table import (
    AOR,
    CONTACT,
    REGISTERED_AT,
    BindingRow,
    binding_of,
    binding_row,
    bindings_table,
    fits,
    write_bindings,
)

_C = bindings_table.c
_KEY = itemgetter(AOR, CONTACT)
READ_AT_ONCE = 500


class StoredBinding(NamedTuple):
    """A binding, and the node at which the phone registered; "": that isn't known."""

    binding: Binding
    node: str


@dataclass(slots=True)
class BindingChange:
    """What registrations have changed of a login's bindings, by Contact."""

    kept: dict[bytes, Binding] = field(default_factory=dict)
    gone: dict[bytes, Binding] = field(default_factory=dict)
    anew: bool = False
    """False if phones were refreshed alone."""

    def add(self, registration: Registration) -> None:
        """Note one more registration."""
        self.anew |= bool(registration.added or registration.removed)
        for binding in registration.removed:
            self.kept.pop(binding.contact, None)
            self.gone[binding.contact] = binding
        there = {binding.contact for binding in registration.bindings}
        for binding in (*registration.added, *registration.refreshed):
            self.kept[binding.contact] = binding
        for contact in there:  # a phone may use one Contact on several flows
            self.gone.pop(contact, None)


def reader(engine: Engine) -> Engine:
    """An engine for `read`, each of whose queries stands for itself: a transaction around it would
    cost two round trips more."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="AUTOCOMMIT")
    return engine.execution_options(reading=True)


def read(engine: Engine, logins: Sequence[str], now: float) -> dict[str, list[StoredBinding]]:
    """The valid bindings of logins by an engine for reading; `now` in epoch seconds."""
    found: dict[str, list[StoredBinding]] = {login: [] for login in logins}
    with engine.connect() as connection:
        for start in range(0, len(logins), READ_AT_ONCE):
            some = logins[start : start + READ_AT_ONCE]
            query = select(bindings_table).where(_C.aor.in_(some), _C.expires_at > now)
            for row in connection.execute(query.order_by(_C.registered_at)):
                found[row.aor].append(StoredBinding(binding_of(row), row.node))
    return found


def write(connection: Connection, changes: Iterable[BindingChange], node: str) -> None:
    """Write changes, in the order of their keys, so that two nodes never wait for each other.

    A binding that another node has written since it was read here isn't deleted.
    """
    if connection.dialect.name == "postgresql":
        # Seen by all at once, and on disk within a second: a server that loses its power costs
        # the registrations of that second, which phones refresh.
        connection.execute(text("SET LOCAL synchronous_commit = off"))
    gone: list[BindingRow] = []
    kept: list[BindingRow] = []
    for change in changes:
        gone += [binding_row(binding, node) for binding in change.gone.values()]
        kept += [binding_row(binding, node) for binding in change.kept.values()]
    if gone:
        rows = [
            {"login": row[AOR], "uri": row[CONTACT], "at": row[REGISTERED_AT]}
            for row in sorted(gone, key=_KEY)
        ]
        connection.execute(_DELETE, rows)
    if kept:
        write_bindings(connection, sorted(filter(fits, kept), key=_KEY))


def delete_expired(engine: Engine, now: float) -> int:
    """Delete bindings that ran out; how many there were."""
    with engine.begin() as connection:
        return connection.execute(delete(bindings_table).where(_C.expires_at <= now)).rowcount


def count(engine: Engine, node: str, now: float) -> int:
    """The number of valid bindings of a node."""
    query = select(func.count()).where(_C.node == node, _C.expires_at > now)
    with engine.execution_options(reading=True).connect() as connection:
        return connection.execute(query).scalar_one()


_DELETE = delete(bindings_table).where(
    _C.aor == bindparam("login"),
    _C.contact == bindparam("uri"),
    _C.registered_at <= bindparam("at"),
)
