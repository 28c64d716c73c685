"""The SIP dialogs of a call's legs as the journal of live calls keeps them: a switch that takes the
call over after a crash says BYE in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip import stored_dialog

if TYPE_CHECKING:
    from softswitch.call.legs import Legs, StoredDialogs


def encoded(legs: Legs) -> bytes:
    """The dialogs as they stand, to be stored now."""
    mark: StoredDialogs = ()
    kept = []
    for leg in legs.parties.legs:
        dialog = leg.dialog
        mark += ((dialog, dialog.remote_target, dialog.flow),)
        kept.append(stored_dialog.stored(dialog, leg.credentials is not None))
    legs.stored_dialogs = mark
    return stored_dialog.encode(kept)


def changed(legs: Legs) -> bytes | None:
    """The dialogs, if they aren't as they were stored."""
    dialogs = [leg.dialog for leg in legs.parties.legs]
    mark = tuple([(dialog, dialog.remote_target, dialog.flow) for dialog in dialogs])
    return None if mark == legs.stored_dialogs else encoded(legs)


def not_stored(legs: Legs) -> None:
    """Note that the dialogs :func:`encoded` or :func:`changed` gave last weren't stored."""
    legs.stored_dialogs = ()
