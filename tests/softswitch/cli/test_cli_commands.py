"""The command line: what is printed, on which stream, with which exit status."""

from __future__ import annotations

import asyncio
import csv
import datetime
import io
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Softswitch
from msgspec import structs

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.admission.decisions import Decisions
from softswitch.cli import output
from softswitch.cli.main import hoist, run
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.config.config import load
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.server import ControlServer
from softswitch.control.values import Value
from softswitch.control.watch import WatchHub
from softswitch.operations.installation.setup import opened
from softswitch.process.watching import check_watch

HEADER = "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"


def test_init_says_what_it_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--demo", "-o", "json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [row["result"] for row in first] == ["created"] * 4
    assert run(["init", "--demo", "-o", "json"]) == 0
    assert {row["result"] for row in json.loads(capsys.readouterr().out)} == {"kept"}


def test_an_account_from_opening_to_showing(softswitch: Softswitch) -> None:
    made = softswitch("account", "add", "Dato", "-o", "json")
    account = str(made.json["id"])
    paid = softswitch("-o", "json", "account", "topup", account, "5.50", "--payment-id", "cash-9")
    assert paid.json["balance"] == paid.json["balance_after_payment"] == "5.50"
    assert (paid.json["counted"], paid.json["renewed"]) == ("counted now", "")
    again = softswitch("-o", "json", "account", "topup", account, "5.50", "--payment-id", "cash-9")
    assert (again.json["counted"], again.json["balance"]) == ("counted before", "5.50")
    shown = softswitch("account", "-o", "json", "show", "Dato")
    assert shown.json["id"] == made.json["id"]
    assert {"id", "name", "currency", "balance", "reserved", "available", "status"} <= set(
        shown.json
    )
    assert (made.status, paid.status, shown.status) == (0, 0, 0)


def test_a_preview_is_of_days_to_come(softswitch: Softswitch) -> None:
    day = datetime.date.today() + datetime.timedelta(days=70)
    rows = softswitch("preview", "--until", day.isoformat(), "-o", "json")
    assert rows.status == 0
    assert {row["what"] for row in rows.json} <= {"debit", "credit", "bill", "status", "notice"}
    past = softswitch("preview", "--until", "2020-01-01")
    assert (past.status, past.err.strip()) == (
        1, "softswitch: a preview can't end in the past: 2020-01-01"
    )  # fmt: skip
    far = softswitch("preview", "--until", "2090-01-01")
    assert far.status == 1 and "800 days ahead at most" in far.err


def test_a_generated_password_is_printed_once(softswitch: Softswitch) -> None:
    added = softswitch("line", "add", "0322000010", "--account", "Ana", "-o", "json")
    assert len(added.json["password"]) >= 16
    shown = softswitch("line", "show", "+995322000010", "-o", "json")
    assert added.json["password"] not in shown.out


