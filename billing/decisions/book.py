"""The working set of one batch: decides commands in memory, and knows what must be written.

Pure: the store loads what a batch touches, the book decides command by command, and the store
writes what became of it in one transaction. A refused command leaves the book as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from billing.decisions import covered_calls, debts, packages, rentals
from billing.decisions.sales import Sales
from billing.facts.account import TRANSITIONS, Account, Change
from billing.facts.authorization import (
    AccountBlocked,
    AnswerCall,
    Authorization,
    BillingError,
    ChangeStatus,
    CloseCall,
    CurrencyMismatch,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    PaymentConflict,
    ProveAlive,
    SetAccount,
    Settlement,
    StatusConflict,
    TopUp,
    UnknownAccount,
    UnknownCall,
    WriteCdr,
)
from billing.facts.cdr import Cdr
from billing.facts.coverage import Coverage, charge_covered
from billing.facts.ledger import Entry, call_transaction, payment_transaction, posting
from billing.facts.money import format_amount
from billing.facts.rating import charge
from billing.facts.reservation import FREE, SLICE_SECONDS, Slice, first_slice, next_slice
from billing.facts.tariff import Rate

SETTABLE = frozenset({"tariff", "name", "credit_limit_micros"})


@dataclass(slots=True)
class LiveCall:
    """A call that isn't over, as the store keeps it."""

    call_id: str
    account_id: int | None
    rate: Rate | None
    reserved_micros: int
    paid_seconds: int | None
    opened_at: int
    answered_at: int | None
    last_alive_at: int
    facts: bytes
    node: str = ""
    """The switch that admitted it; only that one ends it after a crash, unless it is dead."""
    answered_by: str | None = None
    """What answered in the place of a person; None: one did, or nobody has yet."""
    trunk: str | None = None
    """By which it was answered."""
    cost: Rate | None = None
    """What that trunk charges us; None: unknown."""
    coverage: Coverage | None = None
    """Packages that may pay for it; None: only money does."""


