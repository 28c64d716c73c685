"""Subscribers (C3, C8-C9, C13, C16-C21, E4): fields, logins, statuses, leases, documents."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from operating import later, refused

from billing.facts.account import TRANSITIONS
from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr, MediaFigures, SideMedia
from sip.reading import parse_message
from softswitch.operations.accounts import accounts, documents, requests
from softswitch.operations.accounts.standing import account_history, account_status
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.money import packages
from softswitch.operations.numbers import numbers
from softswitch.subscribers import passwords, profile

if TYPE_CHECKING:
    from command_line import Softswitch

PERSON = {
    "first_name": "ანა", "surname": "ბერიძე", "gender": "female", "fathers_name": "გიორგი",
    "nationality": "ge", "birth_date": "1990-02-28", "identity_document": "AB 1234567",
    "place_of_issue": "თბილისი", "national_code": "01001012345", "postal_code": "0108",
}  # fmt: skip
COMPANY = {
    "registration_date": "2001-09-01", "registration_number": "404 123 456",
    "place_of_issue": "Tbilisi", "subscriber_type": "business", "postal_code": "0105",
}  # fmt: skip
PDF = base64.b64encode(b"%PDF-1.7 a scan").decode()
TODAY = "2026-05-29"
"""By the clock of the switch in Tbilisi."""


def applicant(context: Context, kind: str = "person", name: str = "Ana") -> str:
    """Who has told everything of himself, and isn't approved yet."""
    row = accounts.account_add(context, name, kind, registered=True)
    for key, value in (PERSON if kind == "person" else COMPANY).items():
        accounts.account_set(context, name, key, value)
    return str(row["id"])


def proven(context: Context, account: str, kind: str = "identity", **more: Any) -> None:
    document = documents.document_upload(context, account, kind, "scan.pdf", PDF, **more)
    documents.document_approve(context, document["id"], by="nino")


