"""The calls of a switch that died: both ends hear BYE, and each record ends at its call's last
proof of life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from billing.facts.live_call import StoredDialogs
from sip.credentials import Credentials
from sip.endpoint import Endpoint
from sip.stack import Stack
from softswitch.cluster.farewell import farewells, say_bye

BYES_AT_ONCE = 50
"""BYEs that are sent before everything else of the event loop has its turn."""


class FarewellSender:
    """Sends the BYEs of calls that ended with their switch.

    Args:
        credentials_of: the credentials for a trunk by its name.
        now: monotonic seconds.
    """

    def __init__(
        self,
        stack: Stack,
        endpoint: Endpoint,
        credentials_of: Callable[[str], Credentials | None],
        now: Callable[[], float],
    ) -> None:
        self._stack = stack
        self._endpoint = endpoint
        self._credentials_of = credentials_of
        self._now = now

    async def send(self, calls: Iterable[StoredDialogs]) -> int:
        """Say BYE to both ends of calls; how many ends that were."""
        ends = list(farewells(calls, self._endpoint.listening))
        for start in range(0, len(ends), BYES_AT_ONCE):
            for end in ends[start : start + BYES_AT_ONCE]:
                say_bye(self._stack, end, self._credentials_of, self._now())
            self._endpoint.drain()
            await asyncio.sleep(0)
        return len(ends)