def test_a_password_from_standard_input(
    softswitch: Softswitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret words\n"))
    added = softswitch(
        "line", "add", "0322000010", "--account", "Ana", "--password", "-", "-o", "json"
    )
    assert added.status == 0
    assert "password" not in added.json


def test_lines_and_tariffs_from_files(softswitch: Softswitch, folder: Path) -> None:
    (folder / "lines.csv").write_text(
        "number,login,password,account\n+995322000011,,a,Ana\n+995322000012,,b,Beka\n"
    )
    assert softswitch("line", "import", "lines.csv", "--dry-run", "-o", "json").json == {
        "lines": 2,
        "imported": 0,
    }
    assert softswitch("line", "import", "lines.csv", "-o", "json").json["imported"] == 2
    (folder / "prices.csv").write_text(HEADER + "995,Georgia,0,0.11,1,1\n")
    tried = softswitch("tariff", "import", "prices.csv", "--name", "gold", "--dry-run")
    assert "dry run, nothing was changed" in tried.err
    done = softswitch("tariff", "import", "prices.csv", "--name", "gold", "-o", "json")
    assert done.json["imported"] == 1
    names = [row["name"] for row in softswitch("tariff", "list", "-o", "json").json]
    assert names == ["default", "gold"]


def test_a_package_from_its_scope_to_its_renewal(softswitch: Softswitch) -> None:
    assert softswitch("destination", "set", "georgia", "995", "!9959", "-o", "json").json == {
        "name": "georgia",
        "prefixes": ["995", "!9959"],
    }
    unknown = softswitch(
        "package", "define", "x", "--price", "1", "--term", "1 day", "--scope", "y"
    )
    assert "there is no destination set 'y'" in unknown.err
    made = softswitch(
        "package", "define", "month", "--price", "3", "--term", "30 days", "--scope",
        "georgia,on_net", "--free-minutes", "100", "--grace", "3 days", "-o", "json",
    )  # fmt: skip
    assert (made.status, made.json["term"], made.json["free_minutes"]) == (0, "30 days", 100)
    bought = softswitch(
        "package", "buy", "Ana", "month", "--line", "+995322000001", "--auto-renew",
        "--purchase-id", "p-1", "-o", "json",
    )  # fmt: skip
    assert (bought.json["charged"], bought.json["left_seconds"]) == ("3.00", 6000)
    again = softswitch("package", "buy", "Ana", "month", "--purchase-id", "p-1", "-o", "json")
    assert again.json["charged"] == "0.00"
    off = softswitch("package", "auto-renew", "Ana", "p-1", "off", "-o", "json")
    assert off.json["auto_renew"] is False
    (shown,) = softswitch("package", "show", "Ana", "-o", "json").json
    assert shown["state"] == "active"
    told = softswitch(
        "explain", "call", "--from", "+995322000001", "--to", "+995322000002", "-o", "json"
    )
    stages = {row["stage"]: row["decision"] for row in told.json}
    if "package" in stages:  # the called line has to be registered for it to come so far
        assert stages["package"] == "month: pays for 60 s"
    assert softswitch("package", "withdraw", "month", "-o", "json").json["sold"] is False
    refused = softswitch("package", "buy", "Beka", "month")
    assert (refused.status, "no product month on sale" in refused.err) == (1, True)


def test_a_number_from_the_stock_to_quarantine_and_back(
    softswitch: Softswitch, folder: Path
) -> None:
    (folder / "numbers.csv").write_text(
        "number,country,city,kind,supplier,documents,service,monthly\n"
        "+4930000001,DE,Berlin,landline,kpn,,,2.00\n"
        "+4930000002,DE,Berlin,landline,kpn,address,,1.50\n"
        "+447700000001,GB,,sms,x,,mail,0.50\n"
    )
    assert softswitch("number", "import", "numbers.csv", "-o", "json").json["imported"] == 3
    assert softswitch("rental", "discounts", "--3-months", "10", "-o", "json").json[0] == {
        "for": "3 months",
        "percent": 10,
    }
    order = ("rental", "order", "Ana", "--line", "+995322000001", "-o", "json")
    (first,) = softswitch(*order, "+4930000001", "--months", "3", "--order-id", "o1").json
    assert (first["fee"], first["state"], first["owing"]) == ("5.40", "active", False)
    (again,) = softswitch(*order, "+4930000001", "--months", "3", "--order-id", "o1").json
    assert again == first
    (held,) = softswitch(*order, "+4930000002", "--order-id", "o2").json
    assert held["state"] == "documents"
    (second,) = softswitch(*order, "+4930000002", "--order-id", "o2", "--approved", "address").json
    assert second["fee"] == "1.50"
    dear = softswitch(*order, "+4930000001", "+4930000002", "--months", "12")
    assert "the order costs 42.00 GEL" in dear.err
    assert "0 such numbers are in stock" in softswitch(*order, "--country", "DE").err
    assert softswitch("number", "wait", "Beka", "--country", "DE", "-o", "json").status == 0
    assert softswitch("number", "sms", "Ana", "mail", "-o", "json").json["state"] == "lent"
    assert softswitch("rental", "give-up", "+4930000001", "-o", "json").json["state"] == "ended"
    states = [row["state"] for row in softswitch("number", "list", "-o", "json").json]
    assert sorted(states) == ["lent", "quarantine", "rented"]
    back = softswitch("number", "restore", "+4930000001", "--line", "+995322000001", "-o", "json")
    assert (back.status, back.json["months"]) == (0, 1)
    told = [row["what"] for row in softswitch("account", "notices", "Ana", "-o", "json").json]
    assert told.count("number_connected") >= 2
    assert softswitch("ledger", "verify").status == 0


def test_caps_are_set_shown_and_explained(softswitch: Softswitch) -> None:
    softswitch("destination", "set", "high_risk", "49")
    softswitch("trunk", "add", "carrier", "--target", "sip:192.0.2.1")
    explain = ("explain", "call", "--from", "+995322000001", "--to", "+4930123456", "-o", "json")
    assert "high-risk numbers are off" in softswitch(*explain).json[-1]["decision"]
    for key, value in (("high_risk", "yes"), ("calls", "2"), ("spend_day", "5.00")):
        assert softswitch("account", "cap", "Ana", key, value).status == 0
    shown = softswitch("account", "caps", "Ana", "-o", "json").json
    assert (shown["calls"], shown["spend_day"], shown["high_risk"]) == (2, "5.00", True)
    assert "refused" not in softswitch(*explain).json[-1]["decision"]
    softswitch("account", "cap", "Ana", "countries", "+995, 44")
    assert "new country" in softswitch(*explain).json[-1]["decision"]
    assert (
        softswitch("account", "cap", "Ana", "countries", "", "-o", "json").json["countries"] is None
    )
    assert "no cap 'speed'" in softswitch("account", "cap", "Ana", "speed", "1").err


def test_e7_targets_of_a_rented_number_are_set_shown_and_forgotten(
    softswitch: Softswitch, folder: Path
) -> None:
    rented = "+442079460000"
    first, second = softswitch("line", "list", "-o", "json").json[:2]
    account = str(first["account"])
    softswitch("account", "topup", account, "50", "--payment-id", "p")
    softswitch("number", "add", rented, "--country", "GB", "--monthly", "1")
    reach = ("number", "reach", rented)
    assert "isn't rented" in softswitch(*reach, first["number"]).err
    softswitch("rental", "order", account, "--line", first["number"], rented)
    assert softswitch(*reach, "-o", "json").json["targets"] == []
    row = softswitch(*reach, first["number"], "+447700900123", "--confirm", "--in-turn",
                     "--seconds", "20", "-o", "json").json  # fmt: skip
    assert row["targets"] == [
        f"line {first['number']} (20 s)", "number +447700900123 (20 s, confirmed by 1)",
    ]  # fmt: skip
    assert softswitch(*reach, "-o", "json").json == row and row["in_turn"] is True
    row = softswitch(*reach, "sip:me@example.com", "192.0.2.7:5080", "-o", "json").json
    assert row["targets"] == ["sip sip:me@example.com (25 s)", "sip sip:192.0.2.7:5080 (25 s)"]
    (folder / "no.wav").write_bytes(b"RIFF")
    for wrong, why in (
        (
            (first["number"], second["number"], "+447700900123"),
            "one or two targets, not 3",
        ),
        ((first["number"], first["number"]), "both targets are the same"),
        ((rented,), "its own target"),
        (("sip:me:secret@example.com",), "without password"),
        (("224.0.0.1",), "no host's address"),
        ((first["number"], "--seconds", "500"), "5 to 120"),
        ((first["number"], "--greeting", "no.wav"), "no WAV file"),
        ((first["number"], "--greeting", "nothing.wav"), "can't be read"),
    ):
        result = softswitch(*reach, *wrong)
        assert (result.status, result.err.count("\n")) == (1, 1) and why in result.err
    assert softswitch(*reach, "--off", "-o", "json").json["targets"] == []


def test_e9_explain_says_which_rule_decided_the_caller_id(
    softswitch: Softswitch, folder: Path
) -> None:
    (folder / "rates.csv").write_text(f"{HEADER}43,Austria,0,0.1,1,1\n49,Germany,0,0.1,1,1\n")
    softswitch("tariff", "import", "rates.csv")
    line = softswitch("line", "list", "-o", "json").json[0]
    set_ = ("line", "service", "set", line["number"])
    assert "isn't rented" in softswitch(*set_, "caller_id", "+493012345678").err
    softswitch("account", "topup", str(line["account"]), "50", "--payment-id", "p")
    softswitch("number", "add", "+493012345678", "--country", "DE", "--monthly", "1")
    order = ("rental", "order", str(line["account"]), "--line", line["number"])
    softswitch(*order, "+493012345678")
    assert softswitch(*set_, "caller_id", "+493012345678").status == 0
    softswitch("trunk", "add", "out", "--target", "sip:192.0.2.9")

    def rule(number: str) -> str:
        rows = softswitch("explain", "call", "--from", line["number"], "--to", number, "-o", "json")
        return str(next(row["decision"] for row in rows.json if row["stage"] == "caller_id"))

    assert rule("+493098765432") == "shows +493012345678: caller_id: +493012345678 is shown in DE"
    assert rule("+4312345678").startswith("withheld: caller_id: +493012345678 (DE) isn't shown in")
    assert rule("#31#+493098765432") == "withheld: withheld for this call"
    assert rule("112").endswith("emergency calls always show the line's number")


def test_who_waits_for_whom_is_shown_and_cancelled(softswitch: Softswitch, folder: Path) -> None:
    lines = softswitch("line", "list", "-o", "json").json[:2]
    assert softswitch("completion", "list", "-o", "json").json == []
    with opened(load(folder / "softswitch.toml")) as context:
        waiting = Waiting("w1", lines[0]["id"], lines[1]["id"], lines[1]["number"], True, "busy",
                          "accepted", context.now_ms(), context.now_ms())  # fmt: skip
        CompletionStore(context.billing.engine).write({"w1": waiting})
    (row,) = softswitch("completion", "list", "-o", "json").json
    assert (row["caller"], row["callee"]) == (lines[0]["number"], lines[1]["number"])
    assert (row["reason"], row["state"]) == ("busy", "accepted")
    assert "there is no waiting request 'x'" in softswitch("completion", "cancel", "x").err
    assert softswitch("completion", "cancel", "w").status == 0
    assert softswitch("completion", "list", "-o", "json").json == []


def test_c2_services_of_a_line_are_listed_set_and_cleared(softswitch: Softswitch) -> None:
    line = softswitch("line", "list", "-o", "json").json[0]["number"]
    listed = softswitch("line", "service", "list", line, "-o", "json").json
    assert {row["service"] for row in listed if row["on"]} == {"call_waiting", "call_completion"}
    set_ = ("line", "service", "set", line)
    row = softswitch(*set_, "forward_no_answer", "+442012345678", "--seconds", "20", "-o", "json")
    assert row.json == {
        "line": line, "service": "forward_no_answer", "on": True,
        "numbers": ["+442012345678"], "seconds": 20,
    }  # fmt: skip
    assert softswitch(*set_, "forward_no_answer", "off", "-o", "json").json["on"] is False
    assert softswitch(*set_, "forward_no_answer", "on", "-o", "json").json["seconds"] == 20
    cleared = softswitch("line", "service", "clear", line, "forward_no_answer", "-o", "json").json
    assert (cleared["on"], cleared["numbers"]) == (False, [])
    for wrong, why in (
        (("forward_busy", "on"), "needs a number"),
        (("forward_bussy", "on"), "did you mean 'forward_busy'"),
        (("do_not_disturb", "+442012345678"), "on or off"),
        (("hot_line", "112"), "service code"),
        (("forward_busy", line), "own number"),
    ):
        result = softswitch(*set_, *wrong)
        assert (result.status, result.err.count("\n"), why in result.err) == (1, 1, True)


def test_c6_a_call_is_marked_and_shown_to_the_operator_with_its_true_caller(
    softswitch: Softswitch, folder: Path
) -> None:
    line, desk = (row["number"] for row in softswitch("line", "list", "-o", "json").json[:2])
    assert "nobody called" in softswitch("line", "mark", line).err
    with opened(load(folder / "softswitch.toml")) as context:
        now = context.now_ms()
        cdr = Cdr(
            call_id="c1", leg="a", direction="incoming", type="on_net", account=1, line=line,
            calling="+442012345678", called=line, called_dialled=line, presented=None,
            trunk="in", setup_at=now, ringing_at=None, answered_at=None, ended_at=now, ring_ms=0,
            duration_ms=0, sip_status=200, cause=16, ended_by="caller",
            decisions=Decisions(shown="the trunk withholds it", claimed=True).encoded(""),
        )  # fmt: skip
        context.apply([WriteCdr(cdr)])
        onward = structs.replace(
            cdr, leg="b", direction="forwarded", calling="+442012345000", called=desk,
            setup_at=now + 5_000,
        )  # fmt: skip
        context.apply([WriteCdr(onward)])
    assert softswitch("line", "mark", desk).status == 0
    (row,) = softswitch("call", "malicious", "-o", "json").json
    assert (row["line"], row["calling"]) == (desk, "+442012345678"), "not who sent it on"
    assert row["claimed"], "an untrusted trunk said so of a withheld caller"
    marked = softswitch("line", "mark", line, "-o", "json")
    assert marked.json["result"] == "marked" and "442012345678" not in marked.out
    assert softswitch("line", "mark", line, "-o", "json").json["result"] == "was marked before"
    row = next(r for r in softswitch("call", "malicious", "-o", "json").json if r["line"] == line)
    assert (row["calling"], row["withheld"], row["call"]) == ("+442012345678", True, "c1")


def test_a_bonus_is_set_and_shown(softswitch: Softswitch) -> None:
    assert softswitch("bonus", "set", "0.01", "-o", "json").json["per_minute"] == "0.01"
    assert len(softswitch("bonus", "rates", "-o", "json").json) == 1
    assert softswitch("bonus", "list", "Ana", "-o", "json").json == []


def test_a_broken_file_names_its_lines(softswitch: Softswitch, folder: Path) -> None:
    (folder / "prices.csv").write_text(HEADER + "995,Georgia,0,cheap,1,1\n")
    refused = softswitch("tariff", "import", "prices.csv")
    assert refused.status == 1
    assert refused.out == ""
    assert refused.err.startswith("prices.csv: line 2: per_minute")
    missing = softswitch("line", "import", "nowhere.csv")
    assert (missing.status, missing.err) == (1, "softswitch: nowhere.csv isn't there\n")
    (folder / "latin.csv").write_bytes(b"number,account\n\xff\n")
    assert "is not UTF-8" in softswitch("line", "import", "latin.csv").err


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["account", "show", "Nobody"], 1, "there is no account 'Nobody'"),
        (["account", "topup", "Ana", "x", "--payment-id", "p"], 1, "'x' is no amount"),
        (["line", "set", "322000001", "max_cals", "2"], 1, "did you mean 'max_calls'?"),
        (
            ["line", "set", "322000001", "dtmf", "loud"],
            1,
            "dtmf must be auto, rfc4733",
        ),
        (["line", "show", "+995322999999"], 1, "there is no line"),
        (["account", "add"], 2, "Missing argument 'NAME'"),
        (["account", "add", "A", "--knd", "person"], 2, "--knd"),
        (["acount", "list"], 2, "acount"),
        (["cdr", "list", "--format", "xml"], 2, "xml"),
        (["call", "list"], 3, "no switch is running here"),
        (["call", "hangup", "1"], 3, "start it with `softswitch serve`"),
        (["account", "list", "-c", "other.toml"], 1, "other.toml isn't there"),
    ],
)
def test_errors_are_one_line_with_their_status(
    softswitch: Softswitch, arguments: list[str], status: int, expected: str
) -> None:
    result = softswitch(*arguments)
    assert result.status == status
    assert expected in result.err
    assert result.out == ""
    assert len(result.err.splitlines()) == 1


