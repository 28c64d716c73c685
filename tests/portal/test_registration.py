"""From the form to Home: a person registers, brings documents, and is approved (C16-C21)."""

from __future__ import annotations

import re

from served import PASSWORD, Browserless, Served, token

DATABASES = ("sqlite", "postgresql")

NINO = {
    "kind": "person", "first_name": "Nino", "surname": "Beridze", "gender": "female",
    "fathers_name": "Gio", "nationality": "GE", "birth_date": "1990-05-31",
    "identity_document": "12AB34567", "national_code": "01001001001",
    "place_of_issue": "Tbilisi", "postal_code": "0105", "email": "nino@example.org",
}  # fmt: skip


def register(portal: Served, **changes: str) -> str:
    stranger = Browserless(portal.url)
    return stranger.post("/register", "/register", **(NINO | changes)).text


def test_what_is_wrong_stands_beside_each_field(portal: Served) -> None:
    page = register(portal, national_code="12", birth_date="2990-01-01")
    wrong = re.findall(r'id="fault-(\w+)"', page)
    assert wrong == ["birth_date", "national_code"]
    assert 'value="Nino"' in page


def test_a_person_registers_uploads_and_is_approved(portal: Served) -> None:
    page = register(portal)
    login, password = re.findall(r"<code[^>]*>([^<]+)</code>", page)
    assert login == "01001001001"
    nino = Browserless(portal.url)
    nino.first_sign_in(login, password)
    home = nino.get("/", lang="en").text
    assert 'data-code="account_not_active"' in home
    shown = nino.get("/documents").text
    fields = {
        "csrf": token(shown, "csrf"), "key": "a" * 24, "do": "document_upload",
        "kind": "identity", "expires_on": "",
    }  # fmt: skip
    file = {"content": ("passport.pdf", b"%PDF-1.7 scan", "application/pdf")}
    answer = nino.send("POST", "/documents", data=fields, files=file, follow_redirects=True)
    assert "passport.pdf" in answer.text
    (document,) = portal.command("document", "list")
    portal.command("document", "approve", str(document["id"]), "--expires-on", "2036-01-01")
    assert "approved" in nino.get("/documents", lang="en").text
    file = nino.get(f"/documents/{document['id']}/file")
    assert file.content == b"%PDF-1.7 scan"
    assert file.headers["content-security-policy"] == "sandbox"
    assert "attachment" in file.headers["content-disposition"]
    assert PASSWORD not in home


def test_a_code_that_somebody_has_is_taken_without_saying_whose(portal: Served) -> None:
    page = register(portal, first_name="Eka")
    assert re.findall(r'id="fault-(\w+)"', page) == ["national_code"]
    assert "Nino" not in page


def test_persians_write_dates_by_their_calendar(portal: Served) -> None:
    stranger = Browserless(portal.url)
    fields = NINO | {"national_code": "01001001099", "birth_date": "۱۳۶۹/۰۳/۱۰"}
    page = stranger.post("/register?lang=fa", "/register", **fields).text
    assert re.findall(r'id="fault-(\w+)"', page) == []
    account = portal.command("account", "list")[-1]
    (shown,) = portal.command("account", "show", str(account["id"]))
    assert shown["birth_date"] == "1990-05-31"


def test_few_registrations_are_taken_from_one_place(portal: Served) -> None:
    for _ in range(40):
        page = register(portal, national_code="1", first_name="Again")
    assert "wrong tries" in page
