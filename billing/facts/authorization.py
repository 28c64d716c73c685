"""Commands about calls, accounts and tariffs, their answers and their refusals.

Commands are facts; :mod:`billing.decisions` decides them, :mod:`billing.stores` makes them durable.
Each may be repeated without changing anything twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from billing.facts.account import ACTIVE, Account, Status
from billing.facts.assignment import Assignment
from billing.facts.cdr import Cdr
from billing.facts.command import Command, Touched
from billing.facts.ledger import payment_transaction, reversal_transaction
from billing.facts.rate import Rate
from billing.facts.reservation import SLICE_SECONDS
from billing.facts.tariff import Terms, Version


class BillingError(Exception):
    """A command that the books refuse; one line."""

    code: ClassVar[str] = "books_refused"
    """Names the kind of refusal for programs and for texts in other languages."""


class InsufficientFunds(BillingError):
    """The balance doesn't pay for what was asked."""

    code = "insufficient_funds"


class AccountBlocked(BillingError):
    """The account may not spend."""

    code = "account_blocked"


class TooManyCalls(BillingError):
    """The account has as many calls at once as it may."""

    code = "cap_calls"

    def __init__(self, most: int) -> None:
        super().__init__(f"the account has its {most} calls at once")
        self.most = most


class UnknownAccount(BillingError):
    """There is no such account."""

    code = "account_unknown"


class UnknownCall(BillingError):
    """The books know neither a live call nor a record of it."""

    code = "call_unknown"


class CurrencyMismatch(BillingError):
    """A rate in another currency than the account's."""

    code = "currency_mismatch"


class StatusConflict(BillingError):
    """A status that can't follow the one that an account has."""

    code = "status_conflict"


class UnknownPayment(BillingError):
    """The account has no such payment."""

    code = "payment_unknown"


class PaymentConflict(BillingError):
    """A payment id that was used for another payment."""

    code = "payment_conflict"


class Authorization(Struct, frozen=True):
    """Permission to talk for so long."""

    call_id: str
    reserved_micros: int
    paid_seconds: int | None
    """None: without a limit."""
    final: bool = False
    """The balance has nothing more for this call now."""
    longest_seconds: int | None = None
    """Talk time that all the money there is now would pay for; None: unknown, or without a
    limit."""
    cut: tuple[Authorization, ...] = ()
    """The reservations that other calls of the account keep, which were cut for this one."""


class Settlement(Struct, frozen=True):
    """The outcome of a call."""

    cdr: Cdr
    """Rated."""
    balance_micros: int | None
    """After it; None for a call of no account."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A package that a payment renewed."""

    subscription: str
    product: str
    price_micros: int


@dataclass(frozen=True, slots=True)
class Payment:
    """The outcome of a payment.

    Args:
        account: after it, and after what followed from it.
        counted_before: the payment id was counted before; nothing was changed now.
        balance_micros: the balance with the payment and before anything that followed from it; of a
            payment that was counted before the balance as it is.
        renewed: packages that waited in their grace and were renewed by it.
        reopened: the account was suspended for a debt, and is active again.
    """

    account: Account
    counted_before: bool
    balance_micros: int
    renewed: tuple[Renewal, ...] = ()
    reopened: bool = False


class OpenCall(Struct, Command[Authorization], frozen=True):
    """Reserve for a call that is about to ring; answered by an Authorization.

    Without a rate, or with one that costs nothing, it is free and passes at any balance and
    status.

    Args:
        facts: the CDR as far as it is known, as JSON, for the case of a crash.
        at: epoch milliseconds.
        packages: subscriptions that may pay for it before money does, in the order of use.
        node: the switch that admits it, where several share a database.
        most_calls: paid calls that the account may have at once, this one among them; None: any
            number.
    """

    call_id: str
    account_id: int | None
    rate: Rate | None
    facts: bytes
    at: int
    slice_seconds: int = SLICE_SECONDS
    packages: tuple[str, ...] = ()
    node: str = ""
    most_calls: int | None = None

    def touches(self, touched: Touched) -> None:
        touched.opening.add(self.call_id)
        if self.packages:
            touched.sales.subscriptions.update(self.packages)
        if self.account_id is not None:
            touched.accounts.add(self.account_id)


class ExtendCall(Struct, Command[Authorization], frozen=True):
    """Reserve the next slice; answered by an Authorization."""

    call_id: str
    at: int
    slice_seconds: int = SLICE_SECONDS

    def touches(self, touched: Touched) -> None:
        touched.calls.add(self.call_id)


class AnswerCall(Struct, Command[Authorization | None], frozen=True):
    """The call was answered; its charge runs from here. Answered by an Authorization if packages
    may pay for it, since a term may have ended while it rang; else by None.

    Args:
        trunk: by which it was answered.
        cost: what that trunk charges us.
        answered_by: what answered in the place of a person.
        dialogs: the SIP dialogs of both ends, for whoever ends the call after a crash.
    """

    call_id: str
    at: int
    trunk: str | None = None
    cost: Rate | None = None
    answered_by: str | None = None
    dialogs: bytes | None = None

    def touches(self, touched: Touched) -> None:
        touched.calls.add(self.call_id)


