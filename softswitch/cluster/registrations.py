"""Registrations at a node of a cluster: a REGISTER is answered when every node can know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from sip.errors import SipError
from sip.events import Received
from sip.flow import Flow
from sip.registrar import Binding, Registrar, Registration
from sip.transaction_layer import ServerTransaction
from sip.user_agent import UserAgent
from softswitch.admission.authentication import Registrant
from softswitch.call.call import Call
from softswitch.cluster.bindings import WAIT_SECONDS, SharedBindings
from softswitch.reception.registration import RegistrationDesk, Returned
from softswitch.services.watchers import Watchers
from softswitch.subscribers.directory import Directory, Line

RETRY_AFTER: tuple[tuple[bytes, bytes], ...] = ((b"Retry-After", b"10"),)

NEWS_SECONDS = 5.0
"""The longest time until this node hears of a changed password: a younger registration at another
node may be by the new one."""


class ClusterRegistrations(RegistrationDesk):
    """Registrations that all nodes of a cluster share.

    Args:
        bindings: the phones of all nodes.
        node: the name of this node.
        drain: writes what the user agent wants written.
        now: monotonic seconds.
    """

    def __init__(
        self,
        registrar: Registrar,
        directory: Directory,
        bindings: SharedBindings,
        agent: UserAgent,
        watchers: Watchers,
        *,
        calls_of: Callable[[Line], Sequence[Call]],
        release: Callable[[Flow], None],
        wall_seconds: Callable[[], float],
        returned: Returned,
        phones_changed: Callable[[str], None],
        node: str,
        loop: asyncio.AbstractEventLoop,
        drain: Callable[[], None],
    ) -> None:
        super().__init__(
            registrar,
            directory,
            bindings,
            agent,
            watchers,
            calls_of=calls_of,
            release=release,
            wall_seconds=wall_seconds,
            returned=returned,
            phones_changed=phones_changed,
        )
        self._shared = bindings
        self._node = node
        self._loop = loop
        self._drain = drain
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, received: Received, registrant: Registrant, now: float) -> None:
        """Serve the REGISTER of an authenticated line: it is answered later."""
        line, username = registrant.line, registrant.username
        transaction = self._agent.stack.postpone(received.request, received.flow)
        proven_at = self._wall_seconds() - registrant.proof_age
        self._spawn(self._register(transaction, received, line, proven_at, username))

    async def _register(
        self,
        transaction: ServerTransaction,
        received: Received,
        line: Line,
        proven_at: float,
        username: str,
    ) -> None:
        login, request, flow = line.login, received.request, received.flow
        await self._shared.fetch([login])
        wall = self._wall_seconds()
        try:
            registration = self._registrar.register(
                login, request, flow, wall, proven_at=proven_at, username=username
            )
            if registration.added or registration.refreshed or registration.removed:
                await self._saved(login, registration)
        except SipError as error:
            self._answer(transaction, error.status, error.headers)
            return
        self._answer(transaction, 200, tuple(self._registrar.ok_fields(registration, wall)))
        self._follow_up(line, flow, registration, self._loop.time())
        self._drain()

    async def _saved(self, login: str, registration: Registration) -> None:
        """Wait until a registration is in the database.

        Raises:
            SipError: 503, the database is away: the edge finds a node that has one.
        """
        done, _ = await asyncio.wait([self._shared.save(login, registration)], timeout=WAIT_SECONDS)
        if not done:
            raise SipError(503, headers=RETRY_AFTER)

    def _answer(
        self,
        transaction: ServerTransaction,
        status: int,
        fields: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        self._agent.stack.conclude(transaction, status, self._loop.time(), fields)
        self._drain()

    async def fetch(self, *lines: Line) -> None:
        """Have the phones of lines at all nodes known."""
        await self._shared.fetch([line.login for line in lines])

    def reach(self, line: Line) -> tuple[Binding, ...]:
        """The bindings at which a line is rung, as far as they are known; the rest is being
        read."""
        self._shared.knows(line.login)
        return super().reach(line)

    def own(self, line: Line) -> tuple[Binding, ...]:
        """The bindings of phones that registered at this node."""
        return tuple(one for one in self.reach(line) if not self._is_foreign(one))

    def changed_elsewhere(self, login: str, registration: Registration) -> None:
        """Phones of a login registered at another node or went away there, or are known here for
        the first time."""
        line = self._directory.line_by_login(login)
        if line is None:
            return
        now = self._loop.time()
        self._tell_calls(line, self._calls_of(line), registration)
        if registration.added or registration.removed:
            self._watchers.registrations_ended([line.id], now)
            self._phones_changed(login)
        if registration.added or registration.refreshed:
            self._returned(line, anew=False)
        self._drain()

    def forget(self, login: str, usernames: frozenset[str] | None = None) -> None:
        """Remove the registrations of a login whose password no longer counts, also those that
        aren't known here yet."""

        async def forget() -> None:
            await self._shared.fetch([login])
            young_since = self._wall_seconds() - NEWS_SECONDS
            spared = {
                binding.contact
                for binding in self._registrar.lookup(login, self._wall_seconds())
                if self._is_foreign(binding) and binding.registered_at > young_since
            }
            self._removed(login, self._registrar.forget(login, usernames, spared))

        self._spawn(forget())

    def _is_foreign(self, binding: Binding) -> bool:
        return self._shared.node_of(binding) != self._node

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
