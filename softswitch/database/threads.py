"""The seam between rooms in the event loop and stores that wait for the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Run(Protocol):
    """Runs a function that waits for the disk outside the event loop: asyncio.to_thread, or a plain
    call where time is virtual."""

    def __call__(
        self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> Awaitable[T]: ...
