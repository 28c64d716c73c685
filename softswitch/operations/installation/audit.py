"""The audit, shown."""

from __future__ import annotations

import json

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.database.audit import AuditEntry, AuditFilter, AuditLog
from softswitch.operations.auditing import described
from softswitch.operations.context import Context
from softswitch.operations.times import read_time

MAX_ENTRIES = 10_000
_KINDS = (
    "account", "number", "line", "document", "request", "bill", "order", "recording", "room",
    "name", "call_id", "waiting_id", "node", "mail", "kind", "source", "wallet", "tariff",
)  # fmt: skip
"""The arguments that operations have first."""


def audit_list(
    context: Context,
    actor: str | None = None,
    object: str | None = None,
    since: str | None = None,
    until: str | None = None,
    operation: str | None = None,
    account: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Row]:
    """Changes, disclosures and refusals of rights, the newest first.

    Args:
        object: "document 7", or only "7"; a number as it is dialled here.
        before: the id of the last entry of the page before.
    """
    if not 1 <= limit <= MAX_ENTRIES:
        raise OperationError("limit_out_of_range", most=MAX_ENTRIES)
    zone = context.config.switch.time_zone
    wanted = AuditFilter(
        actor=actor,
        objects=None if object is None else _objects(context, object),
        operation=operation,
        account_id=None if account is None else context.account(account).id,
        start=None if since is None else read_time(since, zone),
        end=None if until is None else read_time(until, zone),
        before=before,
        limit=limit,
    )
    return [_row(key, entry) for key, entry in AuditLog(context.billing.engine).newest(wanted)]


def _objects(context: Context, text: str) -> tuple[str, ...]:
    return (text, *dict.fromkeys(described(context, kind, text) for kind in _KINDS))


def _row(key: int, entry: AuditEntry) -> Row:
    return {
        "id": key,
        "at": show_stamp(entry.at),
        "actor": entry.actor,
        "role": entry.role,
        "via": entry.via,
        "impersonator": entry.impersonator or None,
        "operation": entry.operation,
        "object": entry.object or None,
        "account": entry.account_id,
        "outcome": entry.outcome,
        "arguments": json.loads(entry.arguments),
        "address": entry.address or None,
        "session": entry.session or None,
        "request": entry.request_id or None,
    }
