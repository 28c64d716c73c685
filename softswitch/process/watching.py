"""Events for watchers of the switch; see :mod:`softswitch.control.watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from billing.facts.cdr import Cdr
from billing.facts.money import format_amount
from sip.registrar import Registrar
from softswitch.call.call import Call
from softswitch.call.live_calls import LiveCalls
from softswitch.control.actor import Actor, operator
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Watch
from softswitch.control.values import Row
from softswitch.control.watch import WatchHub
from softswitch.mail.outbox import Queued
from softswitch.operations.access import AUDITOR, SUPPORT
from softswitch.operations.lines.registrations import binding_row
from softswitch.operations.network.trunks import trunk_row
from softswitch.operations.rights import Forbidden
from softswitch.process.rows import call_row
from softswitch.services.trunk_monitor import TrunkMonitor
from softswitch.subscribers.directory import Directory, Trunk
from softswitch.texting.message import State, StoredText

WATCHERS = SUPPORT | AUDITOR
"""A watch shows every account's calls."""


def check_watch(request: Watch, user_id: int) -> None:
    """Refuse a watch by an actor who may not see every account.

    Raises:
        OperationError: the request does not describe a possible actor.
        Forbidden: the role may not watch.
    """
    actor: Actor = request.on_behalf_of or operator(user_id)
    fault = None if request.on_behalf_of is None else actor.fault()
    if fault is not None:
        raise OperationError("actor_unusable", user=actor.user, reason=fault)
    if actor.role not in WATCHERS:
        raise Forbidden("right_missing", user=actor.user, role=actor.role, operation="watch")


class Publisher:
    """Publishes changes of the switch as events; builds no event for which there is no watcher.

    What calls and settlements tell comes often: the switch asks for `watchers` before it tells.
    """

    def __init__(
        self,
        hub: WatchHub,
        live_calls: LiveCalls,
        directory: Directory,
        registrar: Registrar,
        trunk_monitor: TrunkMonitor,
        figures: Callable[[], Row],
        wall_seconds: Callable[[], float],
    ) -> None:
        self.hub = hub
        self.watchers = hub.watchers
        self._directory = directory
        self._registrar = registrar
        self._trunk_monitor = trunk_monitor
        self._figures = figures
        self._wall_seconds = wall_seconds
        hub.serve(
            {
                "calls": lambda: [call_row(call) for call in live_calls.by_id.values()],
                "registrations": self._registrations,
                "trunks": lambda: [self._trunk_row(trunk) for trunk in directory.trunks()],
                "figures": lambda: [figures()],
            }
        )

    def call_changed(self, call: Call) -> None:
        """A call rings, was answered, or has another person on one of its sides."""
        self.hub.changed("calls", call.id, call_row(call))

    def call_ended(self, call: Call) -> None:
        """A call is over and settled."""
        self.hub.gone("calls", call.id)

    def phones_changed(self, login: str) -> None:
        """Phones of a line registered or went away."""
        if not self.watchers["registrations"]:
            return
        phones = self._phones(login)
        if phones:
            self.hub.changed("registrations", login, {"login": login, "phones": phones})
        else:
            self.hub.gone("registrations", login)

    def trunk_changed(self, trunk: Trunk) -> None:
        """A trunk came up or went down."""
        if self.watchers["trunks"]:
            self.hub.changed("trunks", trunk.name, self._trunk_row(trunk))

    def trunks_changed(self) -> None:
        """An operator changed trunks."""
        if self.watchers["trunks"]:
            for trunk in self._directory.trunks():
                self.hub.changed("trunks", trunk.name, self._trunk_row(trunk))

    def accounts_changed(self, accounts: Iterable[int]) -> None:
        """The money or services of accounts changed: their balance must be read again."""
        for account in accounts:
            self.hub.changed("balances", account, {"account": account})

    def settled(self, cdr: Cdr) -> None:
        """A leg was settled."""
        if cdr.account is not None and cdr.price_micros:
            charged = format_amount(cdr.price_micros)
            row: Row = {"account": cdr.account, "call": cdr.call_id, "charged": charged}
            self.hub.changed("balances", cdr.account, row)

    def mail_left(self, queued: Queued, outcome: str) -> None:
        """A notice was sent by mail, or its delivery failed."""
        if self.watchers["notices"]:
            row: Row = {"id": queued.id, "to": queued.mail.to, "outcome": outcome}
            self.hub.changed("notices", queued.id, row | {"subject": queued.mail.subject})

    def text_moved(self, stored: StoredText, state: State) -> None:
        """A text was stored, delivered, or has failed."""
        if not self.watchers["texts"]:
            return
        text = stored.text
        lines = [self._directory.line(key) for key in (text.from_line, text.to_line) if key]
        accounts = {text.account_id, *(line.account_id for line in lines if line is not None)}
        row: Row = {
            "id": stored.id,
            "kind": text.kind,
            "account": text.account_id,
            "accounts": sorted(one for one in accounts if one is not None),
            "sender": text.sender,
            "recipient": text.recipient,
            "state": state.value,
        }
        self.hub.changed("texts", stored.id, row)

    def figures(self) -> None:
        """Publish the figures; called every few seconds."""
        if self.watchers["figures"]:
            self.hub.changed("figures", "switch", self._figures())

    def _phones(self, login: str) -> list[Row]:
        now = self._wall_seconds()
        found = self._registrar.reach(login, now)
        return [binding_row(binding, self._directory, now) for binding in found]

    def _registrations(self) -> list[Row]:
        now = self._wall_seconds()
        phones: dict[str, list[Row]] = {}
        for binding in self._registrar.all(now):
            row = binding_row(binding, self._directory, now)
            phones.setdefault(binding.aor, []).append(row)
        return [{"login": login, "phones": rows} for login, rows in phones.items()]

    def _trunk_row(self, trunk: Trunk) -> Row:
        return trunk_row(trunk) | self._trunk_monitor.row(trunk)
