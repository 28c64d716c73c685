"""Requests with their conversation, notes on customers, reviewers of documents, registration."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from two_subscribers import fingerprint

from billing.facts.account import ACTIVE, CLOSED, Change
from softswitch.control.actor import Actor, Role
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts, documents, notes, registration
from softswitch.operations.accounts.registration import LineWanted
from softswitch.operations.context import Concern, Context
from softswitch.operations.dispatch import perform
from softswitch.operations.lines import lines
from softswitch.operations.registry import OPERATIONS
from softswitch.scheduled.number_moves import NumberMoves, Unused
from tests.softswitch.operating import at, refused

ANA, FREE = "+995322000001", "+995322000007"
PERSON = {
    "first_name": "Nino", "surname": "Beridze", "gender": "female", "fathers_name": "Gia",
    "nationality": "GE", "birth_date": "1990-05-31", "identity_document": "12AB34567",
    "national_code": "01001001001", "place_of_issue": "Tbilisi", "postal_code": "0105",
}  # fmt: skip


@pytest.fixture
def staff(context: Context) -> Context:
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    accounts.account_add(context, "Ana")
    lines.line_add(context, ANA, "Ana", login="ana")
    return as_(context, "nino", "admin")


def as_(context: Context, user: str, role: Role, account: int | None = None) -> Context:
    return replace(context, actor=Actor(user, role, account), concern=Concern())


def do(context: Context, operation: str, **arguments: object) -> Any:
    return perform(context, OPERATIONS[operation], arguments)


def code_of(context: Context, operation: str, **arguments: object) -> str:
    try:
        do(context, operation, **arguments)
    except OperationError as error:
        return error.code
    return ""


def test_a_request_is_talked_about_and_taken_back(staff: Context) -> None:
    ana = as_(staff, "ana", "subscriber", 1)
    made = do(ana, "request_open", kind="relocation", text="We move", details={"on": "2027-02-01"})
    assert made["facts"] == {"details": {"on": "2027-02-01"}}
    do(staff, "request_note", request=made["id"], text="Which address?")
    do(ana, "request_note", request=made["id"], text="Rustaveli 1")
    shown = do(ana, "request_show", request=made["id"])
    assert [(note["side"], note["who"], note["text"]) for note in shown["notes"]] == [
        ("operator", "operator", "Which address?"), ("subscriber", "ana", "Rustaveli 1"),
    ]  # fmt: skip
    assert do(staff, "request_show", request=made["id"])["notes"][0]["who"] == "nino"
    assert do(ana, "request_cancel", request=made["id"])["state"] == "cancelled"
    assert code_of(ana, "request_note", request=made["id"], text="Hello?") == "state_final"
    assert do(ana, "request_list") == []


def test_a_request_is_given_to_one_of_the_staff_and_no_subscriber_is_told(staff: Context) -> None:
    ana = as_(staff, "ana", "subscriber", 1)
    made = do(ana, "request_open", kind="line", text="One more", details={"number": FREE})
    assert [row["id"] for row in do(staff, "request_list", assignee="")] == [made["id"]]
    assert do(staff, "request_assign", request=made["id"], to="gio")["assignee"] == "gio"
    assert do(staff, "request_list", assignee="") == []
    assert [row["id"] for row in do(staff, "request_list", assignee="gio")] == [made["id"]]
    assert "assignee" not in do(ana, "request_show", request=made["id"])
    assert do(staff, "request_assign", request=made["id"])["assignee"] is None


def test_details_are_those_of_the_kind(staff: Context) -> None:
    ana = as_(staff, "ana", "subscriber", 1)
    for kind, details, code in (
        ("greeting", {"number": FREE}, "request_detail_unknown"),
        ("greeting", {"voice": "loud"}, "not_one_of"),
        ("number_change", {"number": "1"}, "number_malformed"),
        ("line", {"lease_ends_on": "2020-01-01"}, "date_past"),
    ):
        asked: dict[str, object] = {"kind": kind, "text": "x", "details": details, "line": ANA}
        assert code_of(ana, "request_open", **asked) == code
    assert code_of(ana, "request_open", kind="number_change", text="x") == "request_needs_line"
    said = code_of(ana, "request_open", kind="restore", text="x", line=ANA)
    assert said == "line_not_in_quarantine"


def test_a_cancelled_line_is_restored_by_its_request(staff: Context) -> None:
    ana = as_(staff, "ana", "subscriber", 1)
    now = staff.now_ms()
    change = Change(1, now, "switch", f"line {ANA}", ACTIVE, CLOSED, "unused")
    line_id = staff.line(ANA).id
    NumberMoves(staff.billing.engine).cancel(Unused(line_id, ANA, 1), now + 10**9, change)
    made = do(ana, "request_open", kind="restore", text="I use it", line=ANA)
    do(staff, "request_done", request=made["id"], answer="Done")
    assert staff.line(ANA).status == ACTIVE


def test_notes_on_a_customer_are_for_the_staff(staff: Context) -> None:
    for text in ("calls at night", "paid in cash"):
        do(staff, "note_add", account="1", text=text)
    rows = notes.note_list(staff, "1", limit=1)
    assert [(row["who"], row["text"]) for row in rows] == [("nino", "paid in cash")]
    rows = notes.note_list(staff, "1", limit=1, before=int(str(rows[0]["id"])))
    assert [row["text"] for row in rows] == ["calls at night"]
    ana = as_(staff, "ana", "subscriber", 1)
    assert code_of(ana, "note_list") == code_of(ana, "note_add", text="x") == "right_missing"
    assert refused(notes.note_add, staff, "1", " ").startswith("the text has 1 to")


def test_a_document_is_one_reviewers_for_ten_minutes(staff: Context) -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    key = do(staff, "document_upload", account="1", kind="identity", name="a.png", content=png)[
        "id"
    ]
    gio = as_(staff, "gio", "reviewer")
    assert do(staff, "document_look", document=key)["looked_at_by"] == "nino"
    assert code_of(gio, "document_look", document=key) == "document_looked_at"
    assert code_of(gio, "document_approve", document=key) == "document_looked_at"
    (row,) = do(gio, "document_list", state="pending", after=0)
    assert (row["id"], row["looked_at_by"]) == (key, "nino")
    later = replace(gio, now_ms=lambda: staff.now_ms() + 600_001)
    assert do(later, "document_look", document=key)["looked_at_by"] == "gio"
    assert do(later, "document_look", document=key, release=True)["looked_at_by"] is None
    assert do(replace(staff, now_ms=later.now_ms), "document_approve", document=key)["state"]
    assert code_of(gio, "document_look", document=key) == "state_final"
    (row,) = do(as_(staff, "ana", "subscriber", 1), "document_list")
    assert "looked_at_by" not in row


def test_the_queue_of_documents_goes_on_after_the_last_one(staff: Context) -> None:
    for n in range(3):
        content = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes([n])).decode()
        documents.document_upload(staff, "1", "identity", f"{n}.png", content)
    assert [row["id"] for row in documents.document_list(staff, after=0, limit=2)] == [1, 2]
    assert [row["id"] for row in documents.document_list(staff, after=2, limit=2)] == [3]
    assert refused(documents.document_list, staff, after=1, before=3).startswith("a page goes on")


def test_a_person_is_registered_with_data_and_lines(staff: Context) -> None:
    wanted = [{"number": FREE, "lease_ends_on": "2027-12-31"}]
    row = do(staff, "account_register", kind="person", fields=PERSON, lines=wanted)
    assert (row["name"], row["status"]) == ("Nino Beridze", "registered")
    assert (row["lines"][0]["number"], row["lines"][0]["role"]) == (FREE, "user")
    shown = accounts.account_show(staff, str(row["id"]))
    assert shown["national_code"] == "01001001001"


def test_a_national_code_that_is_known_is_taken_whoever_has_it(staff: Context) -> None:
    do(staff, "account_register", kind="person", fields=PERSON)
    with pytest.raises(OperationError) as error:
        registration.account_register(staff, "person", dict(PERSON))
    assert (error.value.code, error.value.facts) == ("field_taken", {"field": "national_code"})
    assert len(accounts.account_list(staff)) == 2


def test_every_fault_of_a_registration_has_its_field(staff: Context) -> None:
    fields = {**PERSON, "national_code": "12", "nationality": "Georgia", "colour": "red"}
    del fields["surname"]
    rows = registration.registration_check(staff, "person", fields)
    assert {row["field"]: row["code"] for row in rows} == {
        "national_code": "letters_or_digits", "nationality": "country_malformed",
        "colour": "field_unknown", "surname": "field_missing",
    }  # fmt: skip
    assert registration.registration_check(staff, "person", dict(PERSON)) == []
    (row,) = registration.registration_check(staff, "robot", {})
    assert (row["field"], row["code"]) == ("kind", "account_kind_unknown")


def test_a_registration_whose_line_fails_leaves_nothing(staff: Context) -> None:
    wanted = [LineWanted(FREE), LineWanted("+995322000008", "2026-01-01")]
    with pytest.raises(OperationError) as error:
        registration.account_register(staff, "person", dict(PERSON), lines=wanted)
    assert error.value.code == "date_past"
    for lines_ in ([LineWanted(FREE), LineWanted(ANA)], [LineWanted(FREE), LineWanted(FREE)]):
        before = fingerprint(staff)
        with pytest.raises(OperationError) as error:
            registration.account_register(staff, "person", dict(PERSON), lines=lines_)
        assert error.value.kind == "conflict"
        assert fingerprint(staff) == before
    assert staff.directory.line_by_number(FREE) is None
    assert len(accounts.account_list(staff)) == 1
    again = registration.account_register(staff, "person", dict(PERSON), lines=[LineWanted(FREE)])
    assert (again["status"], staff.line(FREE).account_id) == ("registered", again["id"])
