"""The table of dialogs: which usage a request within a dialog belongs to (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from sip.dialog import Dialog, DialogId
from sip.flow import Flow


class Usage(Protocol):
    """A dialog usage (RFC 5057): an INVITE session or an event subscription."""

    @property
    def dialog(self) -> Dialog:
        """The dialog of the usage."""


U = TypeVar("U", bound=Usage)


class Dialogs(Generic[U]):
    """Usages of one kind by their dialog identifiers.

    A usage is found by the identifier that its dialog had when it was added: who changes the
    dialog's tags takes it out before and adds it again afterwards.
    """

    def __init__(self) -> None:
        self._usages: dict[DialogId, U] = {}
        self.get: Callable[[DialogId], U | None] = self._usages.get
        """The usage of a dialog: Call-ID, our tag, the peer's tag. Each request within a dialog
        asks."""

    def __len__(self) -> int:
        return len(self._usages)

    def __iter__(self) -> Iterator[U]:
        return iter(self._usages.values())

    def add(self, usage: U) -> None:
        """Deliver requests within the usage's dialog to it from now on."""
        self._usages[usage.dialog.id] = usage

    def remove(self, usage: U) -> None:
        """Forget a usage; one that isn't in the table is no error."""
        self._usages.pop(usage.dialog.id, None)

    def use(self, flow: Flow) -> bool:
        """True if the next request of some dialog goes by this flow; looks at all of them."""
        return any(usage.dialog.flow.connection == flow for usage in self._usages.values())
