"""Calls: decisions from the first reservation to the settlement."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions import covered_calls
from billing.decisions.book import Book, authorized
from billing.facts.account import Account
from billing.facts.authorization import (
    AccountBlocked,
    AnswerCall,
    Authorization,
    CloseCall,
    CurrencyMismatch,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    ProveAlive,
    Settlement,
    UnknownCall,
    WriteCdr,
)
from billing.facts.cdr import Cdr
from billing.facts.coverage import Coverage, charge_covered
from billing.facts.ledger import call_transaction
from billing.facts.live_call import LiveCall
from billing.facts.money import format_amount
from billing.facts.rate import Rate
from billing.facts.rating import charge
from billing.facts.reservation import FREE, SLICE_SECONDS, Slice, first_slice, next_slice


def open_call(book: Book, command: OpenCall) -> Authorization:
    """Reserve the first slice of a call.

    Raises:
        InsufficientFunds: not even the first block can be paid.
        AccountBlocked, CurrencyMismatch, UnknownAccount: the account can't spend on this rate.
    """
    known = book.calls.get(command.call_id)
    if known is not None:
        return Authorization(command.call_id, known.reserved_micros, known.paid_seconds)
    held, coverage = FREE, None
    if command.rate is not None and not command.rate.free:
        held, coverage = _reserve_first(book, command, command.rate)
    book.calls[command.call_id] = LiveCall(
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
    book.changed_calls.add(command.call_id)
    return authorized(command.call_id, held)


def _reserve_first(book: Book, command: OpenCall, rate: Rate) -> tuple[Slice, Coverage | None]:
    account, coverage = _spender(book, command.account_id, rate), None
    if command.packages:
        held, coverage = covered_calls.first_slice(book, command, rate, account)
    else:
        held = first_slice(rate, account.available_micros, command.slice_seconds, command.at)
    if held is None:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(account.available_micros or 0)} "
            f"{account.currency} available, which doesn't pay for the first "
            f"{rate.initial_increment_seconds} s to {rate.destination or rate.prefix}"
        )
    book.reserve(account.id, held.reserved_micros)
    return held, coverage


def _spender(book: Book, account_id: int | None, rate: Rate) -> Account:
    account = book.account(account_id)
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if rate.currency and rate.currency != account.currency:
        raise CurrencyMismatch(
            f"account {account.id} is in {account.currency}, "
            f"tariff {rate.tariff} in {rate.currency}"
        )
    return account


def _live(book: Book, call_id: str) -> LiveCall:
    call = book.calls.get(call_id)
    if call is None:
        raise UnknownCall(f"call {call_id} isn't open")
    return call


def extend(book: Book, command: ExtendCall) -> Authorization:
    """Reserve the next slice of a call, as far as there is money for it.

    Raises:
        UnknownCall: the call isn't open.
    """
    call = _live(book, command.call_id)
    if call.coverage is not None:
        return covered_calls.extend(book, call, command)
    if call.rate is None or call.paid_seconds is None:
        return Authorization(call.call_id, call.reserved_micros, call.paid_seconds)
    account = book.account(call.account_id)
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
    return book.hold(call, more, None)


def answer(book: Book, command: AnswerCall) -> Authorization | None:
    """Begin the charge of a call.

    Raises:
        UnknownCall: the call isn't open.
    """
    call = _live(book, command.call_id)
    if call.answered_at is not None:
        return None
    call.answered_at = command.at
    call.answered_by = command.answered_by
    call.trunk, call.cost = command.trunk, command.cost
    # Also if it was proven later while it rang: then the wall clock has been set back since.
    call.last_alive_at = command.at
    book.changed_calls.add(call.call_id)
    if call.coverage is not None:
        return covered_calls.answer(book, call, command.at)
    if call.rate is not None and call.rate.changes:
        return _reserve_anew(book, call, call.rate, command.at)
    return None


def _reserve_anew(book: Book, call: LiveCall, rate: Rate, at: int) -> Authorization:
    """The call was reserved for as if it were answered at once; while it rang another interval
    may have come nearer, or begun."""
    available = book.account(call.account_id).available_micros
    budget = None if available is None else available + call.reserved_micros
    wanted = SLICE_SECONDS if call.paid_seconds is None else call.paid_seconds
    held = FREE if rate.free else first_slice(rate, budget, wanted, at)
    return book.hold(call, held or Slice(0, 0, True), None)


def prove_alive(book: Book, command: ProveAlive) -> None:
    """Move the proofs of life of calls on; a call that is closed already needs none."""
    for call_id, at in command.calls:
        call = book.calls.get(call_id)
        if call is not None and at > call.last_alive_at:
            call.last_alive_at = at
            book.changed_calls.add(call_id)


def close(book: Book, command: CloseCall) -> Settlement:
    """Rate a call, post its price and release what it held.

    Raises:
        UnknownCall: the call was never opened.
    """
    call = book.calls.get(command.call_id)
    if call is None:
        return _closed_before(book, command)
    if call.coverage is not None:
        call.coverage = covered_calls.settle(book, call, command.cdr)
    cdr = rated(command.cdr, call)
    if call.account_id in book.accounts:
        book.reserve(call.account_id, -call.reserved_micros)
        _charge(book, call, cdr)
    del book.calls[call.call_id]
    book.closed_calls.add(call.call_id)
    book.changed_calls.discard(call.call_id)
    billed_until = (cdr.answered_at or 0) + cdr.billed_seconds * 1000
    rate = None if call.rate is None else call.rate.until(billed_until)
    book.record(cdr, rate, call.coverage if cdr.package is not None else None, call.cost)
    return Settlement(cdr, book.balance_of(call.account_id))


def _closed_before(book: Book, command: CloseCall) -> Settlement:
    stored = book.cdrs.get(command.cdr.id)
    if stored is None:
        raise UnknownCall(f"call {command.call_id} was never opened")
    return Settlement(stored, book.balance_of(stored.account))


def _charge(book: Book, call: LiveCall, cdr: Cdr) -> None:
    if cdr.price_micros == 0 or call.account_id is None:
        return
    key, price = call_transaction(call.call_id), -cdr.price_micros
    book.post(key, call.account_id, price, "call", "revenue", cdr.ended_at)


def write_cdr(book: Book, command: WriteCdr) -> Settlement:
    """Record an attempt that was refused before it was opened."""
    stored = book.cdrs.get(command.cdr.id)
    if stored is None:
        stored = command.cdr
        book.record(stored)
    return Settlement(stored, book.balance_of(stored.account))


def rated(cdr: Cdr, call: LiveCall) -> Cdr:
    """The CDR with its price in micros.

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
