"""softswitch sms batch and its kin, on a database without a running switch."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Softswitch, runner


@pytest.fixture
def softswitch(one_line: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    """Nino, who may send, with the ten messages of the trial."""
    call = runner(capsys, "-o", "json")
    for command in (
        "sms grant Nino yes",
        "sms contract accept Nino",
        "sms sender add Nino MyShop",
        "sms sender approve Nino MyShop",
        "sms carrier add centre --target smpp://us:secret@192.0.2.1",
        "wallet trial Nino sms",
    ):
        done = call(*command.split())
        assert done.status == 0, done.err
    return call


def workbook(path: Path, *rows: tuple[object, ...]) -> str:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return str(path)


def test_B8_a_workbook_becomes_contacts_and_a_batch_that_is_paused_and_cancelled(
    softswitch: Softswitch, one_line: Path
) -> None:
    file = workbook(
        one_line / "clients.xlsx",
        ("Phone", "Name", "Debt"),
        (995599000001, "Gio", 5),
        ("0599000002", "Eka", 7.5),
        ("none", "Nobody", 1),
        ("+995 599 000 001", "Gio again", 2),
    )
    before = softswitch("sms", "contact", "import", "Nino", file, "--group", "debtors", "--dry-run")
    done = softswitch("sms", "contact", "import", "Nino", file, "--group", "debtors")
    assert before.json | {"dry_run": False, "import": done.json["import"]} == done.json
    assert (done.json["added"], done.json["faulty"], done.json["doubles"]) == (2, 1, 1)
    assert [fault.partition(":")[0] for fault in done.json["faults"]] == ["row 4", "row 5"]
    listed = softswitch("sms", "contact", "list", "--account", "Nino", "--search", "ek").json
    assert [(row["phone"], row["fields"]) for row in listed] == [("+995599000002", {"debt": "7.5"})]
    softswitch("sms", "template", "add", "Nino", "debt", "{name}, you owe {debt} GEL")
    to = ("sms", "batch", "add", "Nino", "--sender", "MyShop", "--template", "debt")
    shown = softswitch(*to, "--group", "debtors", "--dry-run").json
    assert shown["examples"] == [
        "+995599000001: Gio, you owe 5 GEL",
        "+995599000002: Eka, you owe 7.5 GEL",
    ]
    made = softswitch(*to, "--group", "debtors", "--key", "march").json
    again = softswitch(*to, "--group", "debtors", "--key", "march").json
    assert again == made | {"repeated": True}
    assert (made["state"], made["waiting"], made["price"]) == ("running", 2, "2.00")
    assert softswitch("sms", "batch", "pause", made["id"]).json["state"] == "paused"
    assert softswitch("sms", "batch", "resume", made["id"]).json["state"] == "running"
    assert softswitch("sms", "batch", "cancel", made["id"]).json["cancelled"] == 2
    refused = softswitch("sms", "batch", "pause", made["id"])
    assert (refused.status, refused.err) == (1, f"softswitch: batch {made['id']} is cancelled\n")
    assert [row["id"] for row in softswitch("sms", "batch", "list").json] == [made["id"]]
    assert softswitch("ledger", "verify").status == 0


def test_B10_a_report_is_csv_for_a_spreadsheet(softswitch: Softswitch, one_line: Path) -> None:
    (one_line / "phones.txt").write_text("599000001\n599000002\n")
    made = softswitch(
        "sms", "batch", "add", "Nino", "--sender", "MyShop", "--text", "Hi", "--to", "phones.txt"
    ).json  # fmt: skip
    report = softswitch("-o", "csv", "sms", "batch", "report", made["id"])
    assert report.out.splitlines() == [
        "carrier,state,texts,segments,price,median_seconds,p95_seconds",
        ",waiting,2,2,2.00,,",
    ]


def test_B9_a_batch_that_credit_does_not_suffice_for_is_refused_as_a_whole(
    softswitch: Softswitch, one_line: Path
) -> None:
    (one_line / "phones.txt").write_text("".join(f"5990000{n:02}\n" for n in range(11)))
    refused = softswitch(
        "sms", "batch", "add", "Nino", "--sender", "MyShop", "--text", "Hi", "--to", "phones.txt"
    )  # fmt: skip
    assert refused.status == 1
    assert "10.00" in refused.err and "11.00 are needed" in refused.err
    assert softswitch("sms", "batch", "list").json == []


def test_groups_drafts_and_the_stop_list_have_commands(softswitch: Softswitch) -> None:
    softswitch("sms", "group", "add", "Nino", "friends")
    softswitch("sms", "contact", "add", "Nino", "599000001", "--name", "Gio", "--field", "x=1")
    put = softswitch("sms", "group", "put", "Nino", "friends", "599000001").json
    assert put["contacts"] == 1
    assert softswitch("sms", "contact", "set", "Nino", "599000001", "name", "G").json["name"] == "G"
    taken = softswitch("sms", "group", "take", "Nino", "friends", "599000001").json
    assert taken["contacts"] == 0
    assert softswitch("sms", "group", "list", "--account", "Nino").json[0]["group"] == "friends"
    assert softswitch("sms", "group", "remove", "Nino", "friends").status == 0
    assert softswitch("sms", "contact", "remove", "Nino", "599000001").status == 0
    softswitch("sms", "draft", "add", "Nino", "spring", "--text", "Sale", "--sender", "MyShop")
    assert softswitch("sms", "draft", "list").json[0]["name"] == "spring"
    assert softswitch("sms", "draft", "remove", "Nino", "spring").status == 0
    softswitch("sms", "stop", "add", "Nino", "599000001")
    assert softswitch("sms", "stop", "list").json[0]["phone"] == "+995599000001"
    assert softswitch("sms", "stop", "remove", "Nino", "599000001").status == 0
    assert softswitch("sms", "contract", "show", "Nino").json["granted"] is True
    wrong = softswitch("sms", "contact", "add", "Nino", "599000001", "--field", "x")
    assert wrong.status == 2 and "KEY=VALUE" in wrong.err
