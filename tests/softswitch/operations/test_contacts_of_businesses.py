"""Contacts, groups, templates and drafts of businesses, and tables that are imported (B8)."""

from __future__ import annotations

import io
import time

import pytest
from operating import refused

from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.texts import contact_table, contacts, templates
from softswitch.operations.workbook import WorkbookError, to_csv

ANA = "Ana"


@pytest.fixture
def office(context: Context) -> Context:
    accounts.account_add(context, ANA)
    return context


def imported(context: Context, text: str, **named: object) -> dict[str, object]:
    return contact_table.sms_contact_import(context, ANA, text, **named)  # type: ignore[arg-type]


def workbook(*rows: tuple[object, ...]) -> bytes:
    from openpyxl import Workbook

    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def test_B8_a_contact_is_added_replaced_found_changed_and_removed(office: Context) -> None:
    contacts.sms_contact_add(office, ANA, "599 00 00 01", "Nino", {"city": "Batumi"})
    contacts.sms_contact_add(office, ANA, "+995599000002", "Gio")
    again = contacts.sms_contact_add(office, ANA, "+995599000001", "Nino K", {"city": "Poti"})
    rows = contacts.sms_contact_list(office, ANA)
    assert [(row["phone"], row["name"]) for row in rows] == [
        ("+995599000002", "Gio"),
        ("+995599000001", "Nino K"),
    ]
    assert again["fields"] == {"city": "Poti"}
    assert [row["name"] for row in contacts.sms_contact_list(office, ANA, "nin")] == ["Nino K"]
    assert [row["name"] for row in contacts.sms_contact_list(office, ANA, "99559900000")] == [
        "Gio",
        "Nino K",
    ]
    changed = contacts.sms_contact_set(office, ANA, "+995599000002", "phone", "+995599000003")
    assert changed["phone"] == "+995599000003"
    assert contacts.sms_contact_set(office, ANA, "+995599000003", "city", "Gori")["fields"] == {
        "city": "Gori"
    }
    assert "another contact has the phone" in refused(
        contacts.sms_contact_set, office, ANA, "+995599000003", "phone", "+995599000001"
    )
    contacts.sms_contact_remove(office, ANA, "+995599000003")
    assert "no contact with the phone" in refused(
        contacts.sms_contact_remove, office, ANA, "+995599000003"
    )


def test_B8_pages_of_contacts_lose_none_and_show_none_twice(office: Context) -> None:
    imported(office, "phone\n" + "".join(f"+9955990{n:05}\n" for n in range(120)))
    seen: list[object] = []
    before = None
    while page := contacts.sms_contact_list(office, ANA, limit=50, before=before):
        seen.extend(row["phone"] for row in page)
        before = int(str(page[-1]["id"]))
    assert seen == [f"+9955990{n:05}" for n in reversed(range(120))]


def test_B8_groups_have_contacts_and_a_removed_one_leaves_them(office: Context) -> None:
    contacts.sms_group_add(office, ANA, "friends")
    contacts.sms_group_add(office, ANA, "friends")
    for last in "123":
        contacts.sms_contact_add(office, ANA, f"+99559900000{last}")
    put = contacts.sms_group_put(office, ANA, "friends", ["+995599000001", "+995599000002"])
    assert (put["contacts"], put["changed"]) == (2, 2)
    assert "no contact" in refused(
        contacts.sms_group_put, office, ANA, "friends", ["+995599000003", "+995599000009"]
    )
    taken = contacts.sms_group_take(office, ANA, "friends", ["+995599000001"])
    assert (taken["contacts"], taken["changed"]) == (1, 1)
    listed = contacts.sms_contact_list(office, ANA, group="friends")
    assert [row["phone"] for row in listed] == ["+995599000002"]
    contacts.sms_contact_remove(office, ANA, "+995599000002")
    assert contacts.sms_group_list(office, ANA)[0]["contacts"] == 0
    contacts.sms_group_remove(office, ANA, "friends")
    assert contacts.sms_group_list(office, ANA) == []
    assert len(contacts.sms_contact_list(office, ANA)) == 2


def test_B8_templates_say_which_fields_they_ask_for(office: Context) -> None:
    made = templates.sms_template_add(office, ANA, "debt", "Dear {name}, {sum} by {date}. {} {1}")
    assert made["fields"] == ["name", "sum", "date"]
    templates.sms_template_add(office, ANA, "debt", "{name}!")
    assert [row["text"] for row in templates.sms_template_list(office, ANA)] == ["{name}!"]
    templates.sms_draft_add(office, ANA, "spring", "Sale", groups=["friends"])
    assert templates.sms_draft_list(office, ANA)[0]["groups"] == ["friends"]
    templates.sms_draft_remove(office, ANA, "spring")
    assert "no draft" in refused(templates.sms_draft_remove, office, ANA, "spring")


