"""Registrations in this switch: the effects of a REGISTER, of its expiry, and of a closed
connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sip.events import Received
from sip.flow import Flow
from sip.registrar import Binding, Registrar, Registration
from sip.user_agent import UserAgent
from softswitch.admission.authentication import Registrant
from softswitch.call.call import Call
from softswitch.call.letters import Registered
from softswitch.services.watchers import Watchers
from softswitch.subscribers.directory import Directory, Line


class Bindings(Protocol):
    """Stores bindings, which so survive a restart; writing may lag behind."""

    def changed(self, aor: str, registration: Registration) -> None: ...


class Returned(Protocol):
    """Takes note of lines whose phones are back."""

    def __call__(self, line: Line, *, anew: bool) -> None: ...


class RegistrationDesk:
    """Connects the registrar with the rooms that follow registrations.

    Args:
        calls_of: the calls that a line takes part in.
        release: closes a connection that is no longer needed.
        wall_seconds: epoch seconds, the time base of registrations.
        returned: told that a phone of a line has registered.
        phones_changed: called with the login of a line whose phones registered or went away.
    """

    def __init__(
        self,
        registrar: Registrar,
        directory: Directory,
        bindings: Bindings,
        agent: UserAgent,
        watchers: Watchers,
        *,
        calls_of: Callable[[Line], Sequence[Call]],
        release: Callable[[Flow], None],
        wall_seconds: Callable[[], float],
        returned: Returned,
        phones_changed: Callable[[str], None],
    ) -> None:
        self._registrar = registrar
        self._directory = directory
        self._bindings = bindings
        self._agent = agent
        self._watchers = watchers
        self._calls_of = calls_of
        self._release = release
        self._wall_seconds = wall_seconds
        self._returned = returned
        self._phones_changed = phones_changed

    def register(self, received: Received, registrant: Registrant, now: float) -> None:
        """Serve the REGISTER of an authenticated line.

        Raises:
            SipError: see :meth:`Registrar.register`.
        """
        line, registrar, wall = registrant.line, self._registrar, self._wall_seconds()
        request, flow, proven_at = received.request, received.flow, wall - registrant.proof_age
        registration = registrar.register(
            line.login, request, flow, wall, proven_at=proven_at, username=registrant.username
        )
        fields = registrar.ok_fields(registration, wall)
        self._agent.stack.reply(request, flow, 200, now, fields)
        if registration.refreshed or registration.changes:
            self._bindings.changed(line.login, registration)
        self._follow_up(line, flow, registration, now)

    def _follow_up(self, line: Line, flow: Flow, registration: Registration, now: float) -> None:
        """Tell other rooms of a registration by a flow that was answered."""
        calls, added = self._calls_of(line), bool(registration.added)
        if calls or registration.moved:
            self._tell_calls(line, calls, registration)
        if added or registration.removed:
            self._watchers.registered(line, registration, now)
            self._phones_changed(line.login)
        if added or registration.refreshed:
            self._returned(line, anew=added)
        for left in registration.released:
            if left != flow.connection:  # the 200 is sent over this one
                self._release(left)

    def _tell_calls(self, line: Line, calls: Sequence[Call], registration: Registration) -> None:
        """Follow a phone that moved in its calls, and ring it in a call that rings already."""
        self._follow(line, calls, registration)
        _ring_late(calls, registration)

    def _follow(self, line: Line, calls: Sequence[Call], registration: Registration) -> None:
        """Move the dialogs of a phone to the flow by which it is reached now (RFC 5626 section
        5.3)."""
        for old, new in registration.moved:
            for call in calls:
                call.follow(line, old, new)
            self._watchers.follow(line, old, new)
        if registration.added or registration.refreshed:
            for call in calls:
                for leg in call.parties.of_line(line):
                    call.legs.relearn_sound(leg)

    def reach(self, line: Line) -> tuple[Binding, ...]:
        """The bindings at which a line is rung."""
        return tuple(self._registrar.reach(line.login, self._wall_seconds()))

    def own(self, line: Line) -> tuple[Binding, ...]:
        """The bindings of phones that registered at this switch."""
        return self.reach(line)

    def changed_elsewhere(self, login: str, registration: Registration) -> None:
        """Phones of a login registered at another switch or went away there: there is none."""

    async def fetch(self, *lines: Line) -> None:
        """Have the phones of lines known: here they always are."""

    def forget(self, login: str, usernames: frozenset[str] | None = None) -> None:
        """Remove the registrations of a login whose password no longer counts: all of them, or
        those of the phones that proved themselves by these usernames."""
        self._removed(login, self._registrar.forget(login, usernames))

    def _removed(self, login: str, registration: Registration) -> None:
        if not registration.removed:
            return
        self._bindings.changed(login, registration)
        self._phones_changed(login)
        for flow in registration.released:
            self._release(flow)

    def remove(self, line: Line, contact: bytes | None, now: float) -> tuple[Binding, ...]:
        """Remove a line's bindings at an operator's request: all, or those of one Contact URI. The
        phone isn't told, and comes back with its next REGISTER. Returns the removed ones."""
        registration = self._registrar.remove(line.login, contact, self._wall_seconds())
        if registration.removed:
            self._bindings.changed(line.login, registration)
            self._watchers.registered(line, registration, now)
            for flow in registration.released:
                self._release(flow)
        return registration.removed

    def expire(self, now: float) -> bool:
        """Remove expired registrations, and close their connections; True if watchers were told."""
        gone = self._registrar.expire(self._wall_seconds())
        for binding in gone:
            self._release(binding.flow)
        return self._ended({binding.aor for binding in gone}, now)

    def flow_closed(self, flow: Flow, now: float) -> bool:
        """Remove the registrations of a connection that was closed; True if watchers were told."""
        if flow.can_reopen:
            return False
        changed = self._registrar.drop_flow(flow, self._wall_seconds())
        for aor, left in changed.items():
            self._bindings.changed(aor, left)
            line = self._directory.line_by_login(aor)
            if line is not None:
                self._follow(line, self._calls_of(line), left)
        return self._ended(changed, now)

    def _ended(self, aors: Iterable[str], now: float) -> bool:
        aors = tuple(aors)
        for aor in aors:
            self._phones_changed(aor)
        lines = [line.id for aor in aors if (line := self._directory.line_by_login(aor))]
        return self._watchers.registrations_ended(lines, now)

    def patience(self, flow: Flow) -> float | None:
        """The idle timeout of a connection; see :class:`Endpoint`."""
        registered = self._registrar.patience(flow)
        if registered is not None:
            return registered
        return math.inf if self._agent.uses(flow) else None


def _ring_late(calls: Iterable[Call], registration: Registration) -> None:
    """Ring a phone that registers while a call to its line rings."""
    for call in calls:
        if call.state == "ringing":
            for binding in (*registration.added, *registration.refreshed):
                call.post(Registered(binding))
