"""Where services are changed while the switch serves: on disk first, then for the next call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from billing.store import StoreError
from softswitch import pins
from softswitch.directory import Directory, Line
from softswitch.last_calls import LastCall
from softswitch.service_store import ServiceStore
from softswitch.star_codes import PinCheck
from softswitch.supplementary import Supplementary

MAX_WRONG_PINS = 5
LOCK_SECONDS = 900.0
"""After so many wrong PINs in a row none is looked at for so long: 480 tries a day."""
Run = Callable[..., Awaitable[Any]]
"""Does a thing that waits for the disk, away from the event loop: asyncio.to_thread's shape."""


class ServiceDesk:
    """Keeps what lines set by phone.

    Args:
        run: how the store is asked, and slow sums are done.
        now: monotonic seconds.
    """

    def __init__(
        self, store: ServiceStore, directory: Directory, run: Run, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._directory = directory
        self._run = run
        self._now = now
        self.changing = asyncio.Lock()
        """Held from reading a line's services to having them kept: codes come one after another."""
        self._wrong: dict[int, tuple[int, float]] = {}
        """Wrong PINs in a row and when the last one was, by line; a restart forgets them."""

    async def check_pin(self, line: Line, pin: str) -> PinCheck:
        """Whether it is the line's PIN. Wrong ones are counted: a PIN has few digits."""
        if line.pin is None:
            return "none"
        wrong, last = self._wrong.get(line.id, (0, 0.0))
        if wrong >= MAX_WRONG_PINS and self._now() < last + LOCK_SECONDS:
            return "locked"
        # Counted before the slow hash, during which other calls may try.
        before = wrong % MAX_WRONG_PINS
        self._wrong[line.id] = before + 1, self._now()
        if pin and await self._run(pins.fits, pin, line.pin):
            self._wrong.pop(line.id, None)
            return "fits"
        return "wrong"

    async def save(self, line: Line, services: Supplementary) -> None:
        """Put a line's services in the place of the ones it has.

        Raises:
            StoreError: the database is out of order; nothing has changed.
        """
        await self._ask(self._store.save, line.id, services)
        current = self._directory.line(line.id)
        if current is not None:
            self._directory.put_lines([replace(current, services=services)])

    async def mark(self, line: Line, call: LastCall, marked_at: int) -> None:
        """Keep who a malicious caller was; marking a call again changes nothing.

        Raises:
            StoreError: the database is out of order.
        """
        await self._ask(self._store.mark, line.id, line.number, call, marked_at)

    async def _ask(self, work: Callable[..., object], *arguments: object) -> None:
        try:
            await self._run(work, *arguments)
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
