"""Whether a PIN fits, wherever it was typed: 2828 and star codes, a mailbox, a dial-in room.

A PIN has few digits, so tries are counted, and after too many in a row none is looked at for a
while. Each PIN has its own count: whoever guesses at a mailbox from outside locks its owner out of
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from softswitch.database.threads import Run
from softswitch.subscribers import pins
from softswitch.subscribers.pin_tries import PinTries, Secret
from softswitch.trace.log import Log


class PinGuard:
    """Compares PINs, and counts.

    Args:
        run: how the store is asked, and slow sums are done.
        wall_ms: epoch milliseconds.
    """

    def __init__(self, tries: PinTries, run: Run, wall_ms: Callable[[], int], log: Log) -> None:
        self._tries = tries
        self._run = run
        self._wall_ms = wall_ms
        self._log = log

    async def fits(self, secret: Secret, pin: str, kept: str | None) -> bool:
        """Whether it is the PIN that is kept so (`pins.hashed`); none fits where there is none.

        Raises:
            pins.Locked: there were too many wrong ones.
            StoreError: the database is out of order.
        """
        try:
            tries = await self._run(self._tries.begin, secret, self._wall_ms())
            if kept is not None and pin and await self._run(pins.fits, pin, kept):
                await self._run(self._tries.forget, secret)
                return True
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
        if tries.locked_until:
            self._log.warning("a PIN was guessed at", kind=secret.kind, owner=secret.owner)
        return False
