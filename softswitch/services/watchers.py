"""Subscriptions of our lines: to their mailbox, to other lines' calls and to their own
registrations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from sip.errors import SipError
from sip.events import Received, Replied, Resubscribed
from sip.flow import Flow, show_address
from sip.registrar import Binding, Registration
from sip.standalone import StandaloneRequest
from sip.subscription import EventField, Package, Subscription
from sip.user_agent import UserAgent
from softswitch.admission.admission import BindingsOf
from softswitch.control.values import Row
from softswitch.services import conference_info, dialog_info, message_summary, reg_info
from softswitch.services.conference_info import ParticipantsOf
from softswitch.services.dialog_info import DialogsOf
from softswitch.subscribers.directory import Directory, Line, Waiting
from softswitch.subscribers.refusal import Refusal

MAX_SUBSCRIPTIONS_OF_LINE = 200
"""The limit for one line: ten phones with a lamp for each of twenty colleagues."""
LAMP_SECONDS = 2.0
"""The pause after a registration in which the phone may subscribe before it receives an unsolicited
NOTIFY. A NOTIFY that crosses the SUBSCRIBE makes one phone (baresip 1.0) subscribe a thousand times
a second."""
NOBODY_WAITS = Waiting(0, 0)

MWI, DIALOG, REG = message_summary.PACKAGE, dialog_info.PACKAGE, reg_info.PACKAGE
CONFERENCE = conference_info.PACKAGE
PACKAGES: Mapping[bytes, Package] = {
    package.name: package for package in (MWI, DIALOG, REG, CONFERENCE)
}
ALLOW_EVENTS = (b"Allow-Events", b", ".join(PACKAGES))

Key = TypeVar("Key")
Audience = Literal["account", "all", "nobody"]


class BadEvent(SipError):
    """An unsupported event package (RFC 6665 section 7.3.2)."""

    def __init__(self) -> None:
        super().__init__(489, headers=(ALLOW_EVENTS,))


@dataclass(frozen=True, slots=True)
class Watch:
    """A subscription: its watcher and what it watches."""

    watcher: int
    watched: int
    """Ids of lines."""


class Watchers:
    """Grants subscriptions, and sends the changes.

    Args:
        bindings_of: the phones of a line.
        max_participants: of one.
        focus: the user part of its URI.
        domain: of our lines' addresses.
        audience: the lines that may watch a line's calls: those of its account, all, or none.
        lamps_of: the phones of a line that are told of waiting messages unasked; None: all.
    """

    def __init__(
        self,
        agent: UserAgent,
        directory: Directory,
        *,
        bindings_of: BindingsOf,
        dialogs_of: DialogsOf,
        participants_of: ParticipantsOf,
        max_participants: int,
        focus: str,
        domain: str,
        audience: Audience,
        wall_seconds: Callable[[], float],
        lamps_of: BindingsOf | None = None,
    ) -> None:
        self._agent = agent
        self._directory = directory
        self._bindings_of = bindings_of
        self._lamps_of = lamps_of or bindings_of
        self._dialogs_of = dialogs_of
        self._participants_of = participants_of
        self._max_participants = max_participants
        self._focus = focus
        self._domain = domain
        self._audience = audience
        self._wall_seconds = wall_seconds
        self.of_watched: dict[tuple[bytes, int], set[Subscription]] = {}
        """The subscriptions by package and by the line that they watch."""
        self._watches: dict[Subscription, Watch] = {}
        self._of_watcher: dict[int, set[Subscription]] = {}

    # Requests

    def subscribe(self, received: Received, watcher: Line, target: Line | None, now: float) -> None:
        """Grant a SUBSCRIBE of an authenticated line.

        Args:
            target: the line that its Request-URI names.

        Raises:
            SipError: 489 no such package, and the errors of Subscriptions.open.
            Refusal: 404 nothing there for this watcher, 403 too many.
        """
        package = PACKAGES.get(EventField.of(received.request).package)
        if package is None:
            raise BadEvent
        # The same answer for unknown lines and for lines that this watcher may not watch, so that
        # our lines can't be enumerated.
        if target is None or not self._may(package, watcher, target):
            raise Refusal(404, "watch_unknown", package=package.name.decode())
        if len(self._of_watcher.get(watcher.id, ())) >= MAX_SUBSCRIPTIONS_OF_LINE:
            raise Refusal(403, "watches_too_many")
        watch = Watch(watcher.id, target.id)
        subscription = self._agent.subscriptions.open(
            received, package, partial(self._state, package, watch), now, pinned=True
        )
        self._watches[subscription] = watch
        if not subscription.over:
            self.of_watched.setdefault((package.name, watch.watched), set()).add(subscription)
            self._of_watcher.setdefault(watch.watcher, set()).add(subscription)

    def resubscribe(self, again: Resubscribed, watcher: Line, now: float) -> None:
        """Refresh or end a subscription.

        Raises:
            SipError: 423, too short.
            Refusal: 403, it is another line's.
        """
        if self._watches[again.subscription].watcher != watcher.id:
            raise Refusal(403, "watch_of_other_line")
        again.subscription.refresh(again.request, again.flow, now)

    def ended(self, subscription: Subscription) -> None:
        """The user agent reports the end of a subscription."""
        watch = self._watches.pop(subscription)
        _discard(self.of_watched, (subscription.package.name, watch.watched), subscription)
        _discard(self._of_watcher, watch.watcher, subscription)

    def _may(self, package: Package, watcher: Line, watched: Line) -> bool:
        if self._directory.bar(watcher, "outgoing") is not None:
            return False
        if package is not DIALOG:
            return watcher.id == watched.id
        if self._audience == "all":
            return True
        return self._audience == "account" and watcher.account_id == watched.account_id

    # States

    def _state(self, package: Package, watch: Watch, number: int) -> bytes:
        line = self._directory.line(watch.watched)
        watcher = self._directory.line(watch.watcher)
        if line is None or watcher is None:
            return b""
        if package is MWI:
            return message_summary.message_summary(
                f"sip:{line.login}@{self._domain}", line.waiting or NOBODY_WAITS
            )
        if package is REG:
            aor = f"sip:{line.login}@{self._domain}"
            return reg_info.reg_info(aor, self._bindings_of(line), number, self._wall_seconds())
        if package is CONFERENCE:
            return conference_info.conference_info(
                f"sip:{self._focus}@{self._domain}",
                self._participants_of(line),
                self._max_participants,
                number,
            )
        dialogs = self._dialogs_of(line, watcher.account_id == line.account_id)
        return dialog_info.dialog_info(f"sip:{line.number}@{self._domain}", dialogs, number)

    def rows(self, now: float) -> list[Row]:
        """Every subscription, for people and scripts."""
        return [self._row(one, now) for held in self._of_watcher.values() for one in held]

    def _row(self, subscription: Subscription, now: float) -> Row:
        watch = self._watches[subscription]
        watcher, watched = self._directory.line(watch.watcher), self._directory.line(watch.watched)
        flow = subscription.dialog.flow
        return {
            "line": None if watcher is None else watcher.number,
            "package": subscription.package.name.decode("ascii"),
            "watched": None if watched is None else watched.number,
            "transport": flow.transport,
            "source": show_address(flow.peer),
            "expires_in_seconds": max(0, round(subscription.expires_at - now)),
        }

    # What changes

    def calls_changed(self, lines: Iterable[int], now: float) -> bool:
        """Calls of these lines are set up, ring, are answered or end. True if a NOTIFY is sent."""
        return self._tell(DIALOG, lines, now)

    def conference_changed(self, line: Line, now: float) -> bool:
        """A member joined or left the conference of a line's calls, or was muted. True if a NOTIFY
        is sent."""
        return self._tell(CONFERENCE, (line.id,), now)

    def registered(self, line: Line, registration: Registration, now: float) -> None:
        """Phones of a line registered or went away."""
        if self.of_watched:
            self._tell(REG, (line.id,), now)
        if line.waiting is not None and registration.added:
            flows = {binding.flow for binding in registration.added}
            self._agent.stack.timers.arm(LAMP_SECONDS, now, self._light_new_lamps, (line.id, flows))

    def registrations_ended(self, lines: Iterable[int], now: float) -> bool:
        """Registrations expired or lost their connection. True if a NOTIFY is sent."""
        return self._tell(REG, lines, now)

    def follow(self, line: Line, old: Flow, new: Flow) -> None:
        """A phone of the line is reached by another flow: its NOTIFYs go there from now on."""
        for subscription in self._of_watcher.get(line.id, ()):
            self._agent.stack.follow(subscription.dialog, old, new)

    def lines_changed(self, lines: Iterable[int], now: float) -> None:
        """An operator changed or removed these lines."""
        for line_id in lines:
            for subscription in [*self._concerned(line_id)]:
                if not self._still_may(subscription):
                    subscription.end(b"rejected", now)
            line = self._directory.line(line_id)
            if line is not None and line.waiting is not None:
                self._tell(MWI, (line_id,), now)
                self._light_lamps(line, self._lamps_of(line), now)

    def _concerned(self, line_id: int) -> Iterator[Subscription]:
        yield from self._of_watcher.get(line_id, ())
        for package in PACKAGES:
            yield from self.of_watched.get((package, line_id), ())

    def _still_may(self, subscription: Subscription) -> bool:
        watch = self._watches[subscription]
        watcher = self._directory.line(watch.watcher)
        watched = self._directory.line(watch.watched)
        if watcher is None or watched is None:
            return False
        return self._may(subscription.package, watcher, watched)

    def _tell(self, package: Package, lines: Iterable[int], now: float) -> bool:
        told = False
        name, of_watched = package.name, self.of_watched
        for line_id in lines:
            if watching := of_watched.get((name, line_id)):
                for subscription in [*watching]:
                    subscription.changed(now)
                told = True
        return told

    # Lamps of phones that never subscribed (RFC 3842 leaves that open, and many phones need it)

    def _light_new_lamps(self, armed: tuple[int, set[Flow]], now: float) -> None:
        line_id, flows = armed
        line = self._directory.line(line_id)
        if line is not None and line.waiting is not None:
            bindings = [one for one in self._bindings_of(line) if one.flow in flows]
            self._light_lamps(line, bindings, now)

    def _light_lamps(self, line: Line, bindings: Iterable[Binding], now: float) -> None:
        subscribed = {
            subscription.dialog.flow
            for subscription in self.of_watched.get((MWI.name, line.id), ())
        }
        for binding in bindings:
            if binding.flow not in subscribed:
                self._light_lamp(line, binding, now)

    def _light_lamp(self, line: Line, binding: Binding, now: float) -> None:
        account = f"sip:{line.login}@{self._domain}"
        address = b"<%s>" % account.encode("ascii")
        fields = (
            (b"Event", MWI.name),
            (b"Subscription-State", b"terminated;reason=noresource"),
            (b"Contact", self._agent.stack.contact(binding.flow)),
            (b"Content-Type", MWI.content_type),
        )
        body = message_summary.message_summary(account, line.waiting or NOBODY_WAITS)
        notify = StandaloneRequest(
            "NOTIFY",
            binding.flow,
            binding.contact,
            address,
            address,
            extra=(*binding.routes, *fields),
            body=body,
        )
        self._agent.send_standalone(notify, _ignore_reply, now)


def _ignore_reply(reply: Replied) -> None:
    """Ignore the answer: a phone without a lamp refuses the NOTIFY."""


def _discard(index: dict[Key, set[Subscription]], key: Key, gone: Subscription) -> None:
    held = index.get(key)
    if held is not None:
        held.discard(gone)
        if not held:
            del index[key]
