"""The console: what staff see and do, by people without scripts; the books are read afterwards."""

from __future__ import annotations

import re

import httpx
import pytest
from served import PASSWORD, Browserless, Served

from softswitch.portal.console import PAGES

DATABASES = ("sqlite", "postgresql")


def staff(portal: Served, login: str, role: str) -> Browserless:
    (user,) = portal.command("user", "add", login, "--role", role)
    person = Browserless(portal.url)
    person.first_sign_in(login, str(user["password"]))
    return person


@pytest.fixture(scope="module")
def reviewer(portal: Served) -> Browserless:
    return staff(portal, "reviewer", "reviewer")


@pytest.fixture(scope="module")
def support(portal: Served) -> Browserless:
    return staff(portal, "helper", "support")


def confirmed(person: Browserless, path: str, **form: object) -> httpx.Response:
    """Send a form for which the password is asked again when it wasn't given lately."""
    answer = person.post(path, **form)
    if answer.url.path == "/confirm":
        person.post("/confirm", password=PASSWORD, next=path)
        answer = person.post(path, **form)
    return answer


def balance(portal: Served, account: str) -> str:
    (row,) = portal.command("account", "show", account)
    return str(row["balance"])


PLAIN = [page.path for page in PAGES if "{" not in page.path]
THINGS = ("/op/customers/1", "/op/lines/+995322000001", "/op/tariffs/default", "/op/staff/ana")


@pytest.mark.parametrize("path", [*PLAIN, *THINGS])
def test_an_administrator_sees_each_page(admin: Browserless, ana: Browserless, path: str) -> None:
    answer = admin.get(path)
    if answer.url.path == "/confirm":
        admin.post("/confirm", password=PASSWORD, next=path)
        answer = admin.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.url.path == path.replace("+", "%2B") or answer.url.path == path
    assert 'data-page="error"' not in answer.text


@pytest.mark.parametrize("path", [*PLAIN, *THINGS])
def test_a_subscriber_finds_no_page_of_the_console(ana: Browserless, path: str) -> None:
    assert ana.get(path).status_code == 404


def test_a_page_of_another_role_names_the_right_that_is_missing(reviewer: Browserless) -> None:
    answer = reviewer.get("/op/calls")
    assert answer.status_code == 403
    assert "reviewer (reviewer) has no right to /op/calls" in answer.text


def test_a_form_of_another_role_names_the_operation(reviewer: Browserless, portal: Served) -> None:
    before = balance(portal, "2")
    answer = reviewer.post(
        "/op/till", do="account_topup", account="2", amount="5", payment_id="not-allowed"
    )
    assert answer.status_code == 403
    assert "reviewer (reviewer) has no right to account_topup" in answer.text
    assert balance(portal, "2") == before


def test_a_payment_that_is_sent_twice_is_posted_once(admin: Browserless, portal: Served) -> None:
    page = admin.get("/op/till").text
    form = {"do": "account_topup", "account": "2", "amount": "7.25", "method": "cash",
            "payment_id": "receipt-1", "key": "k" * 20}  # fmt: skip
    assert balance(portal, "2") == "10.00"
    for _ in range(2):
        assert admin.send_form("/op/till", page, form).status_code == 200
    assert balance(portal, "2") == "17.25"
    assert "receipt-1" in admin.get("/op/till").text


def test_a_wrong_payment_is_taken_back_by_an_entry(admin: Browserless, portal: Served) -> None:
    admin.post("/op/till", do="account_topup", account="3", amount="40", payment_id="wrong-1",
               method="cash")  # fmt: skip
    assert balance(portal, "3") == "50.00"
    answer = admin.post("/op/till", do="payment_reverse", account="3", payment_id="wrong-1",
                        reason="another customer's")  # fmt: skip
    assert answer.status_code == 200
    assert balance(portal, "3") == "10.00"
    entries = portal.command("account", "ledger", "3")
    assert [row["amount"] for row in entries] == ["10.00", "40.00", "-40.00"]


