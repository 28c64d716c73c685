"""PINs that were guessed at: which, and letting their owners try again."""

from __future__ import annotations

from typing import get_args

from billing.facts.cdr import show_stamp
from softswitch.conference.rooms import RoomStore
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers.pin_tries import Kind, PinTries, Secret, Tries


def pin_list(context: Context) -> list[Row]:
    """PINs whose last try was wrong, the latest first."""
    everything = PinTries(context.billing.engine).all()
    ids = sorted({int(tries.secret.owner) for tries in everything if tries.secret.kind != "room"})
    numbers = {str(line.id): line.number for line in context.directory.lines(ids)}
    return [_row(context, tries, numbers) for tries in everything]


def pin_unlock(context: Context, kind: str, number: str) -> Row:
    """Forget the wrong tries of a line's, a mailbox's or a room's PIN."""
    secret = _secret(context, kind, number)
    if not PinTries(context.billing.engine).forget(secret):
        raise OperationError("pin_not_locked", kind=kind, number=number)
    return {"kind": kind, "number": number, "result": "unlocked"}


def locked_until(tries: Tries, now: int) -> str | None:
    """For an operator; None: it may be tried."""
    return show_stamp(tries.locked_until) if tries.locked(now) else None


def _secret(context: Context, kind: str, number: str) -> Secret:
    known: Kind
    for known in get_args(Kind):
        if kind == known == "room":
            return Secret(known, _room(context, number))
        if kind == known:
            return Secret(known, str(context.line(number).id))
    raise OperationError("pin_kind_unknown", known=tuple(get_args(Kind)), value=kind)


def _room(context: Context, number: str) -> str:
    room = RoomStore(context.billing.engine).find(number)
    if room is None:
        raise OperationError("room_not_found", room=number)
    return room.number


def _row(context: Context, tries: Tries, numbers: dict[str, str]) -> Row:
    secret = tries.secret
    return {
        "kind": secret.kind,
        "number": secret.owner if secret.kind == "room" else numbers.get(secret.owner),
        "wrong": tries.wrong,
        "last_at": show_stamp(tries.last_at) if tries.last_at else None,
        "locked_until": locked_until(tries, context.now_ms()),
    }
