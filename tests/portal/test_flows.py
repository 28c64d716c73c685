"""Flows from a subscriber's page to the operator's and back, with the books read afterwards:
registration of a company, a tenant's lease, renewal, a malicious call, a fault, papers."""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import openpyxl
import pypdfium2
import pytest
from served import Browserless, Served, token
from test_bulk_pages import imported, upload, value
from test_calls_follow_pages import ANA, CIRA, Phone
from test_console import confirmed
from test_lines import codes

from billing.facts.bill import first_work
from billing.facts.calendar import add_months
from billing.facts.sales import ScheduleWork
from softswitch.config.config import load
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.installation.setup import opened
from softswitch.operations.lines import lines
from softswitch.operations.money import packages, wallets

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
MONTHS, LEASED = 5, "+995322000055"
CONTACTS, MOST_SECONDS = 20_000, 5.0
COMPANY = {
    "kind": "company", "name": "Shop LLC", "registration_date": "2019-04-01",
    "registration_number": "404404404", "subscriber_type": "business",
    "place_of_issue": "Tbilisi", "postal_code": "0105", "email": "shop@example.org",
}  # fmt: skip


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for an event of the switch."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def at_another_time(portal: Served, ago: timedelta) -> Iterator[Context]:
    """Operations of some time ago, while the switch doesn't run."""
    portal.stop("serve")
    with opened(load(portal.folder / "softswitch.toml")) as context:
        at = time.time_ns() // 1_000_000 - int(ago.total_seconds() * 1000)
        context.now_ms = lambda: at
        yield context
    portal.start("serve")


def stored(portal: Served, table: str) -> int:
    """The rows of a table."""
    with sqlite3.connect(portal.folder / "var" / "softswitch.db") as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def today(portal: Served) -> date:
    zone = load(portal.folder / "softswitch.toml").switch.time_zone
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).date()


def test_F2_a_company_registers_and_its_papers_are_approved(
    portal: Served, admin: Browserless
) -> None:
    stranger = Browserless(portal.url)
    wrong = COMPANY | {"subscriber_type": "", "registration_date": "2990-01-01"}
    page = stranger.post("/register", "/register?kind=company", **wrong).text
    assert re.findall(r'id="fault-(\w+)"', page) == ["registration_date"]
    assert 'data-field="subscriber_type"' in page
    page = stranger.post("/register", "/register?kind=company", **COMPANY).text
    login, password = re.findall(r"<code[^>]*>([^<]+)</code>", page)
    assert login == "c404404404"
    shop = Browserless(portal.url)
    shop.first_sign_in(login, password)
    assert 'data-code="account_not_active"' in shop.get("/").text
    shown = shop.get("/documents").text
    for kind in ("registration", "identity"):
        fields = {"csrf": token(shown, "csrf"), "key": f"{kind:x<24}", "do": "document_upload",
                  "kind": kind, "expires_on": ""}  # fmt: skip
        file = {"content": (f"{kind}.pdf", b"%PDF-1.7 scan", "application/pdf")}
        shop.send("POST", "/documents", data=fields, files=file)
    for row in portal.command("document", "list"):
        if row["state"] == "pending":
            page = f"/op/documents/{row['id']}"
            confirmed(admin, page, do="document_approve", expires_on="2036-01-01")
    account = str(portal.command("account", "list")[-1]["id"])
    for status in ("approved", "active"):
        page = f"/op/customers/{account}"
        answer = admin.post(page, do="account_status", status=status, reason="papers are complete")
        assert codes(answer.text) == []
    assert 'data-code="account_not_active"' not in shop.get("/").text
    (row,) = portal.command("account", "show", account)
    assert (row["name"], row["kind"], row["status"]) == ("Shop LLC", "company", "active")


