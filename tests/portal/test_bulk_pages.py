"""Bulk texts in the cabinet, by forms without scripts: conditions, contacts from a spreadsheet,
a batch with its preview, and its end."""

from __future__ import annotations

import io
import os
import re

import openpyxl
import pytest
from served import Browserless, Served, free_port, token
from test_lines import codes

DATABASES = ("sqlite", "postgresql")

TABLE = (
    "phone,name,sum\n"
    "+995599000001,Nino,12\n"
    "12,Short,1\n"
    "+995599000002,Gio,7\n"
    "9.95599E+11,Rounded,1\n"
    "no phone,Nobody,1\n"
    "+995599000001,Nino again,3\n"
    "+995599000003,Lia,9\n"
)


def value(page: str, name: str) -> int:
    """A figure of a preview."""
    found = re.search(rf'data-value="{name}"><bdi>(\d+)</bdi>', page)
    assert found is not None, page
    return int(found[1])


def upload(person: Browserless, content: bytes, name: str = "clients.csv", group: str = "") -> str:
    """The page that a file is answered with."""
    shown = person.get("/sms/import").text
    tokens = {"csrf": token(shown, "csrf"), "key": os.urandom(12).hex(), "do": "preview"}
    answer = person.send(
        "POST", "/sms/import", data=tokens | {"group": group},
        files={"file": (name, content)},
    )  # fmt: skip
    return answer.text


def imported(person: Browserless, shown: str, group: str = "") -> str:
    """Import what a preview has shown."""
    fields = {"do": "import", "held": token(shown, "held"), "group": group}
    return person.send_form("/sms/import", shown, fields).text


@pytest.fixture(scope="module")
def business(portal: Served, ana: Browserless) -> Browserless:
    """Ana, whom the operator lets send as AnasShop; no carrier answers."""
    target = f"smpp://us:secret@127.0.0.1:{free_port()}"
    portal.command("sms", "carrier", "add", "centre", "--target", target, "--prefix", "995")
    portal.command("sms", "grant", "1", "yes")
    ana.post("/sms", do="sms_contract_accept")
    ana.post("/sms", do="sms_sender_add", name="AnasShop")
    portal.command("sms", "sender", "approve", "1", "AnasShop")
    for number, (name, due) in enumerate([("Nino", 12), ("Gio", 7), ("Lia", 9)], 11):
        ana.post("/sms/contacts", do="sms_contact_add", phone=f"+9955990000{number}", name=name)
        page = f"/sms/contacts/%2B9955990000{number}"
        ana.post(page, do="field", field="sum", value=due)
        ana.post("/sms/groups", do="sms_group_add", group="debtors")
        ana.post(page, do="sms_group_put", group="debtors", phones=f"+9955990000{number}")
    return ana


@pytest.fixture
def credit(portal: Served, business: Browserless) -> int:
    """Messages that the business has."""
    portal.command("wallet", "offer", "sms", "100", "--price", "0.50")
    business.post("/sms", do="wallet_buy", wallet="sms", units=100)
    return messages(portal)


def messages(portal: Served) -> int:
    wallets = {row["wallet"]: row["balance"] for row in portal.command("wallet", "show", "1")}
    return int(float(str(wallets["sms"])))


def batch(person: Browserless, **fields: str) -> tuple[str, str]:
    """A batch's preview, and the page after it was sent."""
    text = "Dear {name}, {sum} are due"
    given = {"sender": "AnasShop", "text": text, "groups": "debtors"} | fields
    shown = person.post("/sms/batches/new", do="preview", **given).text
    if 'data-id="preview"' not in shown or 'value="sms_batch_add"' not in shown:
        return shown, ""
    return shown, person.send_form("/sms/batches/new", shown, {"do": "sms_batch_add", **given}).text


def test_B1_B2_an_account_is_told_what_it_lacks_and_accepts_the_conditions(
    portal: Served, ana: Browserless
) -> None:
    portal.command("account", "add", "Shop")
    account = str(portal.command("account", "list")[-1]["id"])
    added = portal.command("user", "add", "shop", "--role", "subscriber", "--account", account)
    shop = Browserless(portal.url)
    shop.first_sign_in("shop", str(added[0]["password"]))
    given = {"sender": "x", "text": "Hi", "everyone": "true"}
    assert 'href="/sms"' in shop.get("/more").text
    assert "aren&#39;t open for your account" in shop.get("/sms").text
    refused = shop.post("/sms/batches/new", do="preview", **given)
    assert codes(refused.text) == ["sms_not_granted"]
    portal.command("sms", "grant", account, "yes")
    assert "aren&#39;t open" not in shop.get("/sms").text
    refused = shop.post("/sms/batches/new", do="preview", **given)
    assert codes(refused.text) == ["sms_contract_missing"]
    shop.post("/sms", do="sms_contract_accept")
    contract = portal.command("sms", "contract", "show", account)[0]
    assert (contract["accepted_by"], contract["address"]) == ("shop", "127.0.0.1")
    assert 'value="sms_contract_accept"' not in shop.get("/sms").text


