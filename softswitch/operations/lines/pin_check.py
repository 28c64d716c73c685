"""The PIN that opens a line's barring: one count of wrong tries, by phone, web and command."""

from __future__ import annotations

from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Line
from softswitch.subscribers.pin_tries import PinTries, Secret


def check_pin(context: Context, line: Line, pin: str | None) -> None:
    """Let a subscriber go on who gives the line's PIN; the operator's staff needs none, but one
    that is given must be right. Raises OperationError."""
    if pin is None and not context.actor.is_subscriber:
        return
    if line.pin is None:
        raise OperationError("pin_not_set", line=line.number)
    if not pin:
        raise OperationError("pin_missing", line=line.number)
    tries, secret = PinTries(context.billing.engine), Secret("line", str(line.id))
    try:
        tries.begin(secret, context.now_ms())  # counted as wrong until it is known to be right
    except pins.Locked as error:
        raise OperationError("pin_locked", line=line.number, seconds=round(error.seconds)) from None
    if not pins.fits(pin, line.pin):
        raise OperationError("pin_wrong", line=line.number)
    tries.forget(secret)
