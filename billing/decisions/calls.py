"""Calls: decisions from the first reservation to the settlement."""

from __future__ import annotations

from msgspec import structs

from billing.decisions import covered_calls, fair_slices
from billing.decisions.book import Book, authorized
from billing.decisions.fair_slices import FAIR_SECONDS, LEAST_GAIN_SECONDS, Room
from billing.facts.account import Account
from billing.facts.authorization import (
    AccountBlocked,
    AnswerCall,
    Authorization,
    BillingError,
    CloseCall,
    CurrencyMismatch,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    ProveAlive,
    Settlement,
    TooManyCalls,
    UnknownCall,
    WriteCdr,
)
from billing.facts.cdr import Cdr
from billing.facts.coverage import Coverage, charge_covered
from billing.facts.ledger import call_transaction
from billing.facts.live_call import LiveCall
from billing.facts.money import format_amount
from billing.facts.rate import Rate
from billing.facts.rating import answered, charge, without_excess
from billing.facts.reservation import FREE, SLICE_SECONDS, Slice, first_slice, next_slice


def open_call(book: Book, command: OpenCall) -> Authorization:
    """Reserve the first slice of a call.

    Raises:
        InsufficientFunds: not even the first block can be paid.
        AccountBlocked, CurrencyMismatch, UnknownAccount: the account can't spend on this rate.
        TooManyCalls: it has as many paid calls as it may, counting those of all nodes.
    """
    known = book.calls.get(command.call_id)
    if known is not None:
        return _opened_before(known)
    held, coverage, room = FREE, None, None
    if command.rate is not None and not command.rate.free:
        try:
            held, coverage, room = _reserve_first(book, command, command.rate)
        except BillingError:
            # What the command reserved may be what it lacks now that it is repeated.
            known = book.find_call(command.call_id)
            if known is None or known.call_id in book.closed_calls:
                raise
            return _opened_before(known)
    call = LiveCall(
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
    book.calls[call.call_id] = book.new_calls[call.call_id] = call
    reserved = authorized(command.call_id, held)
    return reserved if room is None else fair_slices.told(book, reserved, room)


def _opened_before(call: LiveCall) -> Authorization:
    return Authorization(call.call_id, call.reserved_micros, call.paid_seconds)


def _reserve_first(
    book: Book, command: OpenCall, rate: Rate
) -> tuple[Slice, Coverage | None, Room | None]:
    """The first slice, the packages that pay for a part of it, and the cut that made room."""
    account = _spender(book, command.account_id, rate)
    if command.most_calls is not None:
        _count_calls(book, account.id, command.most_calls)
    available, room = account.available_micros, None
    if command.packages:
        held, coverage = covered_calls.first_slice(book, command, rate, available)
        is_scarce = held is None
    else:
        held, coverage = first_slice(rate, available, command.slice_seconds, command.at), None
        # Only one that takes all the money there is can be too short.
        is_scarce = held is None or (
            held.final and _is_scarce(held, 0, min(FAIR_SECONDS, command.slice_seconds))
        )
    if is_scarce and available is not None:
        room = _room_for_first(book, command, rate, account.id)
        if room is not None:
            available += room.freed_micros
            if command.packages:
                held, coverage = covered_calls.first_slice(book, command, rate, available)
            else:
                held = first_slice(rate, available, room.seconds, command.at)
    if held is None:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(account.available_micros or 0)} "
            f"{account.currency} available, which doesn't pay for the first "
            f"{rate.initial_increment_seconds} s to {rate.destination or rate.prefix}"
        )
    if room is not None:
        fair_slices.cut(book, room)
        account = book.account(account.id)  # the cut has released money of it
    book.reserve_of(account, held.reserved_micros)
    return held, coverage, room


def _is_scarce(held: Slice | None, paid_seconds: int, wanted_seconds: int) -> bool:
    """True if a slice brings less than is wanted beyond what is paid."""
    if held is None:
        return True
    return held.paid_seconds is not None and held.paid_seconds - paid_seconds < wanted_seconds


def _count_calls(book: Book, account_id: int, most: int) -> None:
    """Refuse a call above the account's cap. Nodes know of each other's calls some milliseconds
    late; here the account is locked, so that calls which begin everywhere at once are counted."""
    paid = [c for c in book.calls_of(account_id) if c.rate is not None and not c.rate.free]
    if len(paid) >= most:
        raise TooManyCalls(most)


