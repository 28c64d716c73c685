"""Which role may perform which operation: docs/rights.md is the table, and it is what happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.control.actor import ROLES, SUBSCRIBER_ROLES, Actor, Role
from softswitch.control.errors import OperationError
from softswitch.database.audit import AuditFilter, AuditLog
from softswitch.operations.access import Operation
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.rights import checked, operator_only
from softswitch.process.live import LIVE_OPERATIONS

DOCUMENT = Path(__file__).parents[3] / "docs" / "rights.md"
ALL = {**OPERATIONS, **LIVE_OPERATIONS}
SHORT: dict[Role, str] = {
    "admin": "admin", "support": "support", "accountant": "account.", "reviewer": "reviewer",
    "auditor": "auditor", "subscriber": "subscr.", "subscriber_accountant": "s. acc.",
    "line_user": "line user",
}  # fmt: skip
BEGINNING = """# Rights

Who may perform which operation. The command line acts as admin. A subscriber, its accountant and a
line user reach their own account or lines alone: what is another's is not found. `change` and
`disclose` (recordings, documents, messages, traces, malicious callers, exported CDRs) are in the
audit, and so is every refusal of a right. "Not by subscribers" names arguments that only the
operator's staff may give. `tests/softswitch/operations/test_rights.py` holds this table against the
switch; run it with `UPDATE_RIGHTS=1` after a change of `softswitch/operations/registry.py` or
`softswitch/process/live.py`.

"""


def actor(role: Role) -> Actor:
    own = 1 if role in SUBSCRIBER_ROLES else None
    return Actor("x", role, own, (1,) if role == "line_user" else ())


def table() -> Iterator[str]:
    roles = " | ".join(SHORT[role] for role in ROLES)
    yield f"| operation | effect | {roles} | not by subscribers |"
    yield f"| --- | --- | {' | '.join('---' for _ in ROLES)} | --- |"
    for name in sorted(ALL):
        operation = ALL[name]
        cells = (cell(operation, role) for role in ROLES)
        closed = operator_only(operation) if operation.roles & set(SUBSCRIBER_ROLES) else ()
        yield f"| {name} | {operation.effect} | {' | '.join(cells)} | {', '.join(sorted(closed))} |"


def cell(operation: Operation, role: Role) -> str:
    if role not in operation.roles:
        return ""
    return f"only {len(operation.keys[role])} keys" if role in operation.keys else "yes"


def test_the_table_is_the_document() -> None:
    text = BEGINNING + "\n".join(table()) + "\n"
    if os.environ.get("UPDATE_RIGHTS"):
        DOCUMENT.write_text(text, "utf-8")
    assert DOCUMENT.read_text("utf-8") == text


def document() -> Iterator[tuple[str, Role, bool]]:
    """Operation, role, and whether the document says that it may."""
    for line in DOCUMENT.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(ROLES) + 3 and cells[0] in ALL:
            for role, said in zip(ROLES, cells[2:], strict=False):
                yield cells[0], role, bool(said)


def test_each_role_may_do_exactly_what_the_document_says() -> None:
    asked = list(document())
    assert len(asked) == len(ALL) * len(ROLES)
    for name, role, may in asked:
        try:
            checked(actor(role), ALL[name], {})
            code = ""
        except OperationError as error:
            code = error.code
        assert (code != "right_missing") == may, (name, role)


def test_a_refused_right_changes_nothing_and_is_in_the_audit(context: Context) -> None:
    refused = [(name, role) for name, role, may in document() if not may and name in OPERATIONS]
    for name, role in refused:
        context.actor = actor(role)
        with pytest.raises(OperationError) as error:
            perform(context, OPERATIONS[name], {"nonsense": 1})
        assert error.value.code == "right_missing" and error.value.kind == "refused"
    entries = AuditLog(context.billing.engine).newest(AuditFilter(limit=10_000))
    found = [(entry.operation, entry.role) for _, entry in reversed(entries)]
    assert found == refused
    assert {entry.outcome for _, entry in entries} == {"right_missing"}


def test_the_roles_keep_to_what_they_are_for() -> None:
    """Some cells by name, so that a slip in the table isn't copied into the document."""
    may = {(name, role) for name, role, yes in document() if yes}
    for name in ("account_refund", "account_topup", "tariff_import", "account_fee", "bonus_set"):
        assert {role for role in ROLES if (name, role) in may} == {"admin", "accountant"}
    for name in ("trunk_add", "trunk_set", "node_recover", "account_authenticate"):
        assert {role for role in ROLES if (name, role) in may} == {"admin"}
    for name in ("call_malicious",):
        assert {role for role in ROLES if (name, role) in may} == {"admin", "auditor"}
    for name in ("document_approve", "document_refuse"):
        assert {role for role in ROLES if (name, role) in may} == {"admin", "reviewer"}
    for name, role in may:
        operation = ALL[name]
        assert role != "auditor" or operation.effect != "change"
        assert role not in ("accountant",) or not name.startswith(("recording", "document"))
        if role == "subscriber_accountant":
            assert operation.effect == "read"


def test_every_operation_says_whether_it_changes_something() -> None:
    changing = [name for name, operation in ALL.items() if operation.effect == "change"]
    assert len(changing) > 85
    reads = ("_list", "_show", "_export", "_content", "_quote", "_versions", "_history", "_verify")
    assert [name for name in changing if name.endswith(reads)] == []
