"""The seam between rooms in the event loop and stores that wait for the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Run(Protocol):
    """Does work that waits for the disk away from the event loop: asyncio.to_thread, or a function
    that calls it at once where time is virtual."""

    def __call__(
        self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> Awaitable[T]: ...
