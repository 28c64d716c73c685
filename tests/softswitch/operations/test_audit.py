"""The audit: every change, disclosure and refused right leaves a row, which nobody can change."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Softswitch
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import Store
from softswitch.control.actor import Actor, operator
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.values import Row
from softswitch.database.audit import AuditEntry, AuditFilter, AuditLog
from softswitch.operations.access import ADMIN, change
from softswitch.operations.accounts import accounts
from softswitch.operations.arguments import parameters
from softswitch.operations.auditing import MASKED, masked
from softswitch.operations.context import Concern, Context
from softswitch.operations.dispatch import Dispatcher, LiveOperations, perform
from softswitch.operations.installation import demo_data, setup
from softswitch.operations.installation.audit import audit_list
from softswitch.operations.lines import lines
from softswitch.operations.registry import OPERATIONS
from softswitch.process.live import LIVE_OPERATIONS, Live

ROOT = Path(__file__).parents[3]
ANA = "+995322000001"
NINO = Actor("nino", "admin", address="192.0.2.7", session="s1", request="r1", impersonator="lia")


def ask(context: Context, actor: Actor, name: str, /, **arguments: object) -> object:
    context.actor, context.concern = actor, Concern()
    return perform(context, OPERATIONS[name], arguments)


def entries(context: Context) -> list[AuditEntry]:
    """The oldest first."""
    return [entry for _, entry in AuditLog(context.billing.engine).newest(AuditFilter())][::-1]


@pytest.fixture
def ana(context: Context) -> Context:
    accounts.account_add(context, "Ana")
    lines.line_add(context, ANA, "Ana")
    return context


@pytest.mark.parametrize(
    "name", [name for name, operation in OPERATIONS.items() if operation.effect != "read"]
)
def test_each_change_and_disclosure_leaves_one_row(context: Context, name: str) -> None:
    def junk(kind: object) -> object:
        if "int" in str(kind):
            return 999
        if "bool" in str(kind):
            return True
        if "list" in str(kind) or "Sequence" in str(kind):
            return ["999"]
        return {"5 numbers": 1} if "dict" in str(kind) else "999"

    operation = OPERATIONS[name]
    arguments = {key: junk(kind) for key, (kind, _) in parameters(operation.function).items()}
    try:
        ask(context, NINO, name, **arguments)
        outcome = "done"
    except OperationError as error:
        outcome = error.code
    (entry,) = entries(context)
    assert (entry.operation, entry.actor, entry.outcome) == (name, "nino", outcome)


def test_a_row_says_who_did_what_to_whom_and_how_it_went(ana: Context) -> None:
    ask(ana, NINO, "line_set", number="0322000001", key="password", value="very secret")
    with pytest.raises(OperationError):
        ask(ana, operator(1000), "account_topup", account="Ana", amount="x", payment_id="p")
    first, second = entries(ana)
    assert first == AuditEntry(
        at=ana.now_ms(), actor="nino", role="admin", via="portal", impersonator="lia",
        session="s1", address="192.0.2.7", operation="line_set", object=f"number {ANA}",
        account_id=1, arguments=first.arguments, outcome="done", request_id="r1",
    )  # fmt: skip
    assert json.loads(first.arguments) == {
        "number": "0322000001", "key": "password", "value": MASKED,
    }  # fmt: skip
    assert (second.actor, second.via, second.outcome) == (
        "operator:cli:1000", "cli", "amount_malformed",
    )  # fmt: skip


def test_reads_leave_none_and_disclosures_do(ana: Context) -> None:
    ask(ana, NINO, "account_show", account="Ana")
    ask(ana, NINO, "line_list")
    assert entries(ana) == []
    assert ask(ana, NINO, "call_malicious") == []
    assert [entry.operation for entry in entries(ana)] == ["call_malicious"]


def test_a_fault_of_the_program_is_in_it_as_failed(ana: Context) -> None:
    def broken(context: Context, number: str) -> Row:
        raise ZeroDivisionError

    ana.actor = NINO
    with pytest.raises(ZeroDivisionError):
        perform(ana, change(broken, ADMIN), {"number": ANA})
    (entry,) = entries(ana)
    assert (entry.operation, entry.object, entry.outcome) == ("broken", f"number {ANA}", "failed")


def test_a_live_operation_is_in_it_too(ana: Context) -> None:
    async def hang_up() -> None:
        async def reload() -> int:
            return 7

        live = LiveOperations(lambda context: Live(context, None, None, 0, reload), LIVE_OPERATIONS)
        dispatcher = Dispatcher(ana, live, lambda _: None)
        assert await dispatcher.perform(Perform("prompt_reload", {}, NINO), user_id=0) == 7
        auditor = Actor("zura", "auditor")
        with pytest.raises(OperationError) as refused:
            await dispatcher.perform(Perform("call_hangup", {"call_id": "x"}, auditor), user_id=0)
        assert refused.value.code == "right_missing"

    asyncio.run(hang_up())
    found = [(entry.operation, entry.actor, entry.object, entry.outcome) for entry in entries(ana)]
    assert found == [
        ("prompt_reload", "nino", "", "done"),
        ("call_hangup", "zura", "call_id x", "right_missing"),
    ]


def test_no_secret_and_no_file_is_kept() -> None:
    secret = re.compile("password|secret|pin$|token")
    for operation in (*OPERATIONS.values(), *LIVE_OPERATIONS.values()):
        given = dict.fromkeys(parameters(operation.function), "s3cret-value")
        kept = masked(operation, given)
        assert [key for key in given if secret.search(key) and kept[key] != MASKED] == []
    settings = {"number": ANA, "key": "pin", "value": "2580"}
    for name in ("line_set", "voicemail_set", "room_set"):
        assert masked(OPERATIONS[name], settings)["value"] == MASKED
    imported = masked(OPERATIONS["line_import"], {"text": "number,password\n1,secret\n"})
    assert imported == {"text": "25 characters"}
    assert masked(OPERATIONS["sms_send"], {"text": "I love you"}) == {"text": "10 characters"}
    assert masked(OPERATIONS["document_upload"], {"content": "AAAA"}) == {"content": "4 characters"}
    long = masked(OPERATIONS["request_open"], {"text": "x" * 500})["text"]
    assert long == "x" * 200 + "... (500 characters)"


def test_the_passwords_in_an_import_are_in_no_column(ana: Context) -> None:
    ask(ana, NINO, "line_import", text="number,account,password\n+995322000009,Ana,pl3nty-secret\n")
    entry = entries(ana)[-1]
    assert (entry.operation, entry.object, entry.outcome) == ("line_import", "", "done")
    assert "pl3nty-secret" not in repr(entry)


def _refuses_changes(context: Context) -> None:
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        engine = context.billing.engine
        with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))


def test_the_database_refuses_to_change_or_delete_a_row(ana: Context) -> None:
    ask(ana, NINO, "call_malicious")
    _refuses_changes(ana)
    assert len(entries(ana)) == 1


def test_the_same_on_postgresql(postgresql: str, tmp_path: Path) -> None:
    configuration = setup.configuration_text(
        domain="sip.example.org", address="127.0.0.1", port=5060, country="GE", currency="GEL",
        time_zone="Asia/Tbilisi",
    )  # fmt: skip
    url = postgresql.replace("/postgres?", "/audited?")
    with closing(Store(postgresql)) as server:
        autocommit = server.engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE audited")
    changed = configuration.replace("sqlite:///var/softswitch.db", url)
    setup.init(tmp_path / "softswitch.toml", changed, demo_data.create)
    with setup.opened(setup.load(tmp_path / "softswitch.toml")) as context:
        ask(context, NINO, "line_set", number="0322000001", key="pin", value="2580")
        _refuses_changes(context)
        (row,) = audit_list(context, object="0322000001")
        assert (row["object"], row["account"], row["outcome"]) == (f"number {ANA}", 1, "done")


def test_no_statement_changes_or_deletes_a_row() -> None:
    """Neither through SQLAlchemy nor in SQL; the migration that makes the table may drop it."""
    found = []
    for path in [*ROOT.glob("softswitch/**/*.py"), *ROOT.glob("billing/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1]
            if named in ("update", "delete", "drop") and "audit_table" in ast.unparse(node):
                found.append(f"{path}:{node.lineno}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                wrong = r"(?i)\b(update|delete\s+from|truncate(\s+table)?)\s+audit\b"
                if re.search(wrong, node.value):
                    found.append(f"{path}:{node.lineno}")
    assert found == []


def test_the_list_is_filtered_and_read_page_by_page(ana: Context) -> None:
    for count in range(5):
        ask(ana, NINO, "line_set", number=ANA, key="max_calls", value=str(count))
    ask(ana, operator(0), "account_cap", account="Ana", key="calls", value="3")
    assert [row["operation"] for row in audit_list(ana, limit=2)] == ["account_cap", "line_set"]
    rows, before = [], None
    while page := audit_list(ana, actor="nino", limit=2, before=before):
        rows += page
        before = int(str(page[-1]["id"]))
    assert [dict(row["arguments"])["value"] for row in rows] == ["4", "3", "2", "1", "0"]  # type: ignore[arg-type]
    assert len(audit_list(ana, object=ANA)) == len(audit_list(ana, object="0322000001")) == 5
    assert [row["object"] for row in audit_list(ana, object="account 1")] == ["account 1"]
    assert audit_list(ana, object="1")[0]["operation"] == "account_cap"
    assert len(audit_list(ana, account="Ana", operation="line_set")) == 5
    assert audit_list(ana, until="2020-01-01") == [] == audit_list(ana, since="2030-01-01")
    with pytest.raises(OperationError, match="a limit is from 1 to"):
        audit_list(ana, limit=0)


def test_the_command_line_shows_it(softswitch: Softswitch) -> None:
    line = softswitch("line", "list", "-o", "json").json[0]["number"]
    assert softswitch("line", "suspend", line).status == 0
    assert "no line" in softswitch("line", "suspend", "+995322999999").err
    rows = softswitch("audit", "list", "-o", "json").json
    assert [(row["object"], row["outcome"]) for row in rows] == [
        ("number +995322999999", "line_not_found"), (f"number {line}", "done"),
    ]  # fmt: skip
    assert rows[0]["actor"].startswith("operator:cli:")
    shown = softswitch("audit", "list", "--object", line, "--from", "2020-01-01", "-o", "json")
    assert [row["operation"] for row in shown.json] == ["line_suspend"]
