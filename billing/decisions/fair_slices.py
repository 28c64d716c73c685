"""Fair slices: what calls hold and haven't used yet is shared out when the account has no more.

Each call reserves ahead of use. When a call can't have a slice, the reservations of the account's
other calls are cut so that all of them, and the new one, have the same time ahead of them. Five
calls that hold 60 s each become six that hold 50 s; at 10 s each nothing is left to share.

Only calls of the same switch are cut: it is told with the answer, and ends them at their new paid
second. Another switch on the same database wouldn't hear of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from billing.decisions.book import Book, authorized
from billing.facts.authorization import Authorization
from billing.facts.coverage import NONE, affordable_covered_ms, charge_covered
from billing.facts.live_call import LiveCall
from billing.facts.reservation import Slice

FAIR_SECONDS = 10
"""Paid time ahead that no call is cut below, and that a call must be able to have to be let in at
the cost of others: long enough for the cut to be written and the call to ask again."""
LEAST_GAIN_SECONDS = 5
"""Others aren't cut for an extension that brings less: it would move back and forth."""


@dataclass(frozen=True, slots=True)
class Room:
    """A cut that would make room for a call.

    Args:
        seconds: time ahead that each call would have.
        freed_micros: what the cut gives back to the account.
        cuts: the calls, each with the reservation that it would keep.
    """

    seconds: int
    freed_micros: int
    cuts: tuple[tuple[LiveCall, Slice], ...]


def room_for(
    book: Book,
    account_id: int,
    node: str,
    at: int,
    price: Callable[[int], int],
    levels: range,
    asking: str,
) -> Room | None:
    """The cut of the other calls of an account to the highest level at which the asking call can
    have as much; None if there is none. Nothing is changed yet: :func:`cut` does it.

    Args:
        node: the switch whose calls may be cut.
        at: now, epoch milliseconds.
        price: from seconds ahead to the micros that the asking call has to reserve more for it.
        levels: seconds ahead that are worth it.
        asking: the asking call's id.
    """
    account = book.account(account_id)
    available = account.available_micros
    if available is None or not account.reserved_micros or not levels:
        return None
    others = [
        call
        for call in book.calls_of(account_id)
        if call.node == node and call.call_id != asking and call.paid_seconds is not None
    ]

    def suffices(level: int) -> bool:
        lacking = price(level) - available
        for call in others:
            if lacking <= 0:
                break
            lacking -= call.reserved_micros - _kept(call, level, at)
        return lacking <= 0

    low, high = levels.start, levels.stop - 1
    if not suffices(low):
        return None
    while low < high:  # the more each may keep, the less there is to give
        middle = (low + high + 1) // 2
        low, high = (middle, high) if suffices(middle) else (low, middle - 1)
    cuts = [(call, _slice(call, low, at)) for call in others]
    cuts = [(call, held) for call, held in cuts if held.reserved_micros < call.reserved_micros]
    freed = sum(call.reserved_micros - held.reserved_micros for call, held in cuts)
    return Room(low, freed, tuple(cuts))


def _talk(call: LiveCall, seconds: int, at: int) -> tuple[int, int]:
    """The instant from which a call is charged (epoch milliseconds), and its talk time in
    milliseconds with so many seconds ahead of it."""
    free_ms = 0 if call.coverage is None else call.coverage.free_ms
    if call.answered_at is None:
        return at, max(seconds * 1000, free_ms)
    # The wall clock may have been set back since the last proof of life.
    talked_ms = max(0, max(at, call.last_alive_at) - call.answered_at)
    return call.answered_at, max(talked_ms + seconds * 1000, free_ms)


def _kept(call: LiveCall, seconds: int, at: int) -> int:
    """Micros that a call must hold to have so much time ahead; not more than it holds."""
    assert call.rate is not None
    begun, talk_ms = _talk(call, seconds, at)
    price = charge_covered(call.rate, call.coverage or NONE, talk_ms, begun).price_micros
    return min(price, call.reserved_micros)


def _slice(call: LiveCall, seconds: int, at: int) -> Slice:
    assert call.rate is not None
    kept, (begun, _) = _kept(call, seconds, at), _talk(call, seconds, at)
    paid_ms = affordable_covered_ms(call.rate, call.coverage or NONE, kept, begun)
    return Slice(kept, None if paid_ms is None else paid_ms // 1000, False)


def cut(book: Book, room: Room) -> None:
    """Do it: the calls keep less, and what they give back is available."""
    for call, held in room.cuts:
        book.hold(call, held, call.coverage)


def told(book: Book, authorization: Authorization, room: Room | None) -> Authorization:
    """The answer to the call that asked, with what the calls have left that were cut for it."""
    if room is None or not room.cuts:
        return authorization
    cut = tuple(_authorized_anew(book, call) for call, _ in room.cuts)
    return structs.replace(authorization, cut=cut)


def _authorized_anew(book: Book, call: LiveCall) -> Authorization:
    assert call.rate is not None
    paid, available = call.paid_seconds, book.account(call.account_id).available_micros
    longest = paid
    if available is not None and available > 0:
        begun = call.answered_at if call.answered_at is not None else call.opened_at
        budget = call.reserved_micros + available
        longest_ms = affordable_covered_ms(call.rate, call.coverage or NONE, budget, begun)
        longest = None if longest_ms is None else longest_ms // 1000
    final = longest is not None and paid is not None and longest <= paid
    return authorized(call.call_id, Slice(call.reserved_micros, paid, final, longest))
