"""The dialog package (RFC 4235): a line's calls, for busy lamps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sip.dialog import DialogId
from sip.subscription import Package
from softswitch.services.markup import characters, document, element
from softswitch.subscribers.directory import Line

PACKAGE = Package(
    b"dialog",
    b"application/dialog-info+xml",
    default_expires=3600,  # section 3.4
    rest_seconds=1.0,  # section 3.10
)


@dataclass(frozen=True, slots=True)
class LineDialog:
    """A line's part in a call."""

    id: str
    direction: Literal["initiator", "recipient"]
    state: Literal["trying", "early", "confirmed"]
    remote: str | None
    """URI of the other side; None when it is withheld, or hidden from this watcher."""
    ringing: DialogId | None = None
    """Call-ID, our tag and the phone's, by which a phone of the account may pick up the call while
    it rings (RFC 3891). None for other watchers, and for calls that were answered: with them a
    watcher could take the call over (RFC 4235 section 6)."""


DialogsOf = Callable[[Line, bool], Sequence[LineDialog]]
"""A line's parts in calls. The flag is True for a watcher of the same account, who sees the other
side and may pick up a call that rings."""


def dialog_info(entity: str, dialogs: Sequence[LineDialog], version: int) -> bytes:
    """The full state of a line. An idle line has one terminated dialog, since some phones turn no
    lamp off for an empty list."""
    idle = element("dialog", {"id": "idle"}, element("state", {}, "terminated"))
    shown = [_dialog(entity, dialog) for dialog in dialogs] or [idle]
    attributes = {
        "xmlns": "urn:ietf:params:xml:ns:dialog-info",
        "version": str(version),
        "state": "full",
        "entity": entity,
    }
    return document(element("dialog-info", attributes, *shown))


def _dialog(entity: str, dialog: LineDialog) -> str:
    parts = [element("state", {}, dialog.state), _participant("local", entity)]
    if dialog.remote is not None:
        parts.append(_participant("remote", dialog.remote))
    attributes = {"id": dialog.id, "direction": dialog.direction}
    if dialog.ringing is not None:
        call_id, ours, theirs = dialog.ringing
        attributes |= {"call-id": call_id, "local-tag": theirs or "", "remote-tag": ours or ""}
    return element("dialog", attributes, *parts)


def _participant(which: str, uri: str) -> str:
    return element(
        which, {}, element("identity", {}, characters(uri)), element("target", {"uri": uri})
    )