def test_B3_a_sender_name_is_asked_for_and_approved(portal: Served, business: Browserless) -> None:
    refused = business.post("/sms", do="sms_sender_add", name="x")
    assert 'id="error-sms_sender_add-name" data-code="sms_sender_malformed"' in refused.text
    assert "waits for approval" in business.post("/sms", do="sms_sender_add", name="Another").text
    portal.command("sms", "sender", "refuse", "1", "Another", "--reason", "It is a brand")
    shown = business.get("/sms").text
    assert "It is a brand" in shown
    assert '<span class="tag good">approved</span>' in shown


def test_B4_B5_credit_is_tried_once_and_bought(portal: Served, business: Browserless) -> None:
    portal.command("wallet", "offer", "sms", "100", "--price", "0.50")
    before = messages(portal)
    assert 'value="wallet_trial"' in business.get("/sms").text
    shown = business.post("/sms", do="wallet_trial").text
    assert f"<bdi>{before + 10}</bdi> messages" in shown
    assert 'value="wallet_trial"' not in shown
    bought = business.post("/sms", do="wallet_buy", wallet="sms", units=100).text
    assert f"<bdi>{before + 110}</bdi> messages" in bought
    assert messages(portal) == before + 110


def test_B8_faulty_rows_are_named_before_anything_is_imported(
    portal: Served, business: Browserless
) -> None:
    shown = upload(business, TABLE.encode(), group="clients")
    assert [value(shown, name) for name in ("rows", "added", "replaced", "faulty", "doubles")] == [
        7, 3, 0, 3, 1,
    ]  # fmt: skip
    assert re.findall(r"<li dir=\"auto\">(row \d+)", shown) == ["row 3", "row 5", "row 6", "row 7"]
    assert "+995599000002" not in business.get("/sms/contacts").text
    assert "Done." in imported(business, shown, "clients")
    groups = portal.command("sms", "group", "list", "--account", "1")
    assert {row["group"]: row["contacts"] for row in groups}["clients"] == 3
    found = business.get("/sms/contacts", search="Gi", group="clients").text
    assert "+995599000002" in found
    assert "+995599000001" not in found


def test_B8_faulty_rows_are_explained_in_the_reader_s_language(business: Browserless) -> None:
    form = business.get("/sms/import").text
    files = {"file": ("c.csv", TABLE.encode(), "text/csv")}
    tokens = {"csrf": token(form, "csrf"), "key": "k" * 24, "do": "preview", "group": ""}
    shown = business.send("POST", "/sms/import?lang=ka", data=tokens, files=files).text
    rows = re.findall(r"<li dir=\"auto\">(.*?)</li>", shown)
    assert [row.partition(":")[0] for row in rows] == [f"სტრიქონი {n}" for n in (3, 5, 6, 7)]
    assert not [row for row in rows if re.search("[A-Za-z]{3}", row)]


def test_B8_a_workbook_is_imported_and_taken_back(portal: Served, business: Browserless) -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for row in (["phone", "name"], ["+995599000077", "Zaza"]):
        book.active.append(row)
    book.save(content)
    shown = upload(business, content.getvalue(), "clients.xlsx")
    after = imported(business, shown)
    assert "+995599000077" in business.get("/sms/contacts").text
    business.post("/sms/import", do="sms_import_undo", import_id=token(after, "import_id"))
    assert "+995599000077" not in business.get("/sms/contacts").text
    assert business.get("/sms/contacts/%2B995599000077").status_code == 404


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "argument_missing"), (b"\xff\xfe\x00", "import_failed"),
     (b"name,town\nA,B\n", "sms_table_no_phone")],
)  # fmt: skip
def test_B8_a_file_that_isnt_a_table_of_phones_is_refused(
    business: Browserless, content: bytes, code: str
) -> None:
    assert codes(upload(business, content)) == [code]