def test_a_payment_without_a_sum_says_so_beside_the_field(admin: Browserless) -> None:
    answer = admin.post("/op/till", do="account_topup", account="2", amount="much",
                        payment_id="p-2", method="cash")  # fmt: skip
    assert answer.status_code == 422
    assert 'id="error-account_topup-amount"' in answer.text


PRICES = "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"


def test_a_tariff_is_imported_after_its_faults_and_differences_were_seen_and_undone(
    admin: Browserless, portal: Served
) -> None:
    before = portal.command("tariff", "show", "default")
    path = "/op/tariffs/import"
    faulty = PRICES + "995,Georgia,0,free,1,1\n"
    answer = admin.post(path, do="check", name="default", text=faulty)
    assert answer.status_code == 422
    assert "line 2" in answer.text
    text = PRICES + "995,Georgia,0.02,0.12,1,1\n33,France,0.05,0.30,60,6\n"
    seen = admin.post(path, do="check", name="default", text=text)
    assert "data-preview" in seen.text
    assert portal.command("tariff", "show", "default") == before
    done = admin.send_form(path, seen.text, {"do": "tariff_import", "name": "default",
                                             "text": text})  # fmt: skip
    assert done.url.path == "/op/tariffs/default"
    after = portal.command("tariff", "show", "default")
    assert [(row["prefix"], row["per_minute"]) for row in after] == [
        ("33", "0.30"), ("995", "0.12"),
    ]  # fmt: skip
    assert admin.post("/op/tariffs/default", do="tariff_undo").status_code == 200
    assert portal.command("tariff", "show", "default") == before


def test_staff_look_as_a_customer_with_a_reason_and_come_back(
    portal: Served, support: Browserless, ana: Browserless
) -> None:
    path = "/op/customers/1"
    refused = confirmed(support, path, do="user_look", login="ana", reason=" ")
    assert refused.status_code == 422
    looked = confirmed(support, path, do="user_look", login="ana", reason="cannot see the bill")
    assert looked.url.path == "/"
    assert 'class="impersonation"' in looked.text
    for closed in ("/password", "/totp", "/op"):
        assert support.get(closed).status_code in (403, 404), closed
    before = portal.command("request", "list", "--closed")
    kept = support.post("/requests", do="request_open", kind="relocation", text="Move it.")
    assert (kept.status_code, "change nothing" in kept.text) == (403, True)
    assert portal.command("request", "list", "--closed") == before
    back = support.post("/logout", "/")
    assert back.url.path == path
    (entry,) = portal.command("audit", "list", "--operation", "user_look", "--limit", "1")
    assert (entry["actor"], entry["outcome"]) == ("helper", "done")
    assert "cannot see the bill" in str(entry["arguments"])
    assert "ana" in str(entry["arguments"])


def test_what_an_administrator_does_in_a_customers_place_has_both_names(
    portal: Served, admin: Browserless, ana: Browserless
) -> None:
    confirmed(admin, "/op/customers/1", do="user_look", login="ana", reason="asked by telephone")
    opened = admin.post("/requests", do="request_open", kind="relocation", text="To Batumi.")
    assert opened.status_code == 200
    admin.post("/logout", "/")
    (entry,) = portal.command("audit", "list", "--operation", "request_open", "--limit", "1")
    assert (entry["actor"], entry["impersonator"], entry["account"]) == ("ana", "boss", 1)
    portal.command("request", "done", str(opened.url.path.rsplit("/", 1)[1]))


def test_staff_are_back_in_their_own_session_when_the_customers_ends(
    portal: Served, support: Browserless
) -> None:
    portal.command("user", "add", "zura", "--role", "subscriber", "--account", "2")
    confirmed(support, "/op/customers/2", do="user_look", login="zura", reason="a question")
    assert 'class="impersonation"' in support.get("/").text
    portal.command("user", "set", "zura", "disabled", "yes")
    after = support.get("/")
    assert (after.url.path, 'class="impersonation"' in after.text) == ("/op", False)


def test_nobody_looks_as_staff(portal: Served, support: Browserless, admin: Browserless) -> None:
    answer = confirmed(support, "/op/customers/1", do="user_look", login="boss", reason="why not")
    assert answer.status_code == 404


