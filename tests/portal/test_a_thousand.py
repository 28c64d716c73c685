"""Lists and bulk changes of a thousand customers: preview, run, undo, and the audit of it."""

from __future__ import annotations

import re

import pytest
from served import Browserless, Served

from benchmarks.portal import line_of, open_accounts

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
MANY = 1_000
PRICES = "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"


@pytest.fixture(scope="module")
def many(portal: Served, admin: Browserless) -> Browserless:
    """An administrator over a thousand customers."""
    open_accounts(portal.folder, MANY)
    return admin


def press(person: Browserless, path: str, do: str, state: str) -> None:
    """Press a job's button until the job is in a state: a portion at a time."""
    for _ in range(10):
        person.post(path, do=do)
        if person.get(f"{path}?as=json").json()[0]["state"] == state:
            return
    raise AssertionError(person.get(path).text)


def statuses(portal: Served) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in portal.command("account", "list"):
        found[str(row["status"])] = found.get(str(row["status"]), 0) + 1
    return found


def audited(portal: Served, operation: str) -> int:
    """The entries of an operation in the audit."""
    count, before = 0, ()
    while True:
        rows = portal.command("audit", "list", "--operation", operation, "--limit", "500", *before)
        count += len(rows)
        if len(rows) < 500:
            return count
        before = ("--before", str(rows[-1]["id"]))


def test_a_thousand_customers_are_suspended_and_put_back(portal: Served, many: Browserless) -> None:
    seen = many.post("/op/bulk", do="bulk_preview", kind="suspend", status="active", reason="debt")
    path = seen.url.path
    assert statuses(portal) == {"active": MANY}
    press(many, path, "bulk_run", "done")
    assert statuses(portal) == {"suspended": MANY}
    press(many, path, "bulk_undo", "undone")
    assert statuses(portal) == {"active": MANY}
    assert audited(portal, "account_status") == 2 * MANY


def test_a_filter_finds_one_of_a_thousand_and_pages_have_each_once(many: Browserless) -> None:
    found = many.get("/op/lines", search=line_of(777)).text
    assert re.findall('data-id="([^"]+)"', found) == ["777"]
    path, seen = "/op/customers", []
    while path:
        page = many.get(path).text
        seen += re.findall('<tr data-id="([0-9]+)"', page)
        more = re.search(r'href="(\?[^"]*before=[^"]*)"', page)
        path = f"/op/customers{more[1].replace('&amp;', '&')}" if more else ""
    assert sorted(map(int, seen)) == list(range(1, MANY + 1))


def test_a_price_list_of_a_thousand_lines_is_compared_applied_and_undone(
    portal: Served, many: Browserless
) -> None:
    before = portal.command("tariff", "show", "default")
    rows = [f"{1000 + number},Place {number},0,0.{number:03},60,6" for number in range(MANY)]
    faulty = [*rows[:500], "3370,France,0,free,1,1", *rows[501:]]
    path = "/op/tariffs/import"
    refused = many.post(path, do="check", name="default", text=PRICES + "\n".join(faulty))
    assert refused.status_code == 422
    assert "line 502" in refused.text
    text = PRICES + "\n".join(rows)
    seen = many.post(path, do="check", name="default", text=text)
    many.send_form(path, seen.text, {"do": "tariff_import", "name": "default", "text": text})
    assert len(portal.command("tariff", "show", "default")) == MANY
    many.post("/op/tariffs/default", do="tariff_undo")
    assert portal.command("tariff", "show", "default") == before
