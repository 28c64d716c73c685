"""Money of texts: held before a text is stored, captured when a carrier took it, or released.

Ids follow from the text or its batch, so a crash between the text's state and its money is mended
by doing the money's step again: :meth:`TextCharging.reconcile` does so at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal

from billing.facts.authorization import BillingError
from billing.facts.hold import CaptureCredit, Hold, HoldCredit, ReleaseCredit
from billing.stores.group_commit import GroupCommit
from billing.stores.store import StoreError
from softswitch.texting.message import State, StoredText
from softswitch.trace.log import Log

ChargeWhen = Literal["accepted", "delivered"]


class TextCharging:
    """Holds, captures and releases of the prices of texts.

    Args:
        charge: when a text is paid: when a carrier has accepted it, or when it is delivered.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self, money: GroupCommit, charge: ChargeWhen, log: Log, *, wall_ms: Callable[[], int]
    ) -> None:
        self._money = money
        self._charge = charge
        self._log = log
        self._wall_ms = wall_ms

    def hold(
        self,
        hold_id: str,
        account_id: int,
        wallet: str,
        amount_micros: int,
        currency: str | None = None,
    ) -> asyncio.Future[Hold]:
        """Set the price of a text or a batch aside; the future may bring InsufficientFunds."""
        return self._money.submit(
            HoldCredit(
                account_id=account_id,
                at=self._wall_ms(),
                hold_id=hold_id,
                wallet=wallet,
                amount_micros=amount_micros,
                currency=currency,
            )
        )

    def follow(self, text: StoredText) -> None:
        """Capture or release a text's price after a change of its state."""
        match text.state:
            case State.WAITING | State.SENDING:
                pass
            case State.SENT:
                if self._charge == "accepted":
                    self.capture(text)
            case State.DELIVERED | State.UNKNOWN:
                self.capture(text)
            case State.FAILED | State.EXPIRED | State.CANCELLED:
                self.release(text)

    def capture(self, text: StoredText) -> None:
        """Take a text's price for good."""
        facts = text.text
        if facts.account_id is None or not facts.price_micros:
            return
        self._submit(
            CaptureCredit(
                account_id=facts.account_id,
                at=self._wall_ms(),
                hold_id=hold_of(text),
                capture_id=str(text.id),
                amount_micros=facts.price_micros,
            )
        )

    def release(self, text: StoredText) -> None:
        """Release the price of a text that no carrier took; a batch's rest is released at its
        end."""
        facts = text.text
        if facts.account_id is not None and facts.price_micros and facts.batch_id is None:
            self.release_hold(facts.account_id, hold_of(text))

    def release_hold(self, account_id: int, hold_id: str) -> None:
        """Release the rest of a hold."""
        self._submit(ReleaseCredit(account_id=account_id, at=self._wall_ms(), hold_id=hold_id))

    def reconcile(self, holds: Iterable[tuple[Hold, StoredText | None]]) -> None:
        """Do again what a crash may have left undone.

        Args:
            holds: open holds, each with its text; None: it was never stored, and won't be.
        """
        for held, text in holds:
            if text is None:
                self.release_hold(held.account_id, held.id)
            else:
                self.follow(text)

    def _submit(self, command: CaptureCredit | ReleaseCredit) -> None:
        self._money.submit(command).add_done_callback(self._done)

    def _done(self, done: asyncio.Future[Hold]) -> None:
        error = done.exception()
        if isinstance(error, BillingError | StoreError):
            self._log.error("a text's money couldn't be settled", why=str(error))


def hold_of(text: StoredText) -> str:
    """The id of the hold that pays for a text."""
    if text.text.batch_id is not None:
        return f"batch:{text.text.batch_id}"
    return f"text:{text.text.origin}"