class ProveAlive(Struct, Command[None], frozen=True):
    """These calls lived at these epoch milliseconds: never more than that is billed after a
    crash.

    Args:
        dialogs: the SIP dialogs of those calls whose ends have changed.
    """

    calls: Sequence[tuple[str, int]]
    dialogs: Mapping[str, bytes] = {}

    def touches(self, touched: Touched) -> None:
        touched.calls.update(call_id for call_id, _ in self.calls)


class CloseCall(Struct, Command[Settlement], frozen=True):
    """Rate and settle an ended call; answered by a Settlement. The CDR isn't rated yet.

    Args:
        tolerance_ms: the duration is billed without what it exceeds a whole second by, up to this.
    """

    call_id: str
    cdr: Cdr
    tolerance_ms: int = 0

    def touches(self, touched: Touched) -> None:
        touched.calls.add(self.call_id)
        touched.closing[self.call_id] = self.cdr

    @property
    def relieved_account(self) -> int | None:
        return self.cdr.account


class WriteCdr(Struct, Command[Settlement], frozen=True):
    """Record an attempt that was refused before it was opened; answered by a Settlement."""

    cdr: Cdr

    def touches(self, touched: Touched) -> None:
        touched.cdrs.add(self.cdr.id)
        if self.cdr.account is not None:
            touched.accounts.add(self.cdr.account)


@dataclass(frozen=True, slots=True)
class TopUp(Command[Payment]):
    """A payment in micros of the account's currency. A repeated id changes nothing; one
    that was used for another payment is refused with PaymentConflict."""

    account_id: int
    amount_micros: int
    payment_id: str
    at: int
    method: str = ""
    """One of `METHODS`; "": it isn't known."""

    def touches(self, touched: Touched) -> None:
        touched.payments.add(payment_transaction(self.payment_id))
        touched.raises_balance(self.account_id)
        touched.renews(self.account_id)

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


@dataclass(frozen=True, slots=True)
class ReversePayment(Command[Payment]):
    """Take a payment back that was entered by mistake, by an entry of its own; answered by the
    Payment. The balance may fall below its limit. A repeated reversal changes nothing.

    Args:
        who, reason: for the account's history.
        method: the payment's, whose book it goes back from.
    """

    account_id: int
    payment_id: str
    at: int
    who: str
    reason: str
    method: str = ""

    def touches(self, touched: Touched) -> None:
        touched.payments.add(payment_transaction(self.payment_id))
        touched.payments.add(reversal_transaction(self.payment_id))
        touched.accounts.add(self.account_id)
        touched.sales.suspensions_of.add(self.account_id)


@dataclass(frozen=True, slots=True)
class AddAccount(Command[Account]):
    """Open an account; answered by the Account."""

    name: str
    kind: str
    currency: str
    credit_limit_micros: int | None
    tariff: str
    at: int
    status: Status = ACTIVE


@dataclass(frozen=True, slots=True)
class SetAccount(Command[Account]):
    """Change tariff, name or credit_limit_micros; answered by the Account."""

    account_id: int
    changes: Mapping[str, str | int | None]

    @property
    def about_credit(self) -> bool:
        """True if it changes the credit limit, which may end the barring of numbers for a debt."""
        return "credit_limit_micros" in self.changes

    def touches(self, touched: Touched) -> None:
        if self.about_credit:
            touched.raises_balance(self.account_id)
        touched.accounts.add(self.account_id)

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


@dataclass(frozen=True, slots=True)
class ChangeStatus(Command[Account]):
    """Give an account another status, and write down who did it and why; answered by the Account.
    The status that it has changes nothing."""

    account_id: int
    status: Status
    at: int
    who: str = "operator"
    reason: str = ""

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)


@dataclass(frozen=True, slots=True)
class ReplaceTariff(Command[int]):
    """Put a price list in the place of the one of this name, as its next version; answered by the
    number of rates.

    Args:
        terms: None: as they were.
        at: epoch milliseconds.
        note: what it is, for people.
    """

    name: str
    currency: str
    rates: Sequence[Rate]
    terms: Terms | None = None
    at: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class UndoTariff(Command[Version]):
    """Make the version before the last change the next version; answered by the Version undone.

    Args:
        version: the one that is to be undone, so that no change is undone unseen.
    """

    name: str
    version: int
    at: int


@dataclass(frozen=True, slots=True)
class AssignTariff(Command[Assignment]):
    """Give an account, or one line of it, another tariff from an instant on; answered by the
    Assignment."""

    account_id: int
    line: str | None
    tariff: str
    from_at: int
    at: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