class Book:
    """What a batch loaded, and what it changed."""

    def __init__(
        self,
        accounts: Iterable[Account],
        calls: Iterable[LiveCall],
        cdrs: Iterable[Cdr],
        payments: Iterable[Entry],
    ) -> None:
        self.accounts = {account.id: account for account in accounts}
        self.loaded = dict(self.accounts)
        self.calls = {call.call_id: call for call in calls}
        self.stored_calls = set(self.calls)
        self.changed_calls: set[str] = set()
        self.closed_calls: set[str] = set()
        self.cdrs = {cdr.id: cdr for cdr in cdrs}
        self.new_cdrs: list[tuple[Cdr, Rate | None, Coverage | None, Rate | None]] = []
        self.payments = {entry.transaction_id: entry for entry in payments}
        self.new_entries: list[Entry] = []
        self.new_changes: list[Change] = []
        self.sales = Sales()
        """What is sold, as far as the batch has to do with it."""

    @property
    def changed_accounts(self) -> list[Account]:
        return [a for key, a in self.accounts.items() if a is not self.loaded.get(key)]

    def decide(self, command: Any) -> Any:
        """The answer to a command.

        Raises:
            BillingError: the command is refused.
        """
        return _DECISIONS[type(command)](self, command)

    # Calls

    def _open(self, command: OpenCall) -> Authorization:
        known = self.calls.get(command.call_id)
        if known is not None:
            return Authorization(command.call_id, known.reserved_micros, known.paid_seconds)
        held, coverage = FREE, None
        if command.rate is not None and not command.rate.free:
            held, coverage = self._reserve_first(command, command.rate)
        self.calls[command.call_id] = LiveCall(
            command.call_id,
            command.account_id,
            command.rate,
            held.reserved_micros,
            held.paid_seconds,
            command.at,
            None,
            command.at,
            command.facts,
            command.node,
            coverage=coverage,
        )
        self.changed_calls.add(command.call_id)
        return _authorized(command.call_id, held)

    def _reserve_first(self, command: OpenCall, rate: Rate) -> tuple[Slice, Coverage | None]:
        account, coverage = self._spender(command.account_id, rate), None
        if command.packages:
            held, coverage = covered_calls.first_slice(self, command, rate, account)
        else:
            held = first_slice(rate, account.available_micros, command.slice_seconds, command.at)
        if held is None:
            raise InsufficientFunds(
                f"account {account.id} has {format_amount(account.available_micros or 0)} "
                f"{account.currency} available, which doesn't pay for the first "
                f"{rate.initial_increment_seconds} s to {rate.destination or rate.prefix}"
            )
        self._reserve(account, held.reserved_micros)
        return held, coverage

    def _spender(self, account_id: int | None, rate: Rate) -> Account:
        account = self.account(account_id)
        if not account.is_active:
            raise AccountBlocked(f"account {account.id} is {account.status}")
        if rate.currency and rate.currency != account.currency:
            raise CurrencyMismatch(
                f"account {account.id} is in {account.currency}, "
                f"tariff {rate.tariff} in {rate.currency}"
            )
        return account

    def account(self, account_id: int | None) -> Account:
        """As the batch left it so far.

        Raises:
            UnknownAccount: there is none.
        """
        account = None if account_id is None else self.accounts.get(account_id)
        if account is None:
            raise UnknownAccount(f"there is no account {account_id}")
        return account

    def hold_back(self, account_id: int, micros: int) -> None:
        """Reserve money for something that isn't a call (or give it free, if negative)."""
        self._reserve(self.account(account_id), micros)

    def _reserve(self, account: Account, micros: int) -> None:
        held = account.reserved_micros + micros
        self.accounts[account.id] = account.with_sums(account.balance_micros, held)

    def _call(self, call_id: str) -> LiveCall:
        call = self.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"call {call_id} isn't open")
        return call

    def _extend(self, command: ExtendCall) -> Authorization:
        call = self._call(command.call_id)
        if call.coverage is not None:
            return covered_calls.extend(self, call, command)
        if call.rate is None or call.paid_seconds is None:
            return Authorization(call.call_id, call.reserved_micros, call.paid_seconds)
        account = self.account(call.account_id)
        more = None
        if account.is_active:
            more = next_slice(
                call.rate,
                call.reserved_micros,
                call.paid_seconds,
                account.available_micros,
                command.slice_seconds,
                call.answered_at or command.at,
            )
        if more is None:
            return Authorization(call.call_id, call.reserved_micros, call.paid_seconds, True)
        return self.hold(call, more, None)

    def hold(self, call: LiveCall, held: Slice, coverage: Coverage | None) -> Authorization:
        """Let a call have this reservation in the place of the one it has."""
        self._reserve(self.account(call.account_id), held.reserved_micros - call.reserved_micros)
        call.reserved_micros = held.reserved_micros
        call.paid_seconds = held.paid_seconds
        call.coverage = coverage
        self.changed_calls.add(call.call_id)
        return _authorized(call.call_id, held)

    def _answer(self, command: AnswerCall) -> Authorization | None:
        call = self._call(command.call_id)
        if call.answered_at is not None:
            return None
        call.answered_at = command.at
        call.answered_by = command.answered_by
        call.trunk, call.cost = command.trunk, command.cost
        # Also if it was proven later while it rang: then the wall clock has been set back since.
        call.last_alive_at = command.at
        self.changed_calls.add(call.call_id)
        if call.coverage is not None:
            return covered_calls.answer(self, call, command.at)
        if call.rate is not None and call.rate.changes:
            return self._reserve_anew(call, call.rate, command.at)
        return None

    def _reserve_anew(self, call: LiveCall, rate: Rate, at: int) -> Authorization:
        """The call was reserved for as if it were answered at once; while it rang another interval
        may have come nearer, or begun."""
        available = self.account(call.account_id).available_micros
        budget = None if available is None else available + call.reserved_micros
        wanted = SLICE_SECONDS if call.paid_seconds is None else call.paid_seconds
        held = FREE if rate.free else first_slice(rate, budget, wanted, at)
        return self.hold(call, held or Slice(0, 0, True), None)

    def _prove(self, command: ProveAlive) -> None:
        """A call that was closed meanwhile needs no proof any more."""
        for call_id, at in command.calls:
            call = self.calls.get(call_id)
            if call is not None and at > call.last_alive_at:
                call.last_alive_at = at
                self.changed_calls.add(call_id)

    def _close(self, command: CloseCall) -> Settlement:
        call = self.calls.get(command.call_id)
        if call is None:
            return self._closed_before(command)
        if call.coverage is not None:
            call.coverage = covered_calls.settle(self, call, command.cdr)
        cdr = rated(command.cdr, call)
        account = None if call.account_id is None else self.accounts.get(call.account_id)
        if account is not None:
            self._reserve(account, -call.reserved_micros)
            self._charge(call, cdr)
        del self.calls[call.call_id]
        self.closed_calls.add(call.call_id)
        self.changed_calls.discard(call.call_id)
        billed_until = (cdr.answered_at or 0) + cdr.billed_seconds * 1000
        rate = None if call.rate is None else call.rate.until(billed_until)
        self._record(cdr, rate, call.coverage if cdr.package is not None else None, call.cost)
        return Settlement(cdr, self._balance(call.account_id))

    def _closed_before(self, command: CloseCall) -> Settlement:
        stored = self.cdrs.get(command.cdr.id)
        if stored is None:
            raise UnknownCall(f"call {command.call_id} was never opened")
        return Settlement(stored, self._balance(stored.account))

    def _charge(self, call: LiveCall, cdr: Cdr) -> None:
        if cdr.price_micros == 0 or call.account_id is None:
            return
        self.post(
            call_transaction(call.call_id),
            call.account_id,
            -cdr.price_micros,
            "call",
            "revenue",
            cdr.ended_at,
        )

    def post(
        self, transaction: str, account_id: int, micros: int, kind: str, against: str, at: int
    ) -> tuple[Entry, Entry]:
        """Move an amount to an account (from it, if negative), against a book of our own."""
        account = self.account(account_id)
        made = posting(transaction, account.id, account.currency, micros, kind, against, at)
        self.new_entries += made
        balance = account.balance_micros + micros
        self.accounts[account.id] = account.with_sums(balance, account.reserved_micros)
        return made

    def _write_cdr(self, command: WriteCdr) -> Settlement:
        stored = self.cdrs.get(command.cdr.id)
        if stored is None:
            stored = command.cdr
            self._record(stored)
        return Settlement(stored, self._balance(stored.account))

    def _record(
        self,
        cdr: Cdr,
        rate: Rate | None = None,
        coverage: Coverage | None = None,
        cost: Rate | None = None,
    ) -> None:
        """Write a record, with all that its price and its cost can be computed from again."""
        self.cdrs[cdr.id] = cdr
        self.new_cdrs.append((cdr, rate, coverage, cost))

    def _balance(self, account_id: int | None) -> int | None:
        account = None if account_id is None else self.accounts.get(account_id)
        return None if account is None else account.balance_micros

    # Accounts

    def _top_up(self, command: TopUp) -> Account:
        account = self.account(command.account_id)
        transaction = payment_transaction(command.payment_id)
        before = self.payments.get(transaction)
        if before is not None:
            if (before.account_id, before.amount_micros) != (account.id, command.amount_micros):
                raise PaymentConflict(
                    f"payment id {command.payment_id} was used for "
                    f"{format_amount(before.amount_micros)} {before.currency} to account "
                    f"{before.account_id}"
                )
            return account
        self.payments[transaction], _ = self.post(
            transaction, account.id, command.amount_micros, "topup", "cash", command.at
        )
        # First of all it may be active again, so that the payment renews what waits in its grace.
        debts.after_rise(self, account.id, command.amount_micros, command.at)
        packages.after_payment(self, account.id, command.at)
        rentals.after_rise(self, account.id)
        return self.account(account.id)

    def _set_account(self, command: SetAccount) -> Account:
        account = self.account(command.account_id)
        unknown = command.changes.keys() - SETTABLE
        if unknown:
            raise BillingError(f"an account's {', '.join(sorted(unknown))} can't be set")
        account = replace(account, **command.changes)  # type: ignore[arg-type]
        self.accounts[account.id] = account
        if command.about_credit:
            rentals.after_rise(self, account.id)
        return account

    def _change_status(self, command: ChangeStatus) -> Account:
        account = self.account(command.account_id)
        before, after = account.status, command.status
        if before == after:
            return account
        following = TRANSITIONS.get(before, frozenset())
        if after not in following:
            may = ", ".join(sorted(following)) or "nothing"
            raise StatusConflict(
                f"account {account.id} is {before} and can't become {after}; {may} may follow"
            )
        account = self.accounts[account.id] = replace(account, status=after)
        self.sales.put_suspension(account.id, None)
        who, why = command.who, command.reason
        self.new_changes.append(Change(account.id, command.at, who, "status", before, after, why))
        return account


