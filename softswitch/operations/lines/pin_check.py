"""The PIN that opens a line's barring: one count of wrong tries, by phone, web and command."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers import passwords, pins
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
    kept = line.pin
    _check(context, line, lambda: pins.fits(pin, kept), "pin_wrong")


def line_pin_set(
    context: Context,
    number: str,
    pin: str,
    old_pin: str | None = None,
    password: str | None = None,
) -> Row:
    """Give a line another PIN.

    A subscriber proves to be one by the old PIN, or by the password of the login, which
    also sets a first PIN; wrong ones count as wrong PINs do. The operator's staff needs neither.
    """
    line = context.line(number)
    try:
        pins.check_strength(pin, line.number)
    except pins.WeakPin as error:
        raise OperationError.of(error) from None
    if password is not None and context.actor.is_subscriber:
        kept = _login_secret(context)
        _check(context, line, lambda: passwords.matches(password, kept), "credentials_wrong")
    else:
        check_pin(context, line, old_pin)
    context.directory.set_pin(line.id, pins.hashed(pin, secrets.token_bytes(pins.SALT_BYTES)))
    context.changes.lines.add(line.id)
    return {"line": line.number, "pin": "set"}


def _login_secret(context: Context) -> str:
    user = context.users.by_login(context.actor.user)
    return passwords.NOBODYS if user is None else user.secret


def _check(
    context: Context,
    line: Line,
    is_right: Callable[[], bool],
    wrong: Literal["pin_wrong", "credentials_wrong"],
) -> None:
    """Raises OperationError with the code `wrong`, or for too many wrong tries before."""
    tries, secret = PinTries(context.billing.engine), Secret("line", str(line.id))
    try:
        tries.begin(secret, context.now_ms())  # counted as wrong until it is known to be right
    except pins.Locked as error:
        raise OperationError("pin_locked", line=line.number, seconds=round(error.seconds)) from None
    if not is_right():
        if wrong == "credentials_wrong":
            raise OperationError("credentials_wrong")
        raise OperationError("pin_wrong", line=line.number)
    tries.forget(secret)
