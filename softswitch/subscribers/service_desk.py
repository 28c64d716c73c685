"""Changes of supplementary services while the switch serves: on disk first, then for the next
call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec

from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from softswitch.database.threads import Run
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.last_calls import LastCall
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import Secret
from softswitch.subscribers.service_store import ServiceStore
from softswitch.subscribers.star_codes import PinCheck
from softswitch.subscribers.supplementary import Supplementary

P = ParamSpec("P")


class ServiceDesk:
    """Stores the settings that lines make by phone.

    Args:
        guard: checks PINs.
        run: runs a function that waits for the database in a thread.
    """

    def __init__(
        self, store: ServiceStore, directory: Directory, guard: PinGuard, run: Run
    ) -> None:
        self._store = store
        self._directory = directory
        self._guard = guard
        self._run = run
        self.changing = asyncio.Lock()
        """Held from reading a line's services until they are stored: codes are carried out one at a
        time."""

    async def check_pin(self, line: Line, pin: str) -> PinCheck:
        """Check the line's PIN.

        Raises:
            StoreError: the database is out of order.
        """
        if line.pin is None:
            return "none"
        try:
            fits = await self._guard.fits(Secret("line", str(line.id)), pin, line.pin)
        except pins.Locked:
            return "locked"
        return "fits" if fits else "wrong"

    async def save(self, line: Line, services: Supplementary) -> None:
        """Replace a line's services.

        Raises:
            StoreError: the database is out of order; nothing has changed.
        """
        await self._ask(self._store.save, line.id, services)
        current = self._directory.line(line.id)
        if current is not None:
            self._directory.put_lines([replace(current, services=services)])

    async def mark(self, line: Line, call: LastCall, marked_at: int) -> None:
        """Store a malicious call with its caller; marking a call again changes nothing.

        Raises:
            StoreError: the database is out of order.
        """
        await self._ask(self._store.mark, line.id, line.number, call, marked_at)

    async def _ask(self, work: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
        try:
            await self._run(work, *arguments, **named)
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
