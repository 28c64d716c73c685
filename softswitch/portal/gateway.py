"""The way from a page to an operation: read here, or performed by the running switch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value, as_row, as_rows
from softswitch.operations.access import ADMIN, AUDITOR, STAFF, SUPPORT, USER, Roles
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.rights import Forbidden
from softswitch.portal.reader import Reader
from softswitch.portal.switch_client import SwitchClient

LIVE: Mapping[str, Roles] = {
    "call_hangup": SUPPORT,
    "call_list": SUPPORT | AUDITOR,
    "call_show": SUPPORT | AUDITOR,
    "call_trace": SUPPORT | AUDITOR,
    "conference_list": SUPPORT | AUDITOR,
    "conference_members": SUPPORT | AUDITOR | USER,
    "conference_mute": SUPPORT | USER,
    "conference_remove": SUPPORT | USER,
    "guard_list": SUPPORT | AUDITOR,
    "guard_show": SUPPORT | AUDITOR,
    "guard_strike": ADMIN,
    "guard_unban": SUPPORT,
    "media_show": SUPPORT | AUDITOR,
    "prompt_reload": ADMIN,
    "registration_remove": SUPPORT,
    "subscription_list": SUPPORT | AUDITOR,
    "switch_figures": STAFF,
}
"""Operations that only the running switch has, with their roles; a test compares them with the
switch's own table."""
LIVE_CHANGES = frozenset({
    "call_hangup", "guard_unban", "prompt_reload", "registration_remove"
})  # fmt: skip
LIVE_WHEN_THERE = frozenset({"registration_list", "trunk_list", "trunk_show"})
"""Operations that know more in the running switch; without it they read the database."""


class Gateway:
    """Operations for pages and the API.

    A change is made by the switch alone: while it is away there are none.
    """

    def __init__(self, reader: Reader, switch: SwitchClient) -> None:
        self._reader = reader
        self._switch = switch

    async def perform(
        self,
        actor: Actor,
        operation: str,
        arguments: Mapping[str, object],
        key: str | None = None,
    ) -> Value:
        """Perform an operation as an actor.

        Args:
            key: of a change that may be asked for again: it is made once.

        Raises:
            OperationError: it was refused, or the switch that it needs is away.
        """
        check_looking(actor, operation)
        found = OPERATIONS.get(operation)
        if found is None or found.effect != "read":
            return await self._switch.perform(actor, operation, arguments, key)
        if operation in LIVE_WHEN_THERE:
            try:
                return await self._switch.perform(actor, operation, arguments, key)
            except OperationError as error:
                if error.code != "switch_away":
                    raise
        try:
            return await self._reader.perform(actor, found, arguments)
        except Forbidden:
            # The switch refuses it as well, and its audit has a row for that.
            with contextlib.suppress(OperationError):
                await self._switch.perform(actor, operation, arguments, None)
            raise

    async def row(self, actor: Actor, operation: str, **arguments: object) -> Row:
        """The answer of an operation that answers with one record. Raises OperationError."""
        return as_row(await self.perform(actor, operation, arguments))

    async def rows(self, actor: Actor, operation: str, **arguments: object) -> list[Row]:
        """The answer of an operation that answers with a table. Raises OperationError."""
        return as_rows(await self.perform(actor, operation, arguments))


def roles_of(operation: str) -> Roles:
    """The roles that may perform an operation. Raises KeyError for one that there isn't."""
    found = OPERATIONS.get(operation)
    return LIVE[operation] if found is None else found.roles


def changes(operation: str) -> bool:
    """True if an operation changes something."""
    found = OPERATIONS.get(operation)
    return operation in LIVE_CHANGES if found is None else found.effect == "change"


def check_looking(actor: Actor, operation: str) -> None:
    """Raises OperationError for what stays closed to staff in a customer's place: recordings,
    documents and messages, and the customer's people with their passwords and tokens."""
    found = OPERATIONS.get(operation)
    if not actor.impersonator or found is None:
        return
    own = operation.startswith(("user_", "token_", "session_")) and found.effect == "change"
    if own or found.effect == "disclose":
        raise OperationError("looking_closed", operation=operation)


def may(actor: Actor, operation: str) -> bool:
    """True if the actor's role may perform an operation at all."""
    return actor.role in roles_of(operation)
