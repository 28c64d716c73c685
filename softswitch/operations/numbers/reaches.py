"""Where calls to rented numbers go: shown, set, forgotten."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from billing.facts.rental import RENTED, TRIAL, Number
from billing.stores import rental_store
from rtp.wav import WavError
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.greetings import greeting_path
from softswitch.subscribers.reach import RING_SECONDS, Reach, ReachError, Target, sip_uri
from softswitch.subscribers.reach_store import reaches_of, save_reach
from softswitch.voicemail import greeting_file


def number_reach(
    context: Context,
    number: str,
    targets: list[str] | None = None,
    in_turn: bool = False,
    confirm: bool = False,
    seconds: int = RING_SECONDS,
    greeting: str | None = None,
) -> Row:
    """Show where calls to a number go, or have them go to these targets."""
    found = _rented(context, number)
    assert found.account_id is not None
    if not targets:
        with context.billing.reading() as connection:
            reach = reaches_of(connection, [found.account_id]).get((found.number, found.account_id))
        return _row(found, reach)
    try:
        reach = Reach(
            tuple(_target(context, found, text, confirm, seconds) for text in targets),
            in_turn,
            None if greeting is None else _greeting(context, found, greeting),
        )
        reach.check()
    except ReachError as error:
        raise OperationError.of(error) from None
    return _save(context, found, reach)


def number_unreach(context: Context, number: str) -> Row:
    """Have calls to a number ring at its line again."""
    return _save(context, _rented(context, number), None)


def _save(context: Context, found: Number, reach: Reach | None) -> Row:
    assert found.account_id is not None
    save_reach(context.billing.engine, found.number, found.account_id, reach)
    context.changes.accounts.add(found.account_id)
    return _row(found, reach)


def _rented(context: Context, number: str) -> Number:
    key = context.number(number)
    with context.billing.reading() as connection:
        found = rental_store.number(connection, key)
    if found is None or found.state not in (RENTED, TRIAL) or found.account_id is None:
        raise OperationError("number_not_rented", number=key)
    return found


def _target(context: Context, owned: Number, text: str, confirm: bool, seconds: int) -> Target:
    """A line of the owner's account, a SIP URI, an IP address, or any other number."""
    if text.lower().startswith(("sip:", "sips:")) or _is_address(text):
        return Target("sip", bytes(sip_uri(text)).decode("utf-8"), confirm, seconds)
    line = context.directory.line_by_login(text.strip())
    number = context.number(text) if line is None else line.number
    if number == owned.number:
        raise OperationError("target_is_number_itself", number=number)
    line = line or context.directory.line_by_number(number)
    if line is not None and line.account_id == owned.account_id:
        return Target("line", line.number, seconds=seconds)
    return Target("number", number, confirm, seconds)


def _is_address(text: str) -> bool:
    host = text.rpartition(":")[0] if text.count(":") == 1 else text.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _greeting(context: Context, found: Number, text: str) -> str:
    """The file of a greeting that was uploaded for the number's line, by its name, or any file."""
    uploaded = None if found.line is None else greeting_path(context, found.line, text)
    if uploaded is not None:
        return str(uploaded)
    try:
        greeting_file.check(greeting_file.read(Path(text)))
    except OSError as error:
        raise OperationError(
            "greeting_file_unreadable", name=text, line=found.line, reason=error.strerror
        ) from None
    except WavError as error:
        raise OperationError("greeting_file_unplayable", name=text, reason=error) from None
    return str(Path(text).absolute())


def _row(found: Number, reach: Reach | None) -> Row:
    if reach is None:
        return {"number": found.number, "line": found.line, "targets": []}
    return {
        "number": found.number,
        "line": found.line,
        "targets": [_shown(target) for target in reach.targets],
        "in_turn": reach.in_turn,
        "greeting": reach.greeting,
    }


def _shown(target: Target) -> str:
    asked = ", confirmed by 1" if target.confirm else ""
    return f"{target.kind} {target.value} ({target.seconds} s{asked})"
