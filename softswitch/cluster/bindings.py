"""The phones of all nodes: read from the database when a line is called, kept for the lines that
were called last, read again when a node tells of a change.

A registration is in the database before its phone is answered, so that whatever node is called next
finds the phone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sip.registrar import Binding, Registrar, Registration
from softswitch.cluster import binding_rows
from softswitch.cluster.binding_rows import BindingChange, StoredBinding
from softswitch.cluster.events import BindingsChanged, Bus
from softswitch.database.threads import Run
from softswitch.trace.log import Log

WAIT_SECONDS = 2.0
"""The longest wait of a call for the phones of a line: then it rings those that are known."""
GATHER_SECONDS = 0.01
"""Registrations wait so long for company: a transaction costs as much as some dozens of them."""
RETRY_SECONDS = 1.0
"""The pause before the database is tried again."""
LOGINS_AT_ONCE = 100
"""Logins in one message to the other nodes."""


@dataclass(slots=True)
class _Held:
    """The state of a login whose phones are kept here."""

    known: bool = False
    """False until its phones were read for the first time."""
    fresh: bool = False
    """False once another node has told of a change."""
    version: int = 0
    """Grows with each change by this node, before and after it is written: what was read meanwhile
    may lack it."""
    foreign: dict[bytes, str] = field(default_factory=dict)
    """The nodes of phones that registered at others, by Contact."""


class SharedBindings:
    """A cache of the table of bindings, in front of the registrar's memory.

    Args:
        node: the name of this node.
        kept_lines: logins that are kept.
        here: a stored binding as this node reaches the phone.
        changed: called when phones of a login registered at another node, went away there, or are
            known here for the first time since they were asked for.
        follows: True if something here waits for phones of a login.
        run: runs a function that waits for the database in a thread.
        wall_seconds: epoch seconds.
    """

    def __init__(
        self,
        engine: Engine,
        node: str,
        registrar: Registrar,
        bus: Bus,
        *,
        kept_lines: int,
        here: Callable[[StoredBinding], Binding],
        changed: Callable[[str, Registration], None],
        follows: Callable[[str], bool],
        run: Run,
        loop: asyncio.AbstractEventLoop,
        wall_seconds: Callable[[], float],
        log: Log,
    ) -> None:
        self._engine = engine
        self._reader = binding_rows.reader(engine)
        self._node = node
        self._registrar = registrar
        self._bus = bus
        self._kept_lines = kept_lines
        self._here = here
        self._on_change = changed
        self._follows = follows
        self._run = run
        self._loop = loop
        self._wall_seconds = wall_seconds
        self._log = log
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """By login, the least recently used first."""
        self._wanted: dict[str, asyncio.Future[None]] = {}
        """Logins that are to be read, and who waits for them."""
        self._under_way: Mapping[str, asyncio.Future[None]] = {}
        """Logins that are being read, and who waits for them."""
        self._changes: dict[str, BindingChange] = {}
        self._saving: Mapping[str, BindingChange] = {}
        """Changes that are being written."""
        self._written: asyncio.Future[None] = loop.create_future()
        """Done when the changes that are gathered now are in the database."""
        self._reading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    # Reading

    def knows(self, login: str) -> bool:
        """True if the phones of a login are known; else they are read now."""
        held = self._held.get(login)
        if held is None:
            self._want(login)
            return False
        self._held.move_to_end(login)
        if not held.fresh:
            self._want(login)
        return held.known

    async def fetch(self, logins: Iterable[str]) -> None:
        """Have the phones of logins known; waits for the database if they aren't, but not long."""
        wanted = [
            self._under_way[login] if self._is_fresh(login) else self._want(login)
            for login in logins
            if login in self._under_way or not self._is_fresh(login)
        ]
        if wanted:
            await asyncio.wait(wanted, timeout=WAIT_SECONDS)

    def node_of(self, binding: Binding) -> str:
        """The node at which a phone registered."""
        held = self._held.get(binding.aor)
        return self._node if held is None else held.foreign.get(binding.contact, self._node)

    def newest_node(self, login: str) -> str | None:
        """The node at which a phone of a login registered last; None: none is registered."""
        found = self._registrar.lookup(login, self._wall_seconds())
        newest = max(found, key=lambda binding: binding.registered_at, default=None)
        return None if newest is None else self.node_of(newest)

    def told(self, logins: Iterable[str], refreshed: Container[str] = ()) -> None:
        """Another node has changed the phones of these logins: those that are kept or followed here
        are read again; if they were only refreshed, and nothing waits for them, when they are
        called."""
        for login in logins:
            held = self._held.get(login)
            if held is not None:
                held.fresh = False
            if (held is not None and login not in refreshed) or self._follows(login):
                self._want(login)

    def doubt(self) -> None:
        """Messages of other nodes may have been missed: read every login again before it is
        called."""
        for held in self._held.values():
            held.fresh = False

    def _is_fresh(self, login: str) -> bool:
        held = self._held.get(login)
        if held is None or not held.fresh:
            return False
        self._held.move_to_end(login)
        return True

    def _want(self, login: str) -> asyncio.Future[None]:
        wanted = self._wanted.get(login)
        if wanted is None:
            wanted = self._wanted[login] = self._loop.create_future()
            if self._reading is None:
                self._reading = self._loop.create_task(self._read())
        return wanted

    async def _read(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            self._under_way = wanted
            logins, versions = [*wanted], {}
            for login in logins:
                held = self._held.setdefault(login, _Held())
                held.fresh = True  # unless another node tells otherwise meanwhile
                versions[login] = held.version
            try:
                found = await self._run(
                    binding_rows.read, self._reader, logins, self._wall_seconds()
                )
            except SQLAlchemyError as error:
                self._log.error("phones of other nodes can't be read", why=str(error))
                for login in logins:
                    self._held.setdefault(login, _Held()).fresh = False
                    self._want_again(login, wanted[login])
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for login in logins:
                held = self._held.setdefault(login, _Held())
                if held.version != versions[login]:
                    self._want_again(login, wanted[login])
                    continue
                self._take(login, held, found[login])
                if not wanted[login].done():
                    wanted[login].set_result(None)
            self._evict()
        self._under_way = {}
        self._reading = None

    def _want_again(self, login: str, wanted: asyncio.Future[None]) -> None:
        later = self._wanted.get(login)
        if later is not None:
            later.add_done_callback(partial(_pass_on, wanted))
        else:
            self._wanted[login] = wanted

    def _take(self, login: str, held: _Held, stored: Sequence[StoredBinding]) -> None:
        """Put what was read into the registrar, under what this node has not written yet."""
        bindings = {row.binding.contact: self._here(row) for row in stored}
        foreign = {
            row.binding.contact: row.node for row in stored if row.node not in ("", self._node)
        }
        for changes in (self._saving, self._changes):
            change = changes.get(login)
            if change is not None:
                for contact in change.gone:
                    bindings.pop(contact, None)
                bindings.update(change.kept)
                for contact in change.kept:
                    foreign.pop(contact, None)
        held.foreign, held.known = foreign, True
        self._on_change(login, self._registrar.put(login, bindings.values()))

    def _evict(self) -> None:
        while len(self._held) > self._kept_lines:
            login, _ = self._held.popitem(last=False)
            self._registrar.put(login, ())

    # Writing

    def changed(self, aor: str, registration: Registration) -> None:
        """Have a registration written."""
        self.save(aor, registration)

    def save(self, aor: str, registration: Registration) -> asyncio.Future[None]:
        """Have a registration written; the future is done when it is in the database."""
        change = self._changes.setdefault(aor, BindingChange())
        change.add(registration)
        held = self._held.setdefault(aor, _Held())
        if held.foreign and any(one.contact in held.foreign for one in registration.refreshed):
            change.anew = True  # a phone of another node is one of this node from now on
        held.version += 1
        held.known = True
        for binding in (*registration.added, *registration.refreshed):
            held.foreign.pop(binding.contact, None)
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())
        return self._written

    async def close(self) -> None:
        """Write all that is pending."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=WAIT_SECONDS)
        for task in (self._reading, self._writing):
            if task is not None:
                task.cancel()

    async def _write(self) -> None:
        while self._changes:
            await asyncio.sleep(GATHER_SECONDS)
            self._saving, self._changes = self._changes, {}
            written, self._written = self._written, self._loop.create_future()
            try:
                await self._run(self._save, self._saving)
            except SQLAlchemyError as error:
                self._log.error("registrations can't be kept", why=str(error))
                self._put_back(self._saving)
                self._written.add_done_callback(partial(_pass_on, written))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                for login in self._saving:
                    if (held := self._held.get(login)) is not None:
                        held.version += 1
                self._evict()
                written.set_result(None)
        self._saving = {}
        self._writing = None

    def _put_back(self, changes: Mapping[str, BindingChange]) -> None:
        """Keep what could not be written, under what has come since."""
        for login, change in changes.items():
            later = self._changes.get(login)
            if later is not None:
                change.gone = {c: b for c, b in change.gone.items() if c not in later.kept}
                change.kept = {c: b for c, b in change.kept.items() if c not in later.gone}
                change.anew |= later.anew
                change.gone |= later.gone
                change.kept |= later.kept
            self._changes[login] = change

    def _save(self, changes: Mapping[str, BindingChange]) -> None:
        logins = sorted(changes)
        with self._engine.begin() as connection:
            binding_rows.write(connection, [changes[login] for login in logins], self._node)
            for start in range(0, len(logins), LOGINS_AT_ONCE):
                some = tuple(logins[start : start + LOGINS_AT_ONCE])
                refreshed = tuple([login for login in some if not changes[login].anew])
                self._bus.tell_within(connection, BindingsChanged(some, refreshed))


def _pass_on(waiting: asyncio.Future[None], done: asyncio.Future[None]) -> None:
    if not waiting.done() and not done.cancelled():
        waiting.set_result(None)
