"""Event subscriptions, the notifier's side (RFC 6665 section 4.2).

A subscription is a dialog of its own. The subscriber gets a NOTIFY at once, at each change and at
the end; at most one is under way, and changes meanwhile are told by the next one, whose body is
made when it is sent. So a slow subscriber misses steps, never the last state.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from msgspec import Struct

from sip import grammar
from sip.dialog import Dialog, DialogId
from sip.dialogs import Dialogs
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.headers import parse_params, write_params
from sip.message import Request, Response
from sip.stack import Received, Stack
from sip.transaction_layer import ClientTransaction

MAX_SUBSCRIPTIONS = 20_000
"""In all; some 2 kB each. Above it new ones get 503."""
MIN_EXPIRES = 60
"""Seconds; a phone that asks for less would load us more than its calls do."""
MAX_EXPIRES = 7_200
SWEEP_SECONDS = 1.0
"""Interval of the search for subscriptions that ran out. They last for as many different lengths
as phones like, so they don't go into the timers, which want few."""

SUBSCRIPTION_GONE = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501,
                               604})  # fmt: skip
"""Answers to a NOTIFY after which the subscription is no more (RFC 5057 section 5.1)."""

State = Callable[[int], bytes]
"""Makes the body of a NOTIFY; its argument counts the NOTIFYs of the subscription from 0."""


@dataclass(frozen=True, slots=True)
class Package:
    """An event package, as far as subscriptions depend on it (RFC 6665 section 5.4)."""

    name: bytes
    """Case-sensitive (section 8.2.1)."""
    content_type: bytes
    default_expires: int
    rest_seconds: float
    """Least time between two NOTIFYs of a subscription; changes meanwhile wait for it."""

    def accepted_by(self, request: Request) -> bool:
        """True if a SUBSCRIBE's Accept admits the package's bodies; without an Accept it does."""
        accepted = request.get_list(b"accept")
        types = {value.partition(b";")[0].strip(grammar.LWS).lower() for value in accepted}
        main = self.content_type.partition(b"/")[0]
        return not types or bool(types & {self.content_type, main + b"/*", b"*/*"})


class EventField(NamedTuple):
    """An Event field: the package, and the id that tells subscriptions apart (section 8.2.1)."""

    package: bytes
    id: str | None = None

    @classmethod
    def of(cls, request: Request) -> EventField:
        """The Event of a SUBSCRIBE; package b"" if it has none.

        Raises:
            ParseError: 400, malformed.
        """
        values = request.get_all(b"event")
        if len(values) > 1:
            raise ParseError("Duplicate event")
        found = grammar.token.match(values[0]) if values else None
        if found is None:
            return cls(b"")
        return cls(found[0], parse_params(values[0][found.end() :]).get("id"))

    def __bytes__(self) -> bytes:
        return self.package + (write_params({"id": self.id}) if self.id is not None else b"")


