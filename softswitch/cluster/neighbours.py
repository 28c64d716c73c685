"""The other nodes and their calls, as far as the bus tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from sip.dialog import DialogId
from sip.flow import Address
from softswitch.cluster.events import Alive, CallChanged, LinePart
from softswitch.services.dialog_info import LineDialog

ALIVE_SECONDS = 1.0
"""The interval at which a node says that it serves."""
SILENT_SECONDS = 6.0
"""A node that was silent for so long is away."""
FEW_CALLS = 4
"""Calls that a person may have at one time: on hold, and in consultation."""

Counted = TypeVar("Counted", int, str)
_CallKey = tuple[str, str]
"""A node and the id of its call."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another node that serves."""

    name: str
    address: Address
    draining: bool
    hosts: bool
    """True if it has dial-in conferences."""
    heard_at: float


class Neighbours:
    """The other nodes, and their calls by line, account and trunk."""

    def __init__(self) -> None:
        self._nodes: dict[str, Neighbour] = {}
        self._calls: dict[_CallKey, CallChanged] = {}
        self._of_line: dict[int, dict[_CallKey, LinePart]] = {}
        self._of_account: Counter[int] = Counter()
        self._of_trunk: Counter[str] = Counter()

    # Nodes

    def alive(self, node: str, message: Alive, now: float) -> bool:
        """A node says that it serves; True if that is news."""
        known = self._nodes.get(node)
        self._nodes[node] = Neighbour(node, message.address, message.draining, message.hosts, now)
        return known is None

    def get(self, node: str) -> Neighbour | None:
        """A node that serves; None if it is away."""
        return self._nodes.get(node)

    def has_address(self, address: Address) -> bool:
        """True for the socket of a node that serves."""
        return any(node.address == address for node in self._nodes.values())

    def serving(self) -> list[Neighbour]:
        """The nodes that take calls."""
        return [node for node in self._nodes.values() if not node.draining]

    def silent(self, now: float) -> list[str]:
        """The nodes that were silent for so long that they are away."""
        return [node.name for node in self._nodes.values() if now - node.heard_at >= SILENT_SECONDS]

    def gone(self, node: str) -> set[int]:
        """A node is away; the lines that took part in its calls."""
        self._nodes.pop(node, None)
        return self.forget_calls(node)

    # Calls

    def put(self, node: str, changed: CallChanged) -> set[int]:
        """Note a call as it is now; the lines whose parts in it have changed."""
        key = (node, changed.call)
        before = self._remove(key)
        self._calls[key] = changed
        for part in changed.lines:
            self._of_line.setdefault(part.line, {})[key] = part
        self._of_account.update(changed.payers)
        self._of_trunk.update(changed.trunks)
        after = {part.line: part for part in changed.lines}
        lines = before.keys() | after.keys()
        return {line for line in lines if before.get(line) != after.get(line)}

    def end(self, node: str, call: str) -> set[int]:
        """A call is over; its lines."""
        return set(self._remove((node, call)))

    def forget_calls(self, node: str) -> set[int]:
        """All calls of a node are over, or will be told anew; their lines."""
        keys = [key for key in self._calls if key[0] == node]
        return {line for key in keys for line in self._remove(key)}

    def _remove(self, key: _CallKey) -> dict[int, LinePart]:
        known = self._calls.pop(key, None)
        if known is None:
            return {}
        for part in known.lines:
            parts = self._of_line[part.line]
            del parts[key]
            if not parts:
                del self._of_line[part.line]
        _subtract(self._of_account, known.payers)
        _subtract(self._of_trunk, known.trunks)
        return {part.line: part for part in known.lines}

    def count_of_line(self, line_id: int) -> int:
        """The number of calls in which a line takes part at other nodes."""
        return len(self._of_line.get(line_id, ()))

    def outgoing_of_account(self, account: int) -> int:
        """The number of legs that an account pays for at other nodes."""
        return self._of_account[account]

    def count_of_trunk(self, name: str) -> int:
        """The number of calls that use a trunk at other nodes."""
        return self._of_trunk[name]

    def dialogs_of(self, line_id: int, with_remote: bool) -> Iterator[LineDialog]:
        """A line's parts in calls at other nodes.

        Args:
            with_remote: the watcher may see the other side, and pick up a call that rings.
        """
        for part in self._of_line.get(line_id, {}).values():
            for dialog in part.dialogs:
                yield dialog if with_remote else replace(dialog, remote=None, ringing=None)

    def talking_of(self, line_id: int) -> Neighbour | None:
        """The serving node at which a line talks; None if there is none, or the line has so many
        calls that it is no single phone's."""
        parts = self._of_line.get(line_id, {})
        if len(parts) > FEW_CALLS:
            return None
        for (name, _), part in parts.items():
            node = self._nodes.get(name)
            if node is None or node.draining:
                continue
            if any(dialog.state == "confirmed" for dialog in part.dialogs):
                return node
        return None

    def ringing_in(self, wanted: DialogId) -> Neighbour | None:
        """The node at which a phone rings in this dialog."""
        for (node, _), call in self._calls.items():
            for part in call.lines:
                if any(dialog.ringing == wanted for dialog in part.dialogs):
                    return self._nodes.get(node)
        return None


def _subtract(counter: Counter[Counted], keys: Iterable[Counted]) -> None:
    """Count keys down in a counter that keeps no zero."""
    for key in keys:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
