"""Dial-in conference rooms: add, list, show, set, delete."""

from __future__ import annotations

import re
import secrets

from sqlalchemy.exc import IntegrityError

from softswitch.conference.rooms import DialInRoom, RoomStore
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers import pins


def room_add(context: Context, room: str, line: str, pin: str | None = None) -> Row:
    """A room of a line's; without a PIN every line may come in that knows the number."""
    if re.fullmatch(r"[0-9]{2,12}", room) is None:
        raise OperationError("room_number_malformed", room=room)
    owner = context.line(line)
    made = DialInRoom(room, owner.id, None if pin is None else _hashed(room, pin))
    try:
        _store(context).add(made)
    except IntegrityError:
        raise OperationError("room_exists", room=room) from None
    return _shown(context, made)


def room_list(context: Context) -> list[Row]:
    numbers = {line.id: line.number for line in context.own_lines()}
    gone = not context.actor.is_subscriber  # staff sees the rooms of lines that are gone, too
    return [
        _row(room, numbers.get(room.line_id))
        for room in _store(context).all()
        if room.line_id in numbers or gone
    ]


def room_show(context: Context, room: str) -> Row:
    return _shown(context, _room(context, room))


def room_set(context: Context, room: str, key: str, value: str) -> Row:
    """Change the PIN; "" takes it away."""
    found = _room(context, room)
    if key != "pin":
        raise OperationError(
            "setting_unknown", what="a room", noun="setting", setting=key, hint="known is pin"
        )
    _store(context).set_pin(room, _hashed(room, value) if value else None)
    return _shown(context, _room(context, found.number))


def room_delete(context: Context, room: str) -> Row:
    found = _room(context, room)
    _store(context).delete(found.number)
    return _shown(context, found) | {"state": "deleted"}


def _room(context: Context, number: str) -> DialInRoom:
    found = _store(context).find(number)
    if found is None or not context.owns_line(context.line_of(found.line_id)):
        raise OperationError("room_not_found", room=number)
    return found


def _hashed(room: str, pin: str) -> str:
    try:
        pins.check_strength(pin, room)
    except pins.WeakPin as error:
        raise OperationError.of(error) from None
    return pins.hashed(pin, secrets.token_bytes(pins.SALT_BYTES))


def _store(context: Context) -> RoomStore:
    return RoomStore(context.billing.engine)


def _shown(context: Context, room: DialInRoom) -> Row:
    line = context.line_of(room.line_id)
    return _row(room, None if line is None else line.number)


def _row(room: DialInRoom, line: str | None) -> Row:
    return {"room": room.number, "line": line, "pin": "none" if room.pin is None else "set"}
