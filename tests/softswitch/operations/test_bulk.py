"""One change of many accounts: previewed, run in portions, undone within a day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from softswitch.control.actor import Actor, Role
from softswitch.control.errors import OperationError
from softswitch.database.audit import AuditFilter, AuditLog
from softswitch.operations.accounts import accounts, bulk, standing
from softswitch.operations.calls import records
from softswitch.operations.context import Concern, Context
from softswitch.operations.dispatch import perform
from softswitch.operations.money import payments
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.tariffs import tariff_terms
from tests.softswitch.operating import at, refused

DAY_MS = 86_400_000


@pytest.fixture
def staff(context: Context) -> Context:
    """An admin before five accounts, the last of which isn't active yet."""
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    for n in range(4):
        accounts.account_add(context, f"client {n}")
    accounts.account_add(context, "applicant", registered=True)
    return as_(context, "admin")


def as_(context: Context, role: Role) -> Context:
    return replace(context, actor=Actor("nino", role), concern=Concern())


def do(context: Context, operation: str, **arguments: object) -> Any:
    return perform(context, OPERATIONS[operation], arguments)


def statuses(context: Context) -> list[str]:
    return [account.status for account in context.billing.accounts()]


def test_a_preview_changes_nothing_and_shows_each_account(staff: Context) -> None:
    job = do(staff, "bulk_preview", kind="suspend", search="l")
    assert (job["state"], job["accounts"], job["pending"], job["faulty"]) == ("previewed", 5, 4, 1)
    assert [(item["before"], item["after"], item["fault"]) for item in job["items"]] == [
        *([("active", "suspended", None)] * 4),
        ("registered", "suspended", "status_conflict"),
    ]
    assert statuses(staff) == ["active"] * 4 + ["registered"]


def test_a_job_is_run_in_portions_and_undone(staff: Context) -> None:
    job = do(staff, "bulk_preview", kind="suspend", reason="fraud")["id"]
    row = do(staff, "bulk_run", job=job, limit=3)
    assert (row["state"], row["done"], row["pending"]) == ("running", 3, 1)
    row = do(staff, "bulk_run", job=job, limit=3)
    assert (row["state"], row["done"], row["faulty"]) == ("done", 4, 1)
    assert statuses(staff) == ["suspended"] * 4 + ["registered"]
    assert standing.account_history(staff, "1")[-1]["reason"] == "fraud"
    with pytest.raises(OperationError) as error:
        do(staff, "bulk_run", job=job)
    assert error.value.code == "state_final"
    row = do(staff, "bulk_undo", job=job)
    assert (row["state"], row["undone"], row["done"]) == ("undone", 4, 0)
    assert statuses(staff) == ["active"] * 4 + ["registered"]
    entries = AuditLog(staff.billing.engine).newest(
        AuditFilter(operation="account_status", limit=100)
    )
    assert len(entries) == 8
    assert sorted({entry.account_id for _, entry in entries}) == [1, 2, 3, 4]  # type: ignore[type-var]


def test_what_was_so_before_stays_so_after_an_undo(staff: Context) -> None:
    job = do(staff, "bulk_preview", kind="suspend", accounts=["1", "2"])["id"]
    standing.account_status(staff, "2", "suspended", "for a debt")  # after the preview
    row = do(staff, "bulk_run", job=job)
    assert (row["done"], row["faulty"]) == (1, 1)
    (item,) = do(staff, "bulk_show", job=job, state="faulty")["items"]
    assert (item["account"], item["fault"]) == (2, "bulk_unchanged")
    do(staff, "bulk_undo", job=job)
    assert statuses(staff)[:2] == ["active", "suspended"]


def test_payments_come_from_a_table_and_are_undone_by_reversals(staff: Context) -> None:
    table = "account,amount\n1,5\nclient 1,7.50\n"
    job = do(staff, "bulk_preview", kind="topup", table=table)["id"]
    do(staff, "bulk_run", job=job)
    balances = [str(accounts.account_show(staff, key)["balance"]) for key in ("1", "2", "3")]
    assert balances == ["5.00", "7.50", "0.00"]
    do(staff, "bulk_undo", job=job)
    assert [row["reversed_at"] is not None for row in payments.payment_list(staff)] == [True, True]
    assert accounts.account_show(staff, "2")["balance"] == "0.00"
    assert records.ledger_verify(staff)["ok"]