def test_F3_a_tenants_line_lasts_as_long_as_the_lease(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    page = "/op/customers/1"
    enough = add_months(today(portal), MONTHS)
    short = (enough - timedelta(days=1)).isoformat()
    refused = admin.post(page, do="line_add", number=LEASED, lease_ends_on=short)
    assert 'id="error-line_add-lease_ends_on" data-code="lease_ends_soon"' in refused.text
    admin.post(page, do="line_add", number=LEASED, lease_ends_on=enough.isoformat())
    assert (
        f'<a class="button" href="/lines/{LEASED.replace("+", "%2B")}/services">'
        in ana.get(f"/lines/{LEASED}").text
    )
    portal.command("line", "remove", LEASED)
    yesterday = (today(portal) - timedelta(days=1)).isoformat()
    with at_another_time(portal, timedelta(days=180)) as context:
        lines.line_add(context, LEASED, "1", lease_ends_on=yesterday)
    until(lambda: portal.command("line", "show", LEASED)[0]["status"] == "suspended")
    shown = ana.get(f"/lines/{LEASED}").text
    assert codes(shown) == ["lease_ended"]
    assert 'value="display_name"' not in shown
    for path, fields in (
        (f"/lines/{LEASED}", {"do": "display_name", "value": "Mine still"}),
        (f"/lines/{LEASED}/services", {"do": "do_not_disturb", "value": "on"}),
    ):
        answer = ana.post(path, f"/lines/{ANA}", **fields)
        assert (answer.status_code, codes(answer.text)[-1]) == (409, "lease_ended")
    asked = {"do": "request_open", "kind": "fault", "text": "It is over", "line": LEASED}
    assert ana.post("/requests", **asked).status_code == 200
    services = portal.command("line", "service", "list", LEASED)
    assert not any(row["on"] for row in services if row["service"] == "do_not_disturb")


def test_F5_a_package_is_renewed_once_at_its_end_and_the_card_says_so(
    portal: Served, ana: Browserless
) -> None:
    portal.command("package", "define", "day", "--price", "1", "--term", "24 hours",
                   "--scope", "on_net")  # fmt: skip
    with at_another_time(portal, timedelta(hours=24) - timedelta(seconds=60)) as context:
        packages.package_buy(context, "1", "day", purchase_id="yesterdays")
    assert "It ends then." in ana.get("/packages").text
    (held,) = portal.command("package", "show", "1")
    ana.post("/packages", do="package_auto_renew", subscription=held["id"], on="true")
    before = portal.command("account", "show", "1")[0]["balance"]

    def renewed() -> bool:
        (row,) = portal.command("package", "show", "1")
        return row["ends_at"] != held["ends_at"]

    until(renewed, 180)
    after = portal.command("account", "show", "1")[0]["balance"]
    assert float(str(before)) - float(str(after)) == pytest.approx(1)
    entries = [row for row in portal.command("account", "ledger", "1") if row["kind"] == "package"]
    assert len(entries) == 2, "the purchase and one renewal"
    card = ana.get("/packages").text
    assert "It renews for" in card
    assert card.count('data-id="yesterdays"') == 1


def test_F11_the_operator_sees_who_called_and_the_subscriber_no_digit_of_it(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    portal.command("line", "service", "set", CIRA, "withhold_number", "on")
    callee, caller = Phone(portal, ANA), Phone(portal, CIRA, ANA)
    try:
        assert callee.until("registered") == ["registered"]
        assert caller.until("registered") == ["registered"]
        caller.go()
        caller.until("hung up")
    finally:
        caller.close()
        callee.close()
    until(lambda: portal.command("cdr", "list"))
    found = re.search(r'href="(/calls/[^"]+)"', ana.get("/calls", direction="incoming").text)
    assert found is not None
    ana.post(found[1], do="call_mark")
    pages = [found[1], "/", "/calls", "/calls?direction=incoming", "/calls.csv", f"/lines/{ANA}"]
    for path in pages:
        assert CIRA[4:] not in ana.get(path).text, path
    assert CIRA in confirmed(admin, "/op/malicious").text or CIRA in admin.get("/op/malicious").text
    (marked,) = portal.command("call", "malicious")
    assert (marked["line"], marked["calling"]) == (ANA, CIRA)


def test_F21_a_fault_report_holds_where_the_phone_registers_and_how_it_sounded(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    callee, caller = Phone(portal, ANA), Phone(portal, CIRA, ANA)
    calls = len(portal.command("cdr", "list"))
    try:
        callee.until("registered")
        caller.until("registered")
        caller.go()
        caller.until("hung up")
        until(lambda: len(portal.command("cdr", "list")) > calls)
        callee.close()
        callee = Phone(portal, ANA)
        callee.until("registered")
        until(lambda: stored(portal, "bindings"))
        found = re.search(r'href="(/calls/[^"]+)"', ana.get("/calls").text)
        assert found is not None
        answer = ana.post(found[1], do="request_open", text="I hear nothing", line=ANA)
        number = answer.url.path.rpartition("/")[2]
    finally:
        caller.close()
        callee.close()
    (kept,) = portal.command("request", "show", number)
    facts = kept["facts"]
    assert isinstance(facts, Mapping)
    assert {row["number"] for row in facts["registrations"]} == {ANA}
    assert any(float(row["callee"]["mos"]) > 3 for row in facts["media"])
    shown = admin.get(f"/op/requests/{number}").text
    for told in (facts["registrations"][0]["source"], "I hear nothing"):
        assert str(told) in shown
    assert str(facts["registrations"][0]["source"]) not in ana.get(f"/requests/{number}").text


def test_F22_twenty_thousand_contacts_are_imported_in_five_seconds(
    portal: Served, ana: Browserless
) -> None:
    portal.command("sms", "grant", "1", "yes")
    ana.post("/sms", do="sms_contract_accept")
    book, content = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    sheet.append(["phone", "name"])
    for number in range(CONTACTS):
        phone = "12" if number in (7, 5_000, 19_998) else f"+9955991{number:05}"
        sheet.append([phone, f"Client {number}"])
    book.save(content)
    began = time.perf_counter()
    shown = upload(ana, content.getvalue(), "clients.xlsx", group="all")
    looked = time.perf_counter() - began
    assert value(shown, "faulty") == 3
    rows = re.findall(r"<li dir=\"auto\">(row \d+)", shown)
    assert rows == ["row 9", "row 5002", "row 20000"]
    began = time.perf_counter()
    imported(ana, shown, "all")
    took = time.perf_counter() - began
    groups = portal.command("sms", "group", "list", "--account", "1")
    assert {row["group"]: row["contacts"] for row in groups}["all"] == CONTACTS - 3
    assert looked < MOST_SECONDS
    assert took < MOST_SECONDS


def test_F23_a_bill_and_its_duplicate_have_the_same_number_and_sum(portal: Served) -> None:
    first = today(portal).replace(day=1)
    with at_another_time(portal, timedelta(days=(today(portal) - first).days + 3)) as context:
        account = str(accounts.account_add(context, "Shop")["id"])
        accounts.account_topup(context, account, "30", "last-month")
        wallets.account_fee(context, account, "7.25", "set-up", "fee-of-last-month")
        work = first_work(context.now_ms(), context.config.switch.time_zone)
        context.do(ScheduleWork(work.key, work))
    until(lambda: portal.command("bill", "list", "--account", account))
    (bill,) = portal.command("bill", "list", "--account", account)
    (user,) = portal.command("user", "add", "payer", "--role", "subscriber", "--account", account)
    payer = Browserless(portal.url)
    payer.first_sign_in("payer", str(user["password"]))
    texts = {}
    for kind in ("bill", "duplicate"):
        answer = payer.get(f"/bills/{bill['number']}/{kind}.pdf")
        assert answer.headers["content-type"] == "application/pdf"
        document = pypdfium2.PdfDocument(answer.content)
        texts[kind] = "\n".join(page.get_textpage().get_text_range() for page in document)
    for text in texts.values():
        assert re.search(rf"\b{bill['number']}\b", text), text
        assert "7.25" in text
    assert "duplicate" in texts["duplicate"].lower()
    assert "duplicate" not in texts["bill"].lower()
    assert "7.25" in payer.get(f"/bills/{bill['number']}").text
