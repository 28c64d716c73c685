"""The table of decisions: for each command the function that decides it.

A decision takes the book and its command, returns the command's answer, and raises a
:class:`~billing.facts.authorization.BillingError` to refuse. Commands that are a statement or two
of SQL and need no decision stand in :mod:`billing.stores.definitions`.
"""

from __future__ import annotations

from collections.abc import Callable

from billing.decisions import (
    accounts,
    bonus,
    calls,
    debts,
    holds,
    orders,
    packages,
    rentals,
    wallets,
)
from billing.facts.authorization import (
    AnswerCall,
    ChangeStatus,
    CloseCall,
    ExtendCall,
    OpenCall,
    ProveAlive,
    ReversePayment,
    SetAccount,
    TopUp,
    WriteCdr,
)
from billing.facts.command import Command
from billing.facts.debt import LiftSuspension, SuspendForDebt
from billing.facts.hold import CaptureCredit, HoldCredit, ReleaseCredit
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
    KeepNumber,
    ReleaseNumber,
    RentNumber,
    RestoreNumber,
    StopWaiting,
    TryNumber,
    WaitForNumber,
)
from billing.facts.sales import BuyPackage, PostBonus, RenewPackage, SetAutoRenew
from billing.facts.wallet import BuyCredit, ChargeFee, Refund, Spend, TakeTrial

DECISIONS: dict[type[Command[object]], Callable[..., object]] = {
    OpenCall: calls.open_call,
    ExtendCall: calls.extend,
    AnswerCall: calls.answer,
    ProveAlive: calls.prove_alive,
    CloseCall: calls.close,
    WriteCdr: calls.write_cdr,
    TopUp: accounts.top_up,
    ReversePayment: accounts.reverse_payment,
    SetAccount: accounts.set_account,
    ChangeStatus: accounts.change_status,
    BuyPackage: packages.buy,
    RenewPackage: packages.renew,
    SetAutoRenew: packages.set_auto_renew,
    PostBonus: bonus.post,
    RentNumber: rentals.rent,
    ChargeRental: rentals.charge,
    GiveUpNumber: rentals.give_up,
    KeepNumber: rentals.keep,
    TryNumber: rentals.try_out,
    ReleaseNumber: rentals.release,
    RestoreNumber: rentals.restore,
    BuySmsNumber: rentals.buy_sms,
    BurnNumber: rentals.burn,
    WaitForNumber: rentals.wait_for,
    StopWaiting: rentals.stop_waiting,
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
    HoldCredit: holds.hold,
    CaptureCredit: holds.capture,
    ReleaseCredit: holds.release,
}
