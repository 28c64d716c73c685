"""Holds: money or credit set aside for texts before they are sent, taken as they are.

A hold is made for one text, or for a whole batch at once: then the batch can't run out of money
halfway. Each text that a carrier takes captures its price; what is left when all are done is
released. Like the reservation of a call, a hold posts nothing: it lowers what else can be spent.
"""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.command import SalesCommand, Touched


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount set aside.

    Args:
        wallet: "money", or the kind of wallet (:data:`billing.facts.wallet.RULES`).
        amount_micros: what was set aside at first.
        held_micros: what of it is neither captured nor released.
        created_at: epoch milliseconds.
    """

    id: str
    account_id: int
    wallet: str
    amount_micros: int
    held_micros: int
    created_at: int

    @property
    def is_open(self) -> bool:
        """True while something of it can be captured or released."""
        return self.held_micros > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCredit(SalesCommand[Hold]):
    """Set an amount aside, all of it or nothing; answered by the Hold.

    A repeated id changes nothing and is answered by the hold as it stands. Refused with
    InsufficientFunds, with CurrencyMismatch, or with PaymentConflict if the id was used for another
    amount.

    Args:
        currency: of an amount of money; None: the account's own.
    """

    hold_id: str
    wallet: str
    amount_micros: int
    currency: str | None = None

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.wallets_of.add(self.account_id)
        touched.sales.holds.add(self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCredit(SalesCommand[Hold]):
    """Take a part of a hold for good; answered by the Hold. A repeated capture id changes nothing.

    Args:
        capture_id: unique within the hold: the text's.
    """

    hold_id: str
    capture_id: str
    amount_micros: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.wallets_of.add(self.account_id)
        touched.sales.holds.add(self.hold_id)
        touched.payments.add(capture_transaction(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCredit(SalesCommand[Hold]):
    """Give back all that is left of a hold; answered by the Hold. Repeating it changes nothing."""

    hold_id: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.wallets_of.add(self.account_id)
        touched.sales.holds.add(self.hold_id)

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


def capture_transaction(command: CaptureCredit) -> str:
    """The transaction that a capture posts, from its own ids."""
    return f"text:{command.hold_id}:{command.capture_id}"