def test_a_noun_alone_shows_its_verbs(softswitch: Softswitch) -> None:
    result = softswitch("account")
    assert result.status == 2
    assert "topup" in result.out + result.err


def test_a_broken_configuration(softswitch: Softswitch, folder: Path) -> None:
    path = folder / "softswitch.toml"
    path.write_text(path.read_text().replace("listen =", "lisen ="))
    result = softswitch("account", "list")
    assert result.status == 1
    assert result.err.startswith("softswitch: softswitch.toml:")
    assert "did you mean 'listen'?" in result.err


def test_registrations_without_a_switch_are_the_kept_ones(softswitch: Softswitch) -> None:
    assert softswitch("registration", "list", "-o", "json").json == []


def test_records_and_ledger(softswitch: Softswitch) -> None:
    assert softswitch("cdr", "list", "-o", "json").json == []
    assert softswitch("cdr", "list", "--from", "2026-01-01", "--type", "on_net").status == 0
    assert softswitch("cdr", "list", "--format", "acc").out.startswith("id,method,")
    verified = softswitch("ledger", "verify")
    assert (verified.status, verified.out) == (0, "3 accounts: everything adds up\n")


def test_check_says_what_is_there(
    softswitch: Softswitch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "softswitch.toml"
    path.write_text(
        path.read_text().replace(":5060", ":15999").replace("20000-29999", "41000-41099")
    )
    rows = {row["check"]: row for row in softswitch("check", "-o", "json").json}
    assert rows["database"]["ok"] is True
    assert rows["prompts"]["ok"] is None
    assert "run `softswitch prompt build`" in rows["prompts"]["detail"]
    fast_path = rows["kernel fast path"]
    assert "works here, by" in fast_path["detail"] or "in user space" in fast_path["detail"]
    assert fast_path["ok"] is (True if "works" in fast_path["detail"] else None)
    monkeypatch.setenv("SOFTSWITCH_MEDIA__FAST_PATH", "off")
    rows = {row["check"]: row for row in softswitch("check", "-o", "json").json}
    assert 'fast_path = "off"' in rows["kernel fast path"]["detail"]
    (folder / "var" / "nonce.secret").unlink()
    result = softswitch("check", "-o", "json")
    assert result.status == 1
    failed = {row["check"]: row["detail"] for row in result.json if row["ok"] is False}
    assert list(failed) == ["nonce secret"]
    assert "run `softswitch init`" in failed["nonce secret"]


def test_prompts_are_listed_and_built(
    softswitch: Softswitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = softswitch("prompt", "list", "--language", "ka", "--missing", "-o", "json").json
    assert {"balance-is", "lari", "20-and"} <= {row["token"] for row in rows}
    assert {row["source"] for row in rows} == {"missing"}
    refused = softswitch("prompt", "build", "--language", "de")
    assert refused.status == 1 and "languages are ka, ru, en, fa, kk" in refused.err
    monkeypatch.setenv("SOFTSWITCH_PROMPTS__COMMAND", "no-such-voice {out}")
    refused = softswitch("prompt", "build", "--language", "ka")
    assert refused.status == 1 and "there is no program 'no-such-voice'" in refused.err


def test_welcome_says_what_to_type(softswitch: Softswitch, folder: Path) -> None:
    text = softswitch("welcome").out
    passwords = (folder / "var" / "demo-lines.txt").read_text().split()
    assert passwords[-1] in text
    for expected in ("995322000001", "127.0.0.1", "5060", "UDP or TCP", "0322000002",
                     "var/softswitch.db", "var/cdr/", "var/softswitch.log"):  # fmt: skip
        assert expected in text


class TestRunningSwitch:
    """Commands go to the switch that answers on the control socket."""

    @pytest.fixture
    def operations(self, folder: Path) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        asked: list[tuple[str, dict[str, Any]]] = []

        async def perform(request: Perform, user_id: int) -> Value:
            if request.operation == "call_show":
                raise OperationError("call_not_found", call="x")
            given = {key: each for key, each in request.arguments.items() if each is not None}
            asked.append((request.operation, given))
            return [{"id": "call-1", "state": "talking"}]

        server = ControlServer(folder / "var" / "control.sock", perform, WatchHub(), check_watch)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield asked
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def test_it_does_what_is_asked(
        self, softswitch: Softswitch, operations: list[tuple[str, dict[str, Any]]]
    ) -> None:
        assert softswitch("call", "list", "-o", "json").json == [
            {"id": "call-1", "state": "talking"}
        ]
        assert softswitch("account", "list").status == 0
        assert softswitch("registration", "list").status == 0
        assert softswitch("call", "hangup", "call-1").status == 0
        assert operations == [
            ("call_list", {}),
            ("account_list", {}),
            ("registration_list", {}),
            ("call_hangup", {"call_id": "call-1"}),
        ]

    def test_its_refusal_is_the_commands(
        self, softswitch: Softswitch, operations: list[tuple[str, dict[str, Any]]]
    ) -> None:
        result = softswitch("call", "show", "x")
        assert (result.status, operations) == (1, [])
        assert "there is no call 'x'" in result.err


class TestOutput:
    ROWS = [{"name": "Ana\x1b[2J", "number": "+995", "note": None},
            {"name": "=1+1", "tags": ["a", "b"], "ok": True}]  # fmt: skip

    def shown(self, form: output.Format, value: Any = None) -> str:
        stream = io.StringIO()
        output.show(self.ROWS if value is None else value, form, stream)
        return stream.getvalue()

    def test_tsv_has_a_header_and_no_control_characters(self) -> None:
        lines = [line.split("\t") for line in self.shown("tsv").splitlines()]
        assert lines[0] == ["name", "number", "note", "tags", "ok"]
        assert lines[1][:2] == ["Ana\\x1b[2J", "+995"]
        assert lines[2] == ["=1+1", "", "", "a b", "yes"]

    def test_csv_is_safe_for_spreadsheets(self) -> None:
        rows = list(csv.reader(io.StringIO(self.shown("csv"))))
        assert rows[1][1] == "+995"
        assert rows[2][0] == "'=1+1"

    def test_tables_hold_every_cell(self) -> None:
        text = self.shown("table")
        assert "+995" in text
        assert "a b" in text
        assert "\x1b" not in text
        assert self.shown("table", []) == "nothing\n"

    def test_records_are_keys_and_values(self) -> None:
        assert self.shown("tsv", {"a": 1, "b": None}) == "a\t1\nb\t\n"
        assert self.shown("json", {"a": "ანა"}) == '{\n  "a": "ანა"\n}\n'


def test_global_options_come_to_the_front() -> None:
    assert hoist(["line", "-o", "json", "list", "--config=x.toml"]) == [
        "-o", "json", "-c", "x.toml", "line", "list",
    ]  # fmt: skip
    assert hoist(["a", "--", "-o", "json"]) == ["a", "--", "-o", "json"]
    assert hoist(["line", "list", "-o"]) == ["-o", "line", "list"]


def test_it_starts_fast_and_survives_a_reader_that_leaves(folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [sys.executable, "-m", "softswitch"]
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
    help_ = subprocess.run(
        [*program, "--help"], env=environment, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 2.0  # of processor time: 0.3 s on an idle machine
    assert "explain" in help_.stdout
    left = subprocess.run(
        f"{sys.executable} -m softswitch line list -o json | true",
        shell=True,
        env=environment,
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert left.stderr == ""


def test_a_mail_is_queued_listed_and_tried_again(softswitch: Softswitch, folder: Path) -> None:
    assert "[mail] server isn't set" in softswitch("mail", "test", "a@example.org").err
    settings = '[mail]\nserver = "127.0.0.1:9"\nsecurity = "none"\nsender = "s@example.org"\n'
    file = folder / "softswitch.toml"
    file.write_text(file.read_text() + settings)
    assert "no e-mail address" in softswitch("mail", "test", "nobody").err
    assert softswitch("mail", "test", "a@example.org", "-o", "json").json["state"] == "waiting"
    (row,) = softswitch("mail", "list", "--state", "waiting", "-o", "json").json
    assert (row["to"], row["attempts"]) == ("a@example.org", 0)
    assert softswitch("mail", "retry", str(row["id"])).status == 0
    assert "there is no mail 99" in softswitch("mail", "retry", "99").err


def test_a_subscriber_from_registration_to_activation(softswitch: Softswitch, folder: Path) -> None:
    made = softswitch("account", "add", "Dito", "--registered", "-o", "json")
    assert made.json["status"] == "registered"
    (folder / "scan.pdf").write_bytes(b"%PDF-1.7 a scan")
    refused = softswitch("account", "status", "Dito", "approved")
    assert (refused.status, "lacks first_name" in refused.err) == (1, True)
    for key, value in {
        "first_name": "Dito", "surname": "D", "gender": "male", "fathers_name": "G",
        "nationality": "GE", "birth_date": "1990-01-01", "identity_document": "AB123",
        "place_of_issue": "Tbilisi", "national_code": "01001012345", "postal_code": "0108",
    }.items():  # fmt: skip
        assert softswitch("account", "set", "Dito", key, value).status == 0
    up = softswitch(
        "document", "upload", "Dito", "scan.pdf", "--expires-on", "2099-01-01", "-o", "json"
    )
    key = str(up.json["id"])
    assert softswitch("document", "download", key, "copy.pdf").status == 0
    assert (folder / "copy.pdf").read_bytes() == b"%PDF-1.7 a scan"
    assert softswitch("document", "approve", key, "--by", "nino").status == 0
    for status in ("approved", "active"):
        assert softswitch("account", "status", "Dito", status, "--by", "nino").status == 0
    history = softswitch("account", "history", "Dito", "-o", "json").json
    assert [row["to"] for row in history if row["what"] == "status"] == ["approved", "active"]
    login = softswitch("account", "login", "Dito", "-o", "json").json
    assert login["login"] == "01001012345"
    asked = softswitch(
        "request", "open", "Dito", "correction", "typo", "--field", "address=Rustaveli 1",
        "-o", "json",
    )  # fmt: skip
    assert softswitch("request", "done", str(asked.json["id"])).status == 0
    shown = softswitch("account", "show", "Dito", "-o", "json").json
    assert (shown["address"], shown["status"]) == ("Rustaveli 1", "active")


def test_papers_and_bills_from_the_command_line(softswitch: Softswitch, folder: Path) -> None:
    assert softswitch("bill", "list", "-o", "json").json == []
    assert "there is no bill 1" in softswitch("bill", "pdf", "1", "bill.pdf").err
    made = softswitch("paper", "contract", "Ana", "contract.html", "--language", "fa", "-o", "json")
    assert (made.status, made.json["name"]) == (0, "contract-1")
    assert "قرارداد" in (folder / "contract.html").read_text()
    wrong = softswitch("paper", "contract", "Ana", "contract.doc")
    assert (wrong.status, "name a .pdf or a .html file" in wrong.err) == (1, True)
    act = softswitch(
        "paper", "reconciliation", "Ana", "act.html", "--language", "en",
        "--from", "2020-01-01", "--to", "2099-12-31",
    )  # fmt: skip
    assert act.status == 0 and "Reconciliation act" in (folder / "act.html").read_text()


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        ("account add Ana\udcff", 2, "isn't UTF-8 text"),
        ("package show 1 --ended=x", 2, "--ended"),
        ("account ledger Ana --from 0001-01-01", 1, "is no time of the years"),
        ("account ledger Ana --xlsx no/such/folder", 1, "no/such/folder can't be written"),
        ("request show 999999999999999999999999", 1, "too big for the database"),
        ("line show a\tb\nc", 1, "a\\tb\\nc"),
        ("cdr list --type mobil", 1, "type must be on_net, local"),
        ("account set Ana tariff defualt", 1, "there is no tariff 'defualt'"),
        ("account add Dato --tariff nights", 1, "there is no tariff 'nights'"),
    ],
)
def test_whatever_is_typed_the_answer_is_one_line(
    softswitch: Softswitch, command: str, status: int, says: str
) -> None:
    answer = softswitch(*command.split(" "))
    assert answer.status == status
    assert says in answer.err and answer.err.count("\n") == 1
    assert answer.err[:-1].isprintable()


def test_how_lines_and_trunks_are_told_of_keys_is_set_and_shown(softswitch: Softswitch) -> None:
    line = softswitch("line", "list", "-o", "json").json[0]["number"]
    softswitch("trunk", "add", "carrier", "--target", "sip:192.0.2.7")
    for what in (("line", line), ("trunk", "carrier")):
        noun, name = what
        for value in ("info", ""):
            assert softswitch(noun, "set", name, "dtmf", value).status == 0
            assert softswitch(noun, "show", name, "-o", "json").json["dtmf"] == (value or None)
