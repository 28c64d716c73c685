"""The audit entry of a request: what it was about, without the secrets in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from softswitch.control.errors import OperationError
from softswitch.database.audit import MAX_ARGUMENTS, AuditEntry, AuditLog
from softswitch.operations.access import Operation
from softswitch.operations.arguments import parameters
from softswitch.operations.context import Context

_SECRET = re.compile("password|secret|pin$|token")
"""Names of arguments, and of settings, whose values are secrets."""
_FILES = frozenset({"content", "wav"})
_NUMBERS = frozenset({"number", "line", "caller"})
MASKED = "***"
MAX_TEXT = 200
"""Characters of one argument that are kept."""


def note(
    context: Context, operation: Operation, arguments: Mapping[str, object], outcome: str
) -> None:
    """Append a request to the audit.

    This is a transaction of its own, after the operation's and before its answer: an operation may
    be several transactions, some of them commands that the billing writer commits together with
    others'. No answer tells of a change before its entry is durable; a machine that dies
    between the two leaves the change with its posting or history, and without its entry."""
    actor = context.actor
    AuditLog(context.billing.engine).append(
        AuditEntry(
            at=context.now_ms(),
            actor=actor.user,
            role=actor.role,
            via=actor.via,
            impersonator=actor.impersonator,
            session=actor.session,
            address=actor.address,
            operation=operation.name,
            object=_object(context, operation, arguments),
            account_id=context.concern.account_id or actor.account,
            arguments=_as_text(masked(operation, arguments)),
            outcome=outcome,
            request_id=actor.request,
        )
    )


def masked(operation: Operation, arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments as they may be kept: secrets and files are left out, long texts cut."""
    secret_value = _SECRET.search(str(arguments.get("key", ""))) is not None
    return {
        key: _masked(operation, key, value, secret=key == "value" and secret_value)
        for key, value in arguments.items()
    }


def _as_text(arguments: Mapping[str, object]) -> str:
    text = json.dumps(arguments, ensure_ascii=False)
    if len(text) <= MAX_ARGUMENTS:
        return text
    return json.dumps({"too_long": f"{len(text)} characters"})


def _masked(operation: Operation, key: str, value: object, *, secret: bool) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if secret or _SECRET.search(key):
        return MASKED
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # An import has passwords in its text, a message what one person says to another.
    private = key == "text" and operation.name.endswith(("_import", "sms_send"))
    if private or key in _FILES:
        return f"{len(text)} characters"
    return value if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... ({len(text)} characters)"


def _object(context: Context, operation: Operation, arguments: Mapping[str, object]) -> str:
    """The first argument names what an operation is about."""
    key = next(iter(parameters(operation.function)), None)
    if key is None or arguments.get(key) is None:
        return ""
    if key == "account" and context.concern.account_id is not None:
        return f"account {context.concern.account_id}"
    if masked(operation, arguments)[key] != arguments[key]:
        return ""  # a secret or a file names nothing
    return described(context, key, str(arguments[key]))


def described(context: Context, key: str, value: str) -> str:
    """An object as the audit names it; numbers as E.164, however they were written."""
    if key in _NUMBERS:
        try:
            return f"number {context.number(value)}"
        except OperationError:
            return f"line {value}"
    return f"{key} {value}"
