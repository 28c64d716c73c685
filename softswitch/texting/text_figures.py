"""Figures of texts: how many wait for what, and how long carriers took to deliver. Every function
works inside the transaction that it is handed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select

from softswitch.texting.message import State
from softswitch.texting.store import texts_table

MAX_LOOKED_AT = 200_000
"""The newest texts that figures of delivery look at: bounds how long that takes."""


class Waiting(Struct, frozen=True):
    """Texts that wait.

    Args:
        for_carriers: they are due, and no carrier is being asked yet.
        scheduled: they are to go later, or their batch is paused.
        sending: a carrier is being asked.
        for_receipts: a carrier took them, and hasn't said what became of them.
        for_phones: they are due, and no phone of the line has taken them.
        oldest_due_at: when the oldest of those for carriers was due; epoch milliseconds.
    """

    for_carriers: int
    scheduled: int
    sending: int
    for_receipts: int
    for_phones: int
    oldest_due_at: int | None


class Deliveries(Struct):
    """The texts that a carrier took, and their outcomes.

    Args:
        milliseconds: from its acceptance to the receipt, of each text that was delivered, sorted.
    """

    carrier: str
    states: dict[State, int]
    milliseconds: list[int]


def waiting(connection: Connection, now: int) -> Waiting:
    """The numbers of texts that wait at `now` (epoch milliseconds)."""
    c = texts_table.c
    is_waiting = c.state == State.WAITING.value

    def count(condition: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(texts_table).where(condition)
        return int(connection.execute(query).scalar_one())

    out, due = c.kind == "out", c.due_at <= now
    oldest = select(func.min(c.due_at)).where(is_waiting, out, due)
    return Waiting(
        for_carriers=count(is_waiting & out & due),
        scheduled=count(is_waiting & (c.due_at > now)),
        sending=count(c.state == State.SENDING.value),
        for_receipts=count(c.state == State.SENT.value),
        for_phones=count(is_waiting & c.kind.in_(("line", "in")) & due),
        oldest_due_at=connection.execute(oldest).scalar(),
    )


def deliveries(connection: Connection, since: int) -> list[Deliveries]:
    """Texts that carriers took since an instant (epoch milliseconds), by carrier."""
    c = texts_table.c
    newest = connection.execute(select(func.max(c.id))).scalar() or 0
    query = select(c.carrier, c.state, c.sent_at, c.done_at).where(
        c.id > newest - MAX_LOOKED_AT, c.kind == "out", c.sent_at >= since
    )
    found: dict[str, Deliveries] = {}
    for carrier, state, sent_at, done_at in connection.execute(query):
        one = found.setdefault(carrier, Deliveries(carrier, {}, []))
        known = State(state)
        one.states[known] = one.states.get(known, 0) + 1
        if known is State.DELIVERED and done_at is not None:
            one.milliseconds.append(max(0, done_at - sent_at))
    for one in found.values():
        one.milliseconds.sort()
    return [found[name] for name in sorted(found)]


def quantile(milliseconds: Sequence[int], percent: int) -> float | None:
    """The nearest-rank quantile of sorted times, in seconds; None without times."""
    if not milliseconds:
        return None
    rank = -(-len(milliseconds) * percent // 100)
    return round(milliseconds[max(rank, 1) - 1] / 1000, 3)