def test_B8_contacts_groups_and_templates_are_changed_by_forms(
    portal: Served, business: Browserless
) -> None:
    business.post("/sms/groups", do="sms_group_add", group="friends")
    business.post("/sms/contacts", do="sms_contact_add", phone="+995599000055", name="Eka")
    page = "/sms/contacts/%2B995599000055"
    business.post(page, do="sms_group_put", group="friends", phones="+995599000055")
    moved = business.post(page, do="phone", value="+995599000056")
    assert codes(moved.text) == []
    assert moved.url.path == "/sms/contacts/+995599000056"
    page = "/sms/contacts/%2B995599000056"
    refused = business.post(page, do="field", field="Home town", value="Batumi")
    assert 'id="error-field-field" data-code="sms_field_name_malformed"' in refused.text
    business.post(page, do="field", field="town", value="Batumi")
    (kept,) = portal.command("sms", "contact", "show", "1", "+995599000056")
    assert (kept["fields"], kept["groups"]) == ({"town": "Batumi"}, ["friends"])
    business.post("/sms/groups", do="sms_group_rename", group="friends", name="kin")
    gone = business.post(page, do="sms_contact_remove")
    assert gone.url.path == "/sms/contacts"
    assert "+995599000056" not in gone.text
    business.post("/sms/templates", do="sms_template_add", name="debt", text="Dear {name}")
    assert "Dear {name}</textarea>" in business.get("/sms/batches/new", template="debt").text
    business.post("/sms/templates", do="sms_template_remove", name="debt")
    business.post("/sms/groups", do="sms_group_remove", group="kin")
    groups = portal.command("sms", "group", "list", "--account", "1")
    assert not {"friends", "kin"} & {row["group"] for row in groups}


def test_B9_a_batch_is_previewed_with_its_price_sent_paused_and_cancelled(
    portal: Served, business: Browserless, credit: int
) -> None:
    business.post("/sms/stops", do="sms_stop_add", phone="+995599000013")
    before = portal.command("sms", "batch", "list", "--account", "1")
    shown, sent = batch(business)
    assert '<p class="large"><bdi>2</bdi> messages</p>' in shown
    assert [value(shown, name) for name in ("recipients", "stopped", "segments")] == [2, 1, 2]
    assert "+995599000011: Dear Nino, 12 are due" in shown
    assert 'data-state="running"' in sent
    batches = portal.command("sms", "batch", "list", "--account", "1")
    (made,) = [row for row in batches if row not in before]
    page = f"/sms/batches/{made['id']}"
    assert "of <bdi>2</bdi> have gone out" in sent
    assert 'data-state="paused"' in business.post(page, do="sms_batch_pause").text
    assert 'data-state="running"' in business.post(page, do="sms_batch_resume").text
    texts = business.get(f"{page}/texts", state="waiting").text
    assert "Dear Gio, 7 are due" in texts
    report = business.get(f"{page}/report.csv").text.splitlines()
    assert report[0].removeprefix("\ufeff").split(",")[:4] == ["to", "state", "segments", "price"]
    assert [line.split(",")[:3] for line in report[1:]] == [
        ["+995599000012", "waiting", "1"], ["+995599000011", "waiting", "1"],
    ]  # fmt: skip
    assert 'data-state="cancelled"' in business.post(page, do="sms_batch_cancel").text
    again = business.post(page, do="sms_batch_resume")
    assert codes(again.text) == ["sms_batch_state"]
    business.post("/sms/stops", do="sms_stop_remove", phone="+995599000013")
    assert messages(portal) == credit
    assert portal.command("sms", "stop", "list", "--account", "1") == []


def test_B9_a_batch_that_cannot_be_paid_is_not_offered(business: Browserless) -> None:
    phones = "\n".join(f"+9955991{number:05}" for number in range(99))
    shown, sent = batch(business, text="x" * 1990, to=phones)
    assert "isn&#39;t enough" in shown
    assert sent == ""


def test_a_batch_goes_at_a_time_and_a_draft_is_kept(
    portal: Served, business: Browserless, credit: int
) -> None:
    given = {"sender": "AnasShop", "text": "Hello", "groups": "debtors"}
    shown = business.post("/sms/batches/new", do="preview", **given).text
    refused = business.send_form(
        "/sms/batches/new", shown, {"do": "sms_batch_add", "at": "tomorrow", **given}
    )
    assert codes(refused.text) == ["time_malformed"]
    sent = business.send_form(
        "/sms/batches/new", shown, {"do": "sms_batch_add", "at": "2093-03-01T10:00", **given}
    )
    assert 'data-state="scheduled"' in sent.text
    fields = {"do": "sms_draft_add", "name": "spring", **given}
    business.send_form("/sms/batches/new", shown, fields)
    (draft,) = portal.command("sms", "draft", "list", "--account", "1")
    assert (draft["name"], draft["sender"], draft["groups"]) == ("spring", "AnasShop", ["debtors"])
    filled = business.get("/sms/batches/new", draft="spring").text
    assert 'name="groups" value="debtors"  checked' in filled.replace("\n", " ")
