"""The live calls of a node, of which it tells the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from softswitch.call.live_calls import LiveCalls
from softswitch.cluster.events import Bus, CallChanged, CallEnded, LinePart
from softswitch.cluster.neighbours import Neighbours
from softswitch.services.line_calls import dialogs_in
from softswitch.subscribers.directory import Line

if TYPE_CHECKING:
    from softswitch.call.call import Call


class ClusterLiveCalls(LiveCalls):
    """The calls of this node, counted together with those of the others.

    Args:
        line: a line by its id; None if it was removed.
        domain: the host of our lines' URIs.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        neighbours: Neighbours,
        bus: Bus,
        line: Callable[[int], Line | None],
        domain: str,
    ) -> None:
        super().__init__(loop)
        self._neighbours = neighbours
        self._bus = bus
        self._line = line
        self._domain = domain
        self._told: dict[str, CallChanged] = {}

    def changed(self, call: Call) -> None:
        super().changed(call)
        self._tell(call)

    def left(self, call: Call, line: Line) -> None:
        super().left(call, line)
        self._tell(call)

    def ended(self, call: Call) -> None:
        super().ended(call)
        if self._told.pop(call.id, None) is not None:
            self._bus.tell(CallEnded(call.id))

    def count_of_line(self, line: Line) -> int:
        return super().count_of_line(line) + self._neighbours.count_of_line(line.id)

    def outgoing_of_account(self, account: int) -> int:
        own = super().outgoing_of_account(account)
        return own + self._neighbours.outgoing_of_account(account)

    def count_of_trunk(self, name: str) -> int:
        return super().count_of_trunk(name) + self._neighbours.count_of_trunk(name)

    def tell_all(self) -> None:
        """Tell of every call: a node has started, or has missed something."""
        for told in self._told.values():
            self._bus.tell(told)

    def _tell(self, call: Call) -> None:
        if call.id not in self.by_id:
            return
        summary = self._summary(call)
        if self._told.get(call.id) != summary:
            self._told[call.id] = summary
            self._bus.tell(summary)

    def _summary(self, call: Call) -> CallChanged:
        lines = [line for key in sorted(call.line_ids) if (line := self._line(key)) is not None]
        records = call.payers.records
        return CallChanged(
            call.id,
            tuple(
                LinePart(line.id, tuple(dialogs_in(call, line, self._domain, True)))
                for line in lines
            ),
            tuple(
                record.account
                for record in records
                if record.account is not None and record.direction != "incoming"
            ),
            tuple(record.trunk for record in records if record.trunk is not None),
        )
