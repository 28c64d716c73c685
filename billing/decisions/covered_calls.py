"""Calls that packages may pay for: decisions about talk time before those about money."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.authorization import Authorization, ExtendCall, OpenCall
from billing.facts.cdr import Cdr
from billing.facts.coverage import Coverage, covered_slice, given_back, grown, used
from billing.facts.live_call import LiveCall
from billing.facts.product import Product, Subscription
from billing.facts.rate import Rate
from billing.facts.rating import answered
from billing.facts.reservation import Slice


def first_slice(
    book: Book, command: OpenCall, rate: Rate, available_micros: int | None
) -> tuple[Slice | None, Coverage]:
    """Hold talk time and money for a call that is about to ring. When it will be answered isn't
    known yet: :func:`answer` looks again whether a term ended meanwhile."""
    coverage, changed = grown(
        Coverage(command.packages),
        _candidates(book, command.packages),
        command.at,
        command.slice_seconds * 1000,
    )
    held = covered_slice(rate, coverage, 0, command.slice_seconds, available_micros, command.at)
    if held is not None:
        _put(book, changed)
    return held, coverage


def answer(book: Book, call: LiveCall, at: int) -> Authorization:
    """Count the packages from the answer on: a term may have ended while it rang."""
    assert call.coverage is not None and call.rate is not None
    account = book.account(call.account_id)
    wanted = call.paid_seconds or 0
    _release(book, call.coverage)
    coverage, changed = grown(
        Coverage(call.coverage.candidates),
        _candidates(book, call.coverage.candidates),
        at,
        wanted * 1000,
    )
    held = covered_slice(call.rate, coverage, 0, wanted, _budget(account, call), at)
    if held is None:
        held, coverage, changed = Slice(0, 0, True), Coverage(coverage.candidates), []
    _put(book, changed)
    return book.hold(call, held, coverage)


def extend(book: Book, call: LiveCall, command: ExtendCall) -> Authorization:
    """Talk time of packages as far as they have it, then money."""
    assert call.coverage is not None and call.rate is not None
    account = book.account(call.account_id)
    paid = call.paid_seconds
    if paid is None:
        return Authorization(call.call_id, call.reserved_micros, None)
    more = None
    if account.is_active:
        coverage, changed = grown(
            call.coverage,
            _candidates(book, call.coverage.candidates),
            call.answered_at or command.at,
            (paid + command.slice_seconds) * 1000,
        )
        more = covered_slice(
            call.rate,
            coverage,
            paid,
            command.slice_seconds,
            _budget(account, call),
            call.answered_at or command.at,
        )
    if more is None:
        return Authorization(call.call_id, call.reserved_micros, paid, True)
    _put(book, changed)
    return book.hold(call, more, coverage)


def held_beyond(book: Book, subscription: Subscription, following: Product) -> int:
    """Money that running calls hold for the time after a term: if the next one begins and has no
    limit, they need it no more, so it may pay for that term."""
    if following.limit_ms is not None:
        return 0
    return sum(call.reserved_micros - _fee(call) for call in _running(book, subscription))


def go_on_under(book: Book, subscription: Subscription) -> None:
    """A new term began: calls that were under the last one go on under it."""
    before = replace(
        subscription, renewals=subscription.renewals - 1, ends_at=subscription.started_at
    )
    for call in _running(book, before):
        assert call.coverage is not None and call.rate is not None
        paid = call.paid_seconds or 0
        coverage, changed = grown(
            call.coverage,
            _candidates(book, call.coverage.candidates),
            call.answered_at or 0,
            paid * 1000,
        )
        account = book.account(call.account_id)
        held = covered_slice(
            call.rate, coverage, 0, paid, _budget(account, call), call.answered_at or 0
        )
        if held is not None and (held.paid_seconds is None or held.paid_seconds >= paid):
            _put(book, changed)
            book.hold(call, held, coverage)


def _running(book: Book, subscription: Subscription) -> list[LiveCall]:
    """Answered calls that this term covers to its end."""
    return [
        call
        for call in book.calls.values()
        if call.coverage is not None
        and call.coverage.covers
        and call.answered_at is not None
        and call.answered_at + call.coverage.free_ms == subscription.ends_at
        and call.coverage.covers[-1].subscription == subscription.id
        and call.coverage.covers[-1].renewals == subscription.renewals
    ]


def _fee(call: LiveCall) -> int:
    assert call.coverage is not None and call.rate is not None
    if call.coverage.fee_waived:
        return 0
    rate = answered(call.rate, call.answered_at or 0)
    return max(rate.connect_fee_micros, rate.minimum_micros)


def settle(book: Book, call: LiveCall, cdr: Cdr) -> Coverage:
    """The parts of the call that packages pay for; only those are consumed, the rest is given back.

    A package that was renewed while the call ran covers it from that instant, even if money was
    reserved for it already."""
    assert call.coverage is not None and call.rate is not None
    answered_at = call.answered_at if call.answered_at is not None else cdr.answered_at
    duration = cdr.duration_ms
    if call.paid_seconds is not None:
        duration = min(duration, call.paid_seconds * 1000)
    coverage = call.coverage
    if answered_at is None or duration <= answered(call.rate, answered_at).grace_seconds * 1000:
        duration = 0
    else:
        candidates = _candidates(book, coverage.candidates)
        coverage, changed = grown(coverage, candidates, answered_at, duration)
        _put(book, changed)
    consumed = used(coverage, duration)
    _release(book, coverage, consumed)
    return consumed


def _candidates(book: Book, keys: tuple[str, ...]) -> list[Subscription]:
    known = book.sales.subscriptions
    return [known[key] for key in keys if key in known]


def _put(book: Book, changed: list[Subscription]) -> None:
    for subscription in changed:
        book.sales.put(subscription)


def _release(book: Book, coverage: Coverage, consumed: Coverage | None = None) -> None:
    for key in {cover.subscription for cover in coverage.covers}:
        known = book.sales.subscriptions.get(key)
        if known is not None:
            after = given_back(known, coverage, consumed or Coverage(()))
            if after is not known:
                book.sales.put(after)


def _budget(account: Account, call: LiveCall) -> int | None:
    available = account.available_micros
    return None if available is None else available + call.reserved_micros
