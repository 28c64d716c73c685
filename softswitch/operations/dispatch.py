"""The way from a request to its operation, in the running switch and without one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.values import Value
from softswitch.database.changes import Changes
from softswitch.operations.arguments import Function, read_arguments
from softswitch.operations.context import Context, Reload
from softswitch.operations.installation.setup import naming_database_errors, opened
from softswitch.operations.registry import OPERATIONS


def perform_directly(config: Config, operation: str, arguments: Mapping[str, object]) -> Value:
    """Perform an operation on the database itself, when no switch runs. Raises OperationError."""
    function = _named(OPERATIONS, operation)
    with opened(config) as context:
        result = _perform(context, function, arguments)
        if context.changes.any():
            context.tell()
        return result


@dataclass(frozen=True)
class LiveOperations:
    """Operations on what only the running switch knows; they take `subject` first. They run inside
    the event loop and must not block."""

    subject: object
    functions: Mapping[str, Function]


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
        """Raises OperationError."""
        function = self._live.functions.get(request.operation)
        if function is not None:
            return await self._perform_live(function, request.arguments)
        function = _named(OPERATIONS, request.operation)
        result, reload = await asyncio.to_thread(self._work, function, request.arguments)
        if reload is not None:
            self._on_change(reload)
        return result

    async def _perform_live(self, function: Function, arguments: Mapping[str, object]) -> Value:
        result = function(self._live.subject, **read_arguments(function, arguments))
        return cast("Value", await result if inspect.isawaitable(result) else result)

    def _work(
        self, function: Function, arguments: Mapping[str, object]
    ) -> tuple[Value, Reload | None]:
        context = replace(self._context, changes=Changes())
        with naming_database_errors(context.config):
            result = _perform(context, function, arguments)
            if not context.changes.any():
                return result, None
            context.tell()
            return result, context.reload()


def _perform(context: Context, function: Function, arguments: Mapping[str, object]) -> Value:
    return cast("Value", function(context, **read_arguments(function, arguments)))


def _named(operations: Mapping[str, Function], name: str) -> Function:
    found = operations.get(name)
    if found is None:
        raise OperationError("operation_unknown", operation=name)
    return found