class Subscription:
    """One subscriber's interest in one state; made by :meth:`Subscriptions.open`."""

    __slots__ = (
        "_changed",
        "_dialogs",
        "_event",
        "_notified",
        "_reason",
        "_resting",
        "_stack",
        "_tell",
        "_under_way",
        "dialog",
        "expires_at",
        "package",
        "state",
    )

    def __init__(
        self,
        stack: Stack,
        dialogs: Dialogs[Subscription],
        tell: Callable[[SubscriptionEvent], None],
        dialog: Dialog,
        package: Package,
        event: EventField,
        state: State,
    ) -> None:
        self._stack = stack
        self._dialogs = dialogs
        self._tell = tell
        self._event = event
        self._notified = 0
        self._under_way = False
        """A NOTIFY waits for its answer."""
        self._resting = False
        self._changed = False
        """There is something to tell that no NOTIFY has told yet."""
        self._reason: bytes | None = None
        self.dialog = dialog
        self.package = package
        self.state = state
        self.expires_at = 0.0
        """Monotonic seconds."""

    @property
    def over(self) -> bool:
        """True if it has ended; a last NOTIFY may still be under way."""
        return self._reason is not None

    # Commands

    def changed(self, now: float) -> None:
        """The state is another: tell it as soon as may be."""
        if self._reason is None:
            self._changed = True
            self._notify_if_due(now)

    def refresh(self, request: Request, flow: Flow, now: float) -> None:
        """Grant what a SUBSCRIBE of this dialog asks: longer, or no more.

        Raises:
            SipError: 423, too short.
        """
        seconds = granted(request, self.package)
        self.dialog.refresh_target(request)
        self.dialog.flow = flow
        self.grant(request, flow, seconds, now)

    def end(self, reason: bytes, now: float) -> None:
        """End it, and say why: "deactivated", "rejected", "noresource", "timeout" ... (RFC 6665
        section 4.1.3)."""
        if self._reason is None:
            self._reason = reason
            self._changed = True
            self._dialogs.remove(self)
            self._tell(SubscriptionEnded(self))
            self._notify_if_due(now)

    def grant(self, request: Request, flow: Flow, seconds: int, now: float) -> None:
        """Answer a SUBSCRIBE with 200 and tell the state at once (section 4.2.1.2)."""
        self.expires_at = now + seconds
        fields = ((b"Expires", b"%d" % seconds), (b"Contact", self.dialog.contact))
        self._stack.reply(request, flow, 200, now, fields, tag=self.dialog.local_tag)
        if seconds == 0:
            self.end(b"timeout", now)
        elif not self._under_way:
            self._notify(now)
        else:
            self._changed = True

    def receive(self, request: Request, flow: Flow, now: float) -> None:
        """A request of this dialog that is no repetition."""
        dialog = self.dialog
        number = request.cseq.number
        if request.method == "ACK":
            return
        if dialog.remote_cseq is not None and number < dialog.remote_cseq:
            self._stack.answer(request, flow, 500)
            return
        dialog.remote_cseq = number
        if request.method != "SUBSCRIBE":
            self._stack.answer(request, flow, 405, ((b"Allow", b"SUBSCRIBE"),))
        elif EventField.of(request) != self._event:
            self._stack.answer(request, flow, 489)  # no second subscription in one dialog
        else:
            self._tell(Resubscribed(request, flow, self))

    def expire(self, now: float) -> None:
        """Its time is over."""
        self.end(b"timeout", now)

    # NOTIFY

    def _notify_if_due(self, now: float) -> None:
        waiting = self._under_way or (self._resting and self._reason is None)
        if self._changed and not waiting:
            self._notify(now)

    def _notify(self, now: float) -> None:
        self._changed = False
        self._under_way = True
        stack, package = self._stack, self.package
        if self._reason is None:
            left = max(0, round(self.expires_at - now))
            state = b"active;expires=%d" % left
            if not self._resting:
                self._resting = True
                stack.timers.arm(package.rest_seconds, now, _rested, self)
        else:
            state = b"terminated;reason=" + self._reason
        fields = [
            (b"Event", bytes(self._event)),
            (b"Subscription-State", state),
            (b"Contact", self.dialog.contact),
        ]
        body = b""
        if self._reason in (None, b"timeout"):
            body = self.state(self._notified)
            fields.append((b"Content-Type", package.content_type))
        self._notified += 1
        stack.send_in_dialog(self.dialog, "NOTIFY", fields, body, None, now, self)

    def rested(self, now: float) -> None:
        """The least time between two NOTIFYs is over."""
        self._resting = False
        self._notify_if_due(now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to a NOTIFY."""
        self._under_way = False
        if response.status in SUBSCRIPTION_GONE:
            self._lost()
        else:
            self._notify_if_due(now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the timeout of a NOTIFY: the subscriber is gone (section 4.2.2)."""
        self._under_way = False
        self._lost()

    def _lost(self) -> None:
        self._changed = False
        if self._reason is None:
            self._reason = b"deactivated"  # said to nobody
            self._dialogs.remove(self)
            self._tell(SubscriptionEnded(self))


def _rested(subscription: Subscription, now: float) -> None:
    subscription.rested(now)


def granted(request: Request, package: Package) -> int:
    """Seconds that a SUBSCRIBE gets: never more than it asks for (section 4.2.1.1).

    Raises:
        SipError: 423, too short.
    """
    asked = request.expires
    if asked is None:
        asked = package.default_expires
    if 0 < asked < MIN_EXPIRES:
        raise SipError(423, headers=((b"Min-Expires", b"%d" % MIN_EXPIRES),))
    return min(asked, MAX_EXPIRES)


class Resubscribed(Received, frozen=True):
    """A SUBSCRIBE that refreshes or ends a subscription, not yet answered: by
    :meth:`Subscription.refresh`, or by :meth:`Stack.answer` with a refusal."""

    subscription: Subscription


class SubscriptionEnded(Struct, frozen=True):
    """The end of a subscription, for whatever reason."""

    subscription: Subscription


SubscriptionEvent = Resubscribed | SubscriptionEnded


class Subscriptions:
    """All subscriptions of a user agent."""

    def __init__(self, stack: Stack, tell: Callable[[SubscriptionEvent], None]) -> None:
        self._stack = stack
        self._tell = tell
        self._dialogs: Dialogs[Subscription] = Dialogs()
        self._ends: list[tuple[float, int, Subscription]] = []
        """A heap; a refreshed subscription is put back when its old end has come."""
        self._order = count()
        self._sweeping = False

    def __len__(self) -> int:
        return len(self._dialogs)

    def get(self, dialog_id: DialogId) -> Subscription | None:
        """The subscription of a dialog."""
        return self._dialogs.get(dialog_id)

    def use(self, flow: Flow) -> bool:
        """True if a subscription lives on a flow; looks at all of them."""
        return self._dialogs.use(flow)

    def open(
        self, received: Received, package: Package, state: State, now: float, *, pinned: bool
    ) -> Subscription:
        """Grant a SUBSCRIBE outside any dialog; one with Expires: 0 fetches the state once.

        Raises:
            SipError: 400 no Contact, 406 its Accept has no use for our bodies, 423 too short, 503
                too many.
        """
        request, flow, stack = received.request, received.flow, self._stack
        if len(request.contacts) != 1:
            raise ParseError("SUBSCRIBE needs one Contact")
        if not package.accepted_by(request):
            raise SipError(406)
        seconds = granted(request, package)
        if len(self._dialogs) >= MAX_SUBSCRIPTIONS:
            raise SipError(503, "Too Many Subscriptions")
        contact = stack.contact(flow)
        dialog = Dialog.from_request(request, flow, stack.token(), contact, pinned=pinned)
        event = EventField.of(request)
        subscription = Subscription(stack, self._dialogs, self._tell, dialog, package, event, state)
        self._dialogs.add(subscription)
        subscription.grant(request, flow, seconds, now)
        if not subscription.over:
            self._watch(subscription)
            self._sweep_later(now)
        return subscription

    def _watch(self, subscription: Subscription) -> None:
        heapq.heappush(self._ends, (subscription.expires_at, next(self._order), subscription))

    def _sweep_later(self, now: float) -> None:
        if not self._dialogs:
            self._ends.clear()
        elif not self._sweeping:
            self._sweeping = True
            self._stack.timers.arm(SWEEP_SECONDS, now, _sweep, self)

    def sweep(self, now: float) -> None:
        """End what ran out."""
        self._sweeping = False
        if len(self._ends) > 2 * len(self._dialogs) + 100:  # most of them ended early
            self._ends = [end for end in self._ends if not end[2].over]
            heapq.heapify(self._ends)
        ends = self._ends
        while ends and ends[0][0] <= now:
            _, _, subscription = heapq.heappop(ends)
            if subscription.over:
                continue
            if subscription.expires_at > now:
                self._watch(subscription)
            else:
                subscription.expire(now)
        self._sweep_later(now)


def _sweep(subscriptions: Subscriptions, now: float) -> None:
    subscriptions.sweep(now)
