"""The calls of a node that died, taken over by one that lives: both ends hear BYE, each record ends
at its call's last proof of life, and what waited at that node waits here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from billing.facts.authorization import CloseCall
from billing.facts.cdr import Cdr
from billing.facts.live_call import StoredDialogs
from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store, recovery
from sip.credentials import Credentials
from sip.endpoint import Endpoint
from sip.stack import Stack
from softswitch.cluster.farewell import farewells, say_bye
from softswitch.completion.desk import CompletionDesk
from softswitch.database.threads import Run
from softswitch.texting.texting import Texting
from softswitch.trace.log import Log

BYES_AT_ONCE = 50
"""BYEs that are sent before everything else of the event loop has its turn."""
CLOSED_AT_ONCE = 200
"""Calls that are ended before other commands of the books have their turn."""


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
        ends, count = farewells(calls, self._endpoint.listening), 0
        while some := list(islice(ends, BYES_AT_ONCE)):
            for end in some:
                say_bye(self._stack, end, self._credentials_of, self._now())
            self._endpoint.drain()
            count += len(some)
            await asyncio.sleep(0)
        return count


class Takeover:
    """Ends the calls of dead nodes.

    Args:
        settled: called with each record that was written.
        money_rises: called with the accounts whose reservations were released.
        run: runs a function that waits for the database in a thread.
    """

    def __init__(
        self,
        store: Store,
        money: GroupCommit,
        sender: FarewellSender,
        completion: CompletionDesk,
        texting: Texting,
        run: Run,
        log: Log,
        *,
        settled: Callable[[Cdr], None],
        money_rises: Callable[[set[int]], None],
    ) -> None:
        self._store = store
        self._money = money
        self._sender = sender
        self._completion = completion
        self._texting = texting
        self._run = run
        self._log = log
        self._settled = settled
        self._money_rises = money_rises

    async def take(self, node: str) -> int:
        """End the calls of a node, and serve what waited there; how many legs were paid for. May be
        repeated, and done by two nodes at once.

        Raises:
            StoreError, SQLAlchemyError: the database fails; it isn't known how much was done.
        """
        told = await self._sender.send(await self._run(self._store.dialogs, node))
        cdrs = await self._close(recovery(await self._run(self._store.live_calls, node)))
        waiting = await self._completion.take_over(node)
        await self._texting.crashed(node)
        self._log.warning(
            "the calls of a dead node were ended",
            node=node,
            calls=len(cdrs),
            byes=told,
            completions=waiting,
        )
        return len(cdrs)

    async def _close(self, commands: list[CloseCall]) -> list[Cdr]:
        cdrs: list[Cdr] = []
        for start in range(0, len(commands), CLOSED_AT_ONCE):
            part = commands[start : start + CLOSED_AT_ONCE]
            settlements = await asyncio.gather(*map(self._money.submit, part))
            cdrs += [settlement.cdr for settlement in settlements]
        for cdr in cdrs:
            self._settled(cdr)
        accounts = {cdr.account for cdr in cdrs if cdr.account is not None}
        if accounts:
            self._money_rises(accounts)
        return cdrs
