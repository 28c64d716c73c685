"""The SIP dialogs of a call's legs as the journal of live calls keeps them: a switch that takes the
call over after a crash says BYE in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip import stored_dialog

if TYPE_CHECKING:
    from sip.dialog import Dialog
    from sip.flow import Flow
    from softswitch.call.parties import Parties

_Mark = tuple[tuple["Dialog", bytes, "Flow"], ...]
"""What tells that the legs or the ways to their peers have changed."""


class KeptDialogs:
    """The dialogs that were stored last, and those that have changed since."""

    __slots__ = ("_kept", "_parties")

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._kept: _Mark = ()

    def encoded(self) -> bytes:
        """The dialogs as they stand, to be stored now."""
        mark, kept = [], []
        for leg in self._parties:
            dialog = leg.dialog
            mark.append((dialog, dialog.remote_target, dialog.flow))
            kept.append(stored_dialog.stored(dialog, leg.credentials is not None))
        self._kept = tuple(mark)
        return stored_dialog.encode(kept)

    def changed(self) -> bytes | None:
        """The dialogs, if they aren't as they were stored."""
        return None if self._mark() == self._kept else self.encoded()

    def not_stored(self) -> None:
        """What :meth:`encoded` or :meth:`changed` gave last did not reach the database."""
        self._kept = ()

    def _mark(self) -> _Mark:
        dialogs = [leg.dialog for leg in self._parties]
        return tuple([(dialog, dialog.remote_target, dialog.flow) for dialog in dialogs])
