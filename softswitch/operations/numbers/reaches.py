"""Where calls to rented numbers go: shown, set, forgotten."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from billing.facts.rental import RENTED, TRIAL, Number
from billing.stores import rental_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.greetings import greeting_path
from softswitch.subscribers.reach import RING_SECONDS, Reach, ReachError, Target, sip_uri
from softswitch.subscribers.reach_store import reaches_of, save_reach


def number_reach_show(context: Context, number: str) -> Row:
    """Where calls to a number go."""
    found = _rented(context, number)
    assert found.account_id is not None
    with context.billing.reading() as connection:
        reach = reaches_of(connection, [found.account_id]).get((found.number, found.account_id))
    return _row(context, found, reach)


def number_reach(
    context: Context,
    number: str,
    targets: list[str],
    in_turn: bool = False,
    confirm: bool = False,
    seconds: int = RING_SECONDS,
    greeting: str | None = None,
) -> Row:
    """Have calls to a number go to these targets.

    Args:
        greeting: the id or the name of a greeting that was uploaded for the number's line.
    """
    found = _rented(context, number)
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
    return _row(context, found, reach)


def _rented(context: Context, number: str) -> Number:
    key = context.number(number)
    with context.billing.reading() as connection:
        found = rental_store.number(connection, key)
    if found is None or found.state not in (RENTED, TRIAL) or not context.owns(found.account_id):
        raise OperationError("number_not_rented", number=key)
    return found


def _target(context: Context, owned: Number, text: str, confirm: bool, seconds: int) -> Target:
    """A line of the owner's account, a SIP URI, an IP address, or any other number."""
    if text.lower().startswith(("sip:", "sips:")) or _is_address(text):
        return Target("sip", bytes(sip_uri(text)).decode("utf-8"), confirm, seconds)
    line = context.directory.line_by_login(text.strip())
    if line is not None and line.account_id != owned.account_id:
        line = None  # another account's login says nothing here
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


def _greeting(context: Context, found: Number, reference: str) -> str:
    """The file of an uploaded greeting: what the call path plays. A path is never taken from a
    request, since the switch could read other files than its user may hear."""
    line = None if found.line is None else context.directory.line_by_number(found.line)
    if line is None:
        raise OperationError("number_without_line", number=found.number)
    return str(greeting_path(context, line, reference))


def _shown_greeting(context: Context, path: str | None) -> str | None:
    """The id of a greeting; the path of one that an operator set before greetings had ids."""
    if path is None:
        return None
    kept = Path(path).parent == context.config.voicemail_dir
    return Path(path).stem if kept or context.actor.is_subscriber else path


def _row(context: Context, found: Number, reach: Reach | None) -> Row:
    if reach is None:
        return {
            "number": found.number,
            "line": found.line,
            "targets": [],
            "target_values": [],
            "in_turn": False,
            "greeting": None,
            "seconds": None,
            "confirm": False,
        }
    return {
        "number": found.number,
        "line": found.line,
        "targets": [_shown(target) for target in reach.targets],
        "in_turn": reach.in_turn,
        "greeting": _shown_greeting(context, reach.greeting),
        "target_values": [target.value for target in reach.targets],
        "seconds": max(target.seconds for target in reach.targets),
        "confirm": any(target.confirm for target in reach.targets),
    }


def _shown(target: Target) -> str:
    asked = ", confirmed by 1" if target.confirm else ""
    return f"{target.kind} {target.value} ({target.seconds} s{asked})"