def test_a_table_is_refused_with_all_its_faults(staff: Context) -> None:
    with pytest.raises(OperationError) as error:
        bulk.bulk_preview(staff, "topup", table="account,amount\n1,x\nnobody,5\n2,5\n")
    assert [line.partition(":")[0] for line in error.value.lines] == ["line 2", "line 3"]
    assert "column account is missing" in refused(bulk.bulk_preview, staff, "topup", table="a\n1")
    said = refused(bulk.bulk_preview, staff, "topup", "0", accounts=["1"])
    assert said == "a payment must be above zero, not 0"
    assert refused(bulk.bulk_preview, staff, "suspend", search="nobody") == "no account is chosen"


def test_a_tariff_is_given_and_the_one_before_comes_back(staff: Context) -> None:
    for name in ("default", "old", "new"):
        tariff_terms.tariff_set(staff, name)
    tariff_terms.tariff_assign(staff, "2", "old")
    job = do(staff, "bulk_preview", kind="tariff", value="new", accounts=["1", "2"])
    assert [item["before"] for item in job["items"]] == ["default", "old"]
    do(staff, "bulk_run", job=job["id"])

    def now() -> list[str]:
        found = [tariff_terms.tariff_assignments(staff, key)[-1] for key in ("1", "2")]
        return [str(row["tariff"]) for row in found]

    assert now() == ["new", "new"]
    row = do(staff, "bulk_undo", job=job["id"])
    assert now() == ["default", "old"]
    assert (row["undone"], row["faulty"]) == (2, 0)


def test_a_job_is_for_those_who_may_do_it_to_one_account(staff: Context) -> None:
    support, accountant = as_(staff, "support"), as_(staff, "accountant")
    assert do(support, "bulk_preview", kind="suspend")["id"]
    job = do(accountant, "bulk_preview", kind="topup", value="5")["id"]
    for context, kind in ((support, "topup"), (accountant, "suspend")):
        with pytest.raises(OperationError) as error:
            do(context, "bulk_preview", kind=kind, value="5")
        assert error.value.code == "right_missing"
    with pytest.raises(OperationError) as error:
        do(support, "bulk_run", job=job)
    assert error.value.code == "right_missing"
    assert accounts.account_show(staff, "1")["balance"] == "0.00"


def test_after_a_day_a_job_stays(staff: Context) -> None:
    job = do(staff, "bulk_preview", kind="suspend", accounts=["1"])["id"]
    assert refused(bulk.bulk_undo, staff, job).endswith("is previewed already")
    do(staff, "bulk_run", job=job)
    late = replace(staff, now_ms=lambda: staff.now_ms() + DAY_MS + 1)
    assert refused(bulk.bulk_undo, late, job).startswith(f"bulk job {job} was begun more than")
    assert [row["id"] for row in bulk.bulk_list(staff)] == [job]
    assert refused(bulk.bulk_show, staff, "nothing") == "there is no bulk job 'nothing'"


def test_a_notice_is_told_once_to_each_account_and_not_undone(staff: Context) -> None:
    text = "Works on Sunday night, from 2 to 4: calls may end. We are sorry. " * 3
    job = do(staff, "bulk_preview", kind="notice", value=text, status="active")
    assert (job["pending"], job["value"]) == (4, text.strip())
    for _ in range(4):
        do(staff, "bulk_run", job=job["id"], limit=1)
    rows = do(staff, "account_notices", account="1")
    assert [(row["what"], row["about"]) for row in rows] == [("operator", text.strip())]
    do(staff, "account_notify", account="1", text=text, key=f"{job['id']}-0")
    assert len(do(staff, "account_notices", account="1")) == 1
    assert "can't be undone" in refused(bulk.bulk_undo, staff, job["id"])
    assert "one line" in refused(bulk.bulk_preview, staff, "notice", "two\nlines")
    assert do(staff, "account_notices", account="5") == []
