"""Which decision belongs to which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billing.decisions import bonus, debts, orders, packages, rentals, wallets
from billing.decisions.book import Book
from billing.decisions.sales import BuyPackage, PostBonus, RenewPackage, SetAutoRenew
from billing.facts.debt import LiftSuspension, SuspendForDebt
from billing.facts.order import (
    ConnectOrder,
    EndOrder,
    PlaceOrder,
    ServeOrders,
    SubmitOrder,
    TellLate,
)
from billing.facts.rental import (
    BurnNumber,
    BuySmsNumber,
    ChargeRental,
    GiveUpNumber,
    ReleaseNumber,
    RentNumber,
    RestoreNumber,
    TryNumber,
    WaitForNumber,
)
from billing.facts.wallet import BuyCredit, ChargeFee, Refund, Spend, TakeTrial

_SALES: dict[type, Callable[[Book, Any], Any]] = {
    BuyPackage: packages.buy,
    RenewPackage: packages.renew,
    SetAutoRenew: packages.set_auto_renew,
    PostBonus: bonus.post,
    RentNumber: rentals.rent,
    ChargeRental: rentals.charge,
    GiveUpNumber: rentals.give_up,
    TryNumber: rentals.try_out,
    ReleaseNumber: rentals.release,
    RestoreNumber: rentals.restore,
    BuySmsNumber: rentals.buy_sms,
    BurnNumber: rentals.burn,
    WaitForNumber: rentals.wait_for,
    PlaceOrder: orders.place,
    SubmitOrder: orders.submit,
    ConnectOrder: orders.connect,
    EndOrder: orders.end,
    ServeOrders: orders.serve,
    TellLate: orders.tell_late,
    SuspendForDebt: debts.suspend,
    LiftSuspension: debts.lift,
    BuyCredit: wallets.buy,
    TakeTrial: wallets.take_trial,
    Spend: wallets.spend,
    Refund: wallets.refund,
    ChargeFee: wallets.charge_fee,
}


def decide(book: Book, command: Any) -> Any:
    """The answer to a command.

    Raises:
        BillingError: the command is refused.
    """
    decision = _SALES.get(type(command))
    return book.decide(command) if decision is None else decision(book, command)