def test_the_search_box_leads_to_a_line_and_finds_a_name(support: Browserless) -> None:
    found = support.get("/op/search", q="+995 32 200 00 01")
    assert found.url.path == "/op/customers/1"
    assert "Beka" in support.get("/op/search", q="Beka").text


def test_the_table_of_rights_is_the_one_that_lets_requests_in(support: Browserless) -> None:
    page = support.get("/op/rights").text
    row = page.split('data-id="account_topup"')[1].split("</tr>")[0]
    cells = re.findall(r'data-role="(\w+)">(.*?)</td>', row)
    assert {role for role, cell in cells if "✓" in cell} == {"admin", "accountant"}


def test_lists_are_files_for_spreadsheets_and_programs(portal: Served, admin: Browserless) -> None:
    portal.command("account", "add", "=cmd|' /C calc'!A0")
    table = admin.get("/op/customers", **{"as": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "'=cmd" in table.text
    assert admin.get("/op/customers", **{"as": "json"}).json()[-1]["name"] == "Ana"


def test_a_request_is_assigned_answered_and_done(portal: Served, support: Browserless) -> None:
    portal.command("request", "open", "1", "fault", "It crackles.", "--line", "+995322000001")
    (row,) = portal.command("request", "list")
    path = f"/op/requests/{row['id']}"
    assert "It crackles." in support.get("/op/requests").text
    support.post(path, do="request_assign", to="helper")
    support.post(path, do="request_note", text="We look at it.")
    page = support.get(path).text
    assert "We look at it." in page and "helper" in page
    support.post(path, do="request_done", answer="A new wire.")
    assert portal.command("request", "list") == []


def statuses(portal: Served) -> set[object]:
    return {row["status"] for row in portal.command("account", "list")}


def test_many_accounts_are_suspended_after_a_preview_and_put_back(
    portal: Served, support: Browserless
) -> None:
    assert statuses(portal) == {"active"}
    many = len(portal.command("account", "list"))
    seen = support.post("/op/bulk", do="bulk_preview", kind="suspend", status="active",
                        reason="unpaid")  # fmt: skip
    path = seen.url.path
    assert len(re.findall(r'data-label="After">.*?suspended', seen.text)) == many
    assert statuses(portal) == {"active"}
    support.post(path, do="bulk_run")
    assert statuses(portal) == {"suspended"}
    support.post(path, do="bulk_undo")
    assert statuses(portal) == {"active"}
    changed = portal.command("audit", "list", "--operation", "account_status", "--limit", "100")
    assert len(changed) == 2 * many
    assert {row["actor"] for row in changed} == {"helper"}


def test_a_bulk_change_without_the_right_is_refused(portal: Served, support: Browserless) -> None:
    answer = support.post("/op/bulk", do="bulk_preview", kind="topup", value="1", status="active")
    assert answer.status_code == 403
    assert "account_topup" in answer.text


def test_each_command_that_a_page_names_is_one() -> None:
    import typer.main

    from softswitch.cli.main import app
    from softswitch.portal.console import bulk, reviews, tariffs
    from softswitch.portal.console.listing import OPTION_NAMES
    from softswitch.portal.console.lists import LISTS

    root = typer.main.get_command(app)
    for one in (*LISTS, bulk.JOBS, reviews.DOCUMENTS, reviews.REQUESTS, tariffs.TARIFFS):
        if not one.command:
            continue
        words = [word for word in one.command.split() if not word.startswith("--")]
        command = root
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        options = {option for known in command.params for option in known.opts}
        for asked in one.filters:
            name = "--" + (OPTION_NAMES | dict(one.options)).get(asked.name, asked.name).replace(
                "_", "-"
            )
            assert name in options, (one.command, name, options)


def test_health_shows_the_checks_and_the_books(admin: Browserless) -> None:
    assert 'data-verified="yes"' in admin.get("/op/health", verify="yes").text
    assert "configuration" in admin.get("/op/health", check="yes").text
