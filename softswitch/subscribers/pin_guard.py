"""PIN checks with a limit on wrong tries, for 2828, star codes, mailboxes and dial-in rooms.

A PIN has few digits, so wrong tries are counted, and after too many in a row every try is refused
for a while. Each PIN has its own count: guesses at a mailbox from outside lock nothing else.
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
    """Checks PINs, and counts wrong tries.

    Args:
        run: runs a function that may wait for the disk, or computes a hash, in a thread.
        wall_ms: epoch milliseconds.
    """

    def __init__(self, tries: PinTries, run: Run, wall_ms: Callable[[], int], log: Log) -> None:
        self._tries = tries
        self._run = run
        self._wall_ms = wall_ms
        self._log = log

    async def fits(self, secret: Secret, pin: str, kept: str | None) -> bool:
        """True if a PIN fits its hash (`pins.hashed`); False if there is no hash.

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
