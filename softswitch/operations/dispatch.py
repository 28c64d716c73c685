"""The way from a request to its operation, in the running switch and without one."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from softswitch.config.config import Config
from softswitch.control.actor import Actor, operator
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.values import Value
from softswitch.database.audit import DONE, FAILED
from softswitch.database.changes import Changes
from softswitch.operations.access import Operation
from softswitch.operations.auditing import note
from softswitch.operations.context import Concern, Context, Reload
from softswitch.operations.installation.setup import naming_database_errors, opened
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.repeats import once
from softswitch.operations.rights import Forbidden, check_role, checked


def perform_directly(
    config: Config, operation: str, arguments: Mapping[str, object], key: str | None = None
) -> Value:
    """Perform an operation on the database itself, when no switch runs, as the operator who runs
    this process. Raises OperationError."""
    found = _named(OPERATIONS, operation)
    with opened(config) as context:
        context.actor = operator(os.getuid())
        with naming_database_errors(config):
            result = perform(context, found, arguments, key)
        if context.changes.any():
            context.tell()
        return result


def perform(
    context: Context,
    operation: Operation,
    arguments: Mapping[str, object],
    key: str | None = None,
) -> Value:
    """Perform an operation for the actor of a context, and note it in the audit. Raises
    OperationError.

    Args:
        key: the caller's, of a change that may be asked for again; see `repeats`.
    """

    def work(context: Context, given: Mapping[str, object]) -> Value:
        return cast(
            "Value", operation.function(context, **checked(context.actor, operation, given))
        )

    is_change = operation.effect == "change"
    context = replace(context, is_change=is_change)
    try:
        if key is None or not is_change:
            result = work(context, arguments)
        else:
            check_role(context.actor, operation)
            result = once(context, operation, arguments, key, work)
    except Exception as error:
        _note(context, operation, arguments, error)
        raise
    _note(context, operation, arguments, None)
    return result


def _note(
    context: Context,
    operation: Operation,
    arguments: Mapping[str, object],
    error: Exception | None,
) -> None:
    if operation.effect == "read" and not isinstance(error, Forbidden):
        return
    match error:
        case None:
            outcome = DONE
        case OperationError():
            outcome = error.code
        case _:
            outcome = FAILED
    note(context, operation, arguments, outcome)


@dataclass(frozen=True)
class LiveOperations:
    """Operations on what only the running switch knows. They run inside the event loop and must not
    block.

    Args:
        subject: makes what they take first, for the context of one request.
    """

    subject: Callable[[Context], object]
    operations: Mapping[str, Operation]


class Dispatcher:
    """Performs the requests of the running switch's control socket.

    Each operation runs in a thread, since it may wait for the disk; `context.apply` must get its
    commands to the single billing writer from there (see `submitting`). The facts that it changed
    are read again in the same thread and handed to `on_change` inside the event loop.

    Args:
        live: these take the place of operations of the same name, which read the database.
    """

    def __init__(
        self, context: Context, live: LiveOperations, on_change: Callable[[Reload], None]
    ) -> None:
        self._context = context
        self._live = live
        self._on_change = on_change

    async def perform(self, request: Perform, user_id: int) -> Value:
        """Perform a request of a process of this user id, or of the actor for whom that process
        vouches. Raises OperationError."""
        context = replace(
            self._context,
            changes=Changes(),
            concern=Concern(),
            actor=_actor(request, user_id),
        )
        live = self._live.operations.get(request.operation)
        if live is not None:
            return await self._perform_live(context, live, request.arguments)
        operation = _named(OPERATIONS, request.operation)
        result, reload = await asyncio.to_thread(
            _work, context, operation, request.arguments, request.key
        )
        if reload is not None:
            self._on_change(reload)
        return result

    async def _perform_live(
        self, context: Context, operation: Operation, arguments: Mapping[str, object]
    ) -> Value:
        try:
            read = checked(context.actor, operation, arguments)
            result = operation.function(self._live.subject(context), **read)
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            await asyncio.to_thread(_note, context, operation, arguments, error)
            raise
        await asyncio.to_thread(_note, context, operation, arguments, None)
        return cast("Value", result)


def _work(
    context: Context, operation: Operation, arguments: Mapping[str, object], key: str | None
) -> tuple[Value, Reload | None]:
    with naming_database_errors(context.config):
        result = perform(context, operation, arguments, key)
        if not context.changes.any():
            return result, None
        context.tell()
        return result, context.reload()


def _actor(request: Perform, user_id: int) -> Actor:
    actor = request.on_behalf_of
    if actor is None:
        return operator(user_id)
    fault = actor.fault()
    if fault is not None:
        raise OperationError("actor_unusable", user=actor.user, reason=fault)
    return actor


def _named(operations: Mapping[str, Operation], name: str) -> Operation:
    found = operations.get(name)
    if found is None:
        raise OperationError("operation_unknown", operation=name)
    return found