def _room_for_first(book: Book, command: OpenCall, rate: Rate, account_id: int) -> Room | None:
    begun = answered(rate, command.at)

    def price(ahead: int) -> int:
        wanted = max(ahead, begun.initial_increment_seconds)
        return charge(rate, wanted * 1000, command.at).price_micros

    least = max(FAIR_SECONDS, begun.grace_seconds + 1)
    levels = range(least, max(least, command.slice_seconds) + 1)
    asking = command.call_id
    return fair_slices.room_for(book, account_id, command.node, command.at, price, levels, asking)


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
    more, room = None, None
    if account.is_active:
        more, room = _reserve_next(book, account, call, call.rate, call.paid_seconds, command)
    if more is None:
        return Authorization(call.call_id, call.reserved_micros, call.paid_seconds, True)
    if room is not None:
        fair_slices.cut(book, room)
    return fair_slices.told(book, book.hold(call, more, None), room)


def _reserve_next(
    book: Book, account: Account, call: LiveCall, rate: Rate, paid: int, command: ExtendCall
) -> tuple[Slice | None, Room | None]:
    """The next slice, and the cut that makes room for it."""
    available, began = account.available_micros, call.answered_at or command.at
    held = call.reserved_micros
    more = next_slice(rate, held, paid, available, command.slice_seconds, began)
    if call.answered_at is None or available is None:
        return more, None
    if not _is_scarce(more, paid, LEAST_GAIN_SECONDS):
        return more, None
    used = max(0, command.at - call.answered_at) // 1000

    def price(ahead: int) -> int:
        return charge(rate, (used + ahead) * 1000, began).price_micros - held

    least = max(FAIR_SECONDS, paid - used + LEAST_GAIN_SECONDS)
    levels = range(least, paid - used + command.slice_seconds + 1)
    room = fair_slices.room_for(
        book, account.id, call.node, command.at, price, levels, call.call_id
    )
    if room is None:
        return more, None
    ahead, budget = used + room.seconds - paid, available + room.freed_micros
    shared = next_slice(rate, held, paid, budget, ahead, began)
    return (more, None) if shared is None else (shared, room)


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
    call.trunk, call.cost, call.dialogs = command.trunk, command.cost, command.dialogs
    # Also if it was proven later while it rang: then the wall clock has been set back since.
    call.last_alive_at = command.at
    book.changed_calls[call.call_id] = call
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
        if call is None:
            continue
        if at > call.last_alive_at:
            call.last_alive_at = at
            book.changed_calls[call_id] = call
        if call_id in command.dialogs:
            call.dialogs = command.dialogs[call_id]
            book.changed_calls[call_id] = call


def close(book: Book, command: CloseCall) -> Settlement:
    """Rate a call, post its price and release what it held.

    Raises:
        UnknownCall: the call was never opened.
    """
    call = book.calls.get(command.call_id)
    if call is None:
        return _closed_before(book, command)
    cdr = command.cdr
    if call.rate is not None or call.cost is not None:
        talked = without_excess(cdr.duration_ms, command.tolerance_ms)
        if talked != cdr.duration_ms:
            cdr = structs.replace(cdr, duration_ms=talked)
    if call.coverage is not None:
        call.coverage = covered_calls.settle(book, call, cdr)
    cdr = rated(cdr, call)
    if call.account_id in book.accounts:
        _charge(book, call.account_id, call, cdr)
    book.remove(call)
    rate = call.rate
    if rate is not None and rate.changes:
        rate = rate.until((cdr.answered_at or 0) + cdr.billed_seconds * 1000)
    book.record(cdr, rate, call.coverage if cdr.package is not None else None, call.cost)
    return Settlement(cdr, book.balance_of(call.account_id))


def _closed_before(book: Book, command: CloseCall) -> Settlement:
    stored = book.cdrs.get(command.cdr.id)
    if stored is None:
        raise UnknownCall(f"call {command.call_id} was never opened")
    return Settlement(stored, book.balance_of(stored.account))


def _charge(book: Book, account_id: int, call: LiveCall, cdr: Cdr) -> None:
    price, held = cdr.price_micros, call.reserved_micros
    if price:
        key = call_transaction(call.call_id)
        book.post(key, account_id, -price, "call", "revenue", cdr.ended_at, held)
    elif held:
        book.reserve(account_id, -held)


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
        cdr = structs.replace(cdr, cost_micros=cost, cost_currency=call.cost.currency)
    if rate is None:
        return cdr
    coverage, answered_at, package = call.coverage, cdr.answered_at or 0, None
    if coverage is None:
        price = charge(rate, duration, answered_at)
    else:
        price = charge_covered(rate, coverage, duration, answered_at)
        package = coverage.covers[0].product if coverage.covers else None
    return structs.replace(
        cdr,
        package=package,
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
    return structs.replace(
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