class TestFields:
    def test_C16_a_person(self, context: Context) -> None:
        applicant(context)
        row = accounts.account_show(context, "Ana")
        assert {key: row[key] for key in PERSON} == PERSON | {"nationality": "GE"}
        assert "registration_number" not in row

    def test_C17_a_company(self, context: Context) -> None:
        applicant(context, "company", "Tea Ltd")
        row = accounts.account_show(context, "Tea Ltd")
        assert {key: row[key] for key in COMPANY} == COMPANY
        assert "first_name" not in row

    @pytest.mark.parametrize(
        ("key", "value", "says"),
        [
            ("gender", "x", "female, male or unspecified"),
            ("birth_date", "2027-01-01", "to today"),
            ("birth_date", "31.12.1990", "a date like"),
            ("national_code", "123456", "11 digits (GE)"),
            ("nationality", "Georgia", "two capital letters, such as GE"),
            ("first_name", "a\nb", "printable"),
            ("email", "nobody", "name@example.org"),
            ("email", "a@b.c\r\nBcc: x@y.z", "name@example.org"),
            ("language", "de", "ka, ru, en, fa or kk"),
            ("registration_number", "1234", "a field of a company"),
            ("frist_name", "Ana", "did you mean 'first_name'?"),
        ],
    )
    def test_C16_broken_fields(self, context: Context, key: str, value: str, says: str) -> None:
        accounts.account_add(context, "Ana")
        assert says in refused(accounts.account_set, context, "Ana", key, value)

    def test_C16_a_field_is_taken_away_and_both_are_written_down(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        accounts.account_set(context, "Ana", "surname", "Beridze", by="nino")
        assert accounts.account_set(context, "Ana", "surname", "")["surname"] is None
        assert [(c["who"], c["from"], c["to"]) for c in account_history(context, "Ana")] == [
            ("nino", "", "Beridze"),
            ("operator", "Beridze", ""),
        ]

    def test_C19_a_persons_login_is_his_national_code(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        assert "national code" in refused(accounts.account_login, context, "Ana")
        accounts.account_set(context, "Ana", "national_code", PERSON["national_code"])
        issued = accounts.account_login(context, "Ana")
        assert issued["login"] == PERSON["national_code"]
        proof = accounts.account_authenticate
        assert proof(context, issued["login"], issued["password"])["name"] == "Ana"
        assert accounts.account_show(context, "Ana")["login"] == issued["login"]
        again = accounts.account_login(context, "Ana")
        assert "wrong" in refused(proof, context, issued["login"], issued["password"])
        assert proof(context, again["login"], again["password"])["id"] == issued["account"]
        assert refused(proof, context, "nobody", "x") == refused(proof, context, "1", "y")

    def test_C19_a_company_gets_a_suitable_login(self, context: Context) -> None:
        applicant(context, "company", "Tea Ltd")
        assert accounts.account_login(context, "Tea Ltd")["login"] == "c404123456"

    def test_C19_a_login_belongs_to_one(self, context: Context) -> None:
        for name in ("Ana", "Beka"):
            accounts.account_add(context, name)
            accounts.account_set(context, name, "national_code", PERSON["national_code"])
        accounts.account_login(context, "Ana")
        assert "another account" in refused(accounts.account_login, context, "Beka")

    def test_passwords_are_kept_as_salted_hashes(self) -> None:
        one, other = passwords.hashed("secret"), passwords.hashed("secret")
        assert one != other and "secret" not in one
        assert passwords.matches("secret", one) and not passwords.matches("Secret", one)


class TestStatuses:
    def test_C20_from_registration_to_the_end(self, context: Context) -> None:
        account = applicant(context)
        proven(context, account)
        for status in ("approved", "active", "suspended", "active", "disconnected", "closed"):
            row = account_status(context, account, status, f"why {status}", "nino")
            assert row["status"] == status
        history = [c for c in account_history(context, account) if c["what"] == "status"]
        assert [(c["from"], c["to"], c["who"], c["reason"]) for c in history] == [
            ("registered", "approved", "nino", "why approved"),
            ("approved", "active", "nino", "why active"),
            ("active", "suspended", "nino", "why suspended"),
            ("suspended", "active", "nino", "why active"),
            ("active", "disconnected", "nino", "why disconnected"),
            ("disconnected", "closed", "nino", "why closed"),
        ]
        assert history[0]["at"] == "2026-05-28T20:26:40.000Z"

    def test_every_other_transition_is_refused(self, context: Context) -> None:
        for number, (before, following) in enumerate(TRANSITIONS.items()):
            for after in TRANSITIONS:
                name = f"Client {number} {after}"
                accounts.account_add(context, name)
                place = context.billing.engine.begin()
                with place as connection:
                    connection.exec_driver_sql(f"UPDATE accounts SET status = '{before}'")
                if after == before:
                    assert account_status(context, name, after)["status"] == before
                elif after not in following:
                    said = refused(account_status, context, name, after)
                    assert f"is {before} and can't become {after}" in said
        assert account_history(context, "Client 0 active") == []

    def test_C20_nobody_is_approved_without_fields_and_a_document(self, context: Context) -> None:
        accounts.account_add(context, "Ana", registered=True)
        assert "lacks first_name" in refused(account_status, context, "Ana", "approved")
        for key, value in PERSON.items():
            accounts.account_set(context, "Ana", key, value)
        assert "the class identity" in refused(account_status, context, "Ana", "approved")
        proven(context, "Ana", "lease")
        assert "the class identity" in refused(account_status, context, "Ana", "approved")
        proven(context, "Ana")
        assert account_status(context, "Ana", "approved")["status"] == "approved"

    def test_C9_a_wish_and_a_debt_never_lift_each_other(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana")
        lines.line_disconnect(context, "322000001", "moves house", "nino")
        assert "is disconnected" in refused(lines.line_resume, context, "322000001")
        assert lines.line_reconnect(context, "322000001")["status"] == "active"
        lines.line_suspend(context, "322000001", "owes")
        assert "is suspended" in refused(lines.line_reconnect, context, "322000001")
        found = [(c["what"], c["to"], c["reason"]) for c in account_history(context, "Ana")]
        assert found == [
            ("line +995322000001", "disconnected", "moves house"),
            ("line +995322000001", "active", ""),
            ("line +995322000001", "suspended", "owes"),
        ]

    def test_an_account_that_rents_isnt_closed(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana")
        accounts.account_topup(context, "Ana", "10", "p1")
        numbers.number_add(context, "+4930000001", "DE", "landline", "5")
        numbers.rental_order(context, "Ana", "322000001", ["+4930000001"])
        assert "rents +4930000001" in refused(account_status, context, "Ana", "closed")


class TestLeases:
    def test_C18_access_ends_with_the_lease(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        row = lines.line_add(context, "322000001", "Ana", lease_ends_on="2026-12-31")
        assert (row["role"], row["lease_ends_on"]) == ("user", "2026-12-31")
        assert lines.line_add(context, "322000002", "Ana")["role"] == "owner"
        later(context, "2026-12-31T23:59+04:00")
        assert lines.line_show(context, "322000001")["status"] == "active"
        later(context, "2027-01-01T00:00+04:00")
        assert [row["status"] for row in lines.line_list(context)] == ["suspended", "active"]
        assert account_history(context, "Ana")[-1]["reason"] == "the lease ended on 2026-12-31"
        assert "the lease of" in refused(lines.line_resume, context, "322000001")
        lines.line_set(context, "322000001", "lease_ends_on", "2027-12-31")
        assert lines.line_resume(context, "322000001")["status"] == "active"

    def test_C18_a_lease_that_was_renewed_in_time_ends_nothing(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana", lease_ends_on="2026-12-31")
        lines.line_set(context, "322000001", "lease_ends_on", "2027-12-31")
        later(context, "2027-06-01T00:00+04:00")
        assert lines.line_show(context, "322000001")["status"] == "active"
        lines.line_set(context, "322000001", "lease_ends_on", "")
        later(context, "2029-01-01T00:00+04:00")
        assert lines.line_show(context, "322000001")["role"] == "owner"
        assert lines.line_show(context, "322000001")["status"] == "active"

    @pytest.mark.parametrize(
        ("ends_on", "enough"), [("2026-10-28", False), ("2026-10-29", True), ("2026-05-01", False)]
    )
    def test_C21_five_months_must_be_left(
        self, context: Context, ends_on: str, enough: bool
    ) -> None:
        accounts.account_add(context, "Ana")
        if enough:
            lines.line_add(context, "322000001", "Ana", lease_ends_on=ends_on)
        else:
            said = refused(lines.line_add, context, "322000001", "Ana", lease_ends_on=ends_on)
            assert "lease" in said

    def test_C21_they_are_counted_when_the_account_is_activated(self, context: Context) -> None:
        account = applicant(context)
        proven(context, account)
        lines.line_add(context, "322000001", account, lease_ends_on="2026-12-01")
        account_status(context, account, "approved")
        later(context, "2026-07-15T12:00+04:00")
        said = refused(account_status, context, account, "active")
        assert "ends on 2026-12-01: it must have 5 months left" in said
        lines.line_set(context, "322000001", "lease_ends_on", "2026-12-15")
        assert account_status(context, account, "active")["status"] == "active"

    def test_C21_five_months_on_the_calendar(self) -> None:
        day = datetime.fromisoformat
        enough = profile.lease_is_long_enough
        assert enough(day("2027-02-28").date(), day("2026-09-30").date())
        assert not enough(day("2027-02-27").date(), day("2026-09-30").date())


class TestDocuments:
    def test_C20_from_the_upload_to_the_review(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        row = documents.document_upload(context, "Ana", "identity", "scan.pdf", PDF)
        assert (row["state"], row["type"], row["octets"]) == ("pending", "application/pdf", 15)
        again = documents.document_upload(context, "Ana", "identity", "other.pdf", PDF)
        assert again["id"] == row["id"]
        got = documents.document_content(context, row["id"])["content"]
        assert base64.b64decode(got) == b"%PDF-1.7 a scan"
        refused_row = documents.document_refuse(context, row["id"], "can't be read", "nino")
        assert (refused_row["state"], refused_row["reason"]) == ("refused", "can't be read")
        assert "is refused already" in refused(documents.document_approve, context, row["id"])
        (notice,) = packages.account_notices(context, "Ana")
        assert (notice["what"], notice["about"]) == ("document_refused", "identity")
        anew = documents.document_upload(context, "Ana", "identity", "scan.pdf", PDF)
        assert anew["id"] != row["id"]
        assert anew["state"] == "pending"
        assert documents.document_approve(context, anew["id"])["state"] == "approved"

    def test_C21_a_lease_that_ends_too_early_is_refused_where_it_is_approved(
        self, context: Context
    ) -> None:
        accounts.account_add(context, "Ana")
        row = documents.document_upload(context, "Ana", "lease", "lease.pdf", PDF, "2026-10-28")
        said = refused(documents.document_approve, context, row["id"])
        assert said == "a lease must have 5 months left; this one ends on 2026-10-28"
        assert documents.document_list(context, "Ana")[0]["state"] == "pending"
        assert documents.document_approve(context, row["id"], "2026-10-29")["state"] == "approved"

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("a.exe", base64.b64encode(b"MZ").decode(), "neither PDF, JPEG nor PNG"),
            ("../a.pdf", PDF, "no /"),
            ("a.pdf", "???", "base64"),
            ("a.pdf", "", "1 octet to 10 MiB"),
        ],
    )
    def test_C20_broken_uploads(self, context: Context, name: str, content: str, says: str) -> None:
        accounts.account_add(context, "Ana")
        upload = documents.document_upload
        assert says in refused(upload, context, "Ana", "identity", name, content)

    def test_C20_a_document_expires(self, context: Context) -> None:
        account = applicant(context)
        proven(context, account, expires_on="2026-06-30")
        later(context, "2026-06-30T23:00+04:00")
        assert packages.account_notices(context, account)[-1]["what"] == "document_approved"
        later(context, "2026-07-01T00:00+04:00")
        assert packages.account_notices(context, account)[-1]["what"] == "document_expired"
        assert "no approved document" in refused(account_status, context, account, "approved")

    def test_E4_what_a_numbers_supplier_needs(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana")
        accounts.account_topup(context, "Ana", "10", "p1")
        numbers.number_add(context, "+4930000001", "DE", "landline", "5", documents="berlin")
        order = {"numbers": ["+4930000001"], "order_id": "o1"}
        (row,) = numbers.rental_order(context, "Ana", "322000001", **order)
        assert row["state"] == "documents"
        document = documents.document_upload(context, "Ana", "berlin", "scan.pdf", PDF)
        approved = documents.document_approve(context, document["id"])
        assert approved["numbers_connected"] == ["+4930000001"]
        assert approved["numbers_waiting"] == []
        (row,) = numbers.rental_order(context, "Ana", "322000001", **order)
        assert row["state"] == "active"


class TestRequests:
    def test_C3_relocation(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana")
        made = requests.request_open(context, "Ana", "relocation", "to Rustaveli 1", "322000001")
        assert [row["id"] for row in requests.request_list(context)] == [made["id"]]
        done = requests.request_done(context, made["id"], "on Monday")
        assert (done["state"], done["answer"]) == ("done", "on Monday")
        assert requests.request_list(context, "Ana") == []
        assert "is done already" in refused(requests.request_refuse, context, made["id"], "no")
        assert packages.account_notices(context, "Ana")[-1]["what"] == "request_done"

    def test_C8_a_correction_sets_its_fields_when_it_is_done(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        ask = requests.request_open
        assert "must be 3 to 12" in refused(
            ask, context, "Ana", "correction", "typo", fields={"postal_code": "!"}
        )
        made = ask(context, "Ana", "correction", "typo", fields={"address": "Rustaveli 1"})
        assert accounts.account_show(context, "Ana")["address"] is None
        requests.request_done(context, made["id"], by="nino")
        assert accounts.account_show(context, "Ana")["address"] == "Rustaveli 1"
        (change,) = account_history(context, "Ana")
        assert (change["who"], change["reason"]) == ("nino", f"request {made['id']}")

    def test_C13_a_fault_report_attaches_what_the_switch_knows(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "322000001", "Ana")
        heard = MediaFigures(SideMedia(packets=50, lost=7), SideMedia(packets=48, one_way=True))
        for key, answered, media in (("bad", None, None), ("good", NOW - 8000, heard)):
            cdr = Cdr(
                key, "a", "outgoing", "national", 1, "+995322000001", "+995322000001",
                "+995322000002", "0322000002", None, None, NOW - 10_000, None, answered,
                NOW - 1000, 0, 7000, 200 if answered else 503, 41, "caller", media=media,
            )  # fmt: skip
            context.do(WriteCdr(cdr))
        assert "needs the line" in refused(requests.request_open, context, "Ana", "fault", "dead")
        register = parse_message(
            b"REGISTER sip:h SIP/2.0\r\nTo: <sip:995322000001@h>\r\nUser-Agent: Desk 1\r\n\r\n"
        )
        context.refused_registrations.note(register, "203.0.113.7", 403, "wrong", NOW / 1000)
        made = requests.request_open(context, "Ana", "fault", "no sound", "322000001")
        facts = requests.request_show(context, made["id"])["facts"]
        assert facts["registrations"] == []
        (refusal,) = facts["refused_registrations"]
        assert (refusal["source"], refusal["reason"]) == ("203.0.113.7", "wrong")
        assert refusal["user_agent"] == "Desk 1"
        assert [(f["sip_status"], f["called"]) for f in facts["failures"]] == [
            (503, "+995322000002")
        ]
        (sound,) = facts["media"]
        assert sound["caller"]["lost"] == 7 and sound["callee"]["one_way"]

    def test_requests_are_of_ones_own_lines(self, context: Context) -> None:
        for name in ("Ana", "Beka"):
            accounts.account_add(context, name)
        lines.line_add(context, "322000001", "Ana")
        said = refused(requests.request_open, context, "Beka", "fault", "dead", "322000001")
        assert "isn't of account 2" in said
        assert records.ledger_verify(context)["ok"]


NOW = 1_780_000_000_000


def test_C9_debts_are_shown_with_the_day_on_which_they_suspend(
    softswitch: Softswitch, folder: Path
) -> None:
    file = folder / "softswitch.toml"
    file.write_text(file.read_text() + '\n[debt]\nsuspend_after = "14 days"\n')
    made = softswitch("account", "add", "Dato", "--credit-limit", "10", "-o", "json").json
    account = str(made["id"])
    assert softswitch("account", "debts", "-o", "json").json == []
    fee = ("account", "fee", account, "7", "--for", "greeting", "--fee-id", "f1")
    assert softswitch(*fee).status == 0
    assert softswitch("account", "debts", "-o", "json").json == []  # within its limit, unbilled
    assert softswitch("account", "set", account, "credit_limit", "5").status == 0
    (row,) = softswitch("account", "debts", "-o", "json").json
    assert (row["name"], row["owes"], row["status"]) == ("Dato", "2.00", "active")
    assert row["suspends_on"] > row["since"][:10]