def test_B8_good_rows_are_imported_and_faulty_ones_are_named_by_row(office: Context) -> None:
    text = (
        "Phone;Name;Home town\n"
        "+995 599 000 001;Nino;Batumi\n"
        "995599000002;Gio;\n"
        "9.95599E+11;Lost;\n"
        ";Empty;\n"
        "0599000003;Zero;\n"
        "\n"
        "+995599000001;Again;\n"
        "112;Police;\n"
        "+995599000004;Too;many;cells\n"
    )
    before = imported(office, text, dry_run=True)
    assert contacts.sms_contact_list(office, ANA) == []
    result = imported(office, text, group="new")
    assert before["import"] is None
    assert {**result, "dry_run": True, "import": None} == before
    assert (result["rows"], result["added"], result["faulty"], result["doubles"]) == (8, 3, 4, 1)
    faults = result["faults"]
    assert isinstance(faults, list)
    assert [fault.partition(":")[0] for fault in faults] == [
        "row 4", "row 5", "row 9", "row 10", "row 8",
    ]  # fmt: skip
    assert "lost its digits" in faults[0]
    assert faults[4] == "row 8: +995599000001 is in row 2 already"
    rows = contacts.sms_contact_list(office, ANA, group="new")
    assert [(row["phone"], row["fields"]) for row in rows] == [
        ("+995599000003", {}),
        ("+995599000002", {}),
        ("+995599000001", {"home_town": "Batumi"}),
    ]
    assert imported(office, text)["replaced"] == 3
    assert "no column phone" in refused(imported, office, "number,name\n1,2\n")


def test_B8_a_workbook_keeps_leading_zeros_and_reads_formulas_as_values(office: Context) -> None:
    text = to_csv(workbook(("phone", "name"), ("0599000001", "Nino"), (995599000002, "Gio")))
    assert imported(office, text)["added"] == 2
    with_formula = workbook(("phone", "sum"), ("+995599000003", "=1+1"))
    with pytest.raises(WorkbookError, match="formula"):
        to_csv(with_formula)
    # No spreadsheet has computed this one, so it has no value yet.
    assert to_csv(with_formula, computed=True) == "phone,sum\n+995599000003,\n"


def test_B8_twenty_thousand_rows_are_imported_in_seconds(office: Context) -> None:
    text = "phone,name,sum\n" + "".join(f"+9955{n:08},Name {n},{n}\n" for n in range(20_000))
    begin = time.perf_counter()
    assert imported(office, text)["added"] == 20_000
    assert time.perf_counter() - begin < 10


def rows_of(office: Context) -> dict[object, tuple[object, ...]]:
    return {
        row["phone"]: (row["name"], row["fields"], row["groups"])
        for row in (
            contacts.sms_contact_show(office, ANA, str(one["phone"]))
            for one in contacts.sms_contact_list(office, ANA)
        )
    }


def test_B8_an_import_is_undone_and_leaves_what_was_changed_since(office: Context) -> None:
    contacts.sms_group_add(office, ANA, "new")
    contacts.sms_contact_add(office, ANA, "+995599000001", "Nino", {"sum": "5"}, ["new"])
    contacts.sms_contact_add(office, ANA, "+995599000002", "Gio", {"sum": "7"})
    before = rows_of(office)
    made = imported(
        office,
        "phone,name,sum\n+995599000001,N,1\n+995599000002,G,2\n+995599000003,E,3\n"
        "+995599000004,Z,4\n",
        group="new",
    )
    assert (made["added"], made["replaced"]) == (2, 2)
    assert rows_of(office)["+995599000002"] == ("G", {"sum": "2"}, ["new"])
    contacts.sms_contact_set(office, ANA, "+995599000003", "name", "Eka")
    (listed,) = contact_table.sms_import_list(office, ANA)
    assert (listed["import"], listed["added"], listed["replaced"]) == (made["import"], 2, 2)
    undone = contact_table.sms_import_undo(office, ANA, str(made["import"]))
    assert (undone["removed"], undone["restored"], undone["changed_since"]) == (1, 2, 1)
    assert rows_of(office) == before | {"+995599000003": ("Eka", {"sum": "3"}, ["new"])}
    again = refused(contact_table.sms_import_undo, office, ANA, str(made["import"]))
    assert "can't be undone any more" in again


def test_B8_an_import_is_undone_within_a_day_and_by_its_own_account(office: Context) -> None:
    made = str(imported(office, "+995599000001\n")["import"])
    accounts.account_add(office, "Beka")
    assert "there is no import" in refused(contact_table.sms_import_undo, office, "Beka", made)
    began = office.now_ms()
    office.now_ms = lambda: began + 86_400_001
    assert "a day old" in refused(contact_table.sms_import_undo, office, ANA, made)
    assert contact_table.sms_import_list(office, ANA) == []
    office.now_ms = lambda: began + 86_399_000
    assert contact_table.sms_import_undo(office, ANA, made)["removed"] == 1


def test_a_group_is_renamed_but_not_to_a_name_that_is_taken(office: Context) -> None:
    contacts.sms_group_add(office, ANA, "old")
    contacts.sms_group_add(office, ANA, "taken")
    assert contacts.sms_group_rename(office, ANA, "old", "friends")["group"] == "friends"
    names = [row["group"] for row in contacts.sms_group_list(office, ANA)]
    assert names == ["friends", "taken"]
    assert "already" in refused(contacts.sms_group_rename, office, ANA, "friends", "taken")