def rated(cdr: Cdr, call: LiveCall) -> Cdr:
    """The CDR with its price.

    The call ended at its paid second at the latest, so what a late BYE adds isn't billed, and the
    price never exceeds the reservation.
    """
    duration = cdr.duration_ms
    rate = call.rate
    if call.paid_seconds is not None:
        duration = min(duration, call.paid_seconds * 1000)
    if call.cost is not None:
        cost = charge(call.cost, duration, cdr.answered_at or 0).price_micros
        cdr = replace(cdr, cost_micros=cost, cost_currency=call.cost.currency)
    if rate is None:
        return cdr
    coverage, answered_at = call.coverage, cdr.answered_at or 0
    if coverage is None:
        price = charge(rate, duration, answered_at)
    else:
        price = charge_covered(rate, coverage, duration, answered_at)
    return replace(
        cdr,
        package=coverage.covers[0].product if coverage is not None and coverage.covers else None,
        duration_ms=duration,
        tariff=rate.tariff,
        prefix=rate.prefix,
        billed_seconds=price.billed_seconds,
        price_micros=price.price_micros,
        currency=rate.currency,
    )


def _authorized(call_id: str, held: Slice) -> Authorization:
    return Authorization(
        call_id, held.reserved_micros, held.paid_seconds, held.final, held.longest_seconds
    )


def recovered(call: LiveCall) -> Cdr:
    """The CDR of a call whose process died: ended at its last proof of life, not yet rated."""
    draft = Cdr.from_json(call.facts)
    answered = call.answered_at
    return replace(
        draft,
        answered_by=call.answered_by,
        trunk=call.trunk or draft.trunk,
        answered_at=answered,
        ended_at=call.last_alive_at,
        duration_ms=0 if answered is None else max(0, call.last_alive_at - answered),
        sip_status=200 if answered is not None else 500,
        cause=41,
        ended_by="restart",
        recovered=True,
    )


_DECISIONS: dict[type, Callable[[Book, Any], Any]] = {
    OpenCall: Book._open,
    ExtendCall: Book._extend,
    AnswerCall: Book._answer,
    ProveAlive: Book._prove,
    CloseCall: Book._close,
    WriteCdr: Book._write_cdr,
    TopUp: Book._top_up,
    SetAccount: Book._set_account,
    ChangeStatus: Book._change_status,
}
