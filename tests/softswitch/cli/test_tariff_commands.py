"""Tariffs by the command line: intervals, assignments, imports and their undoing, quotes."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Softswitch
from msgspec import structs

from billing.facts.authorization import AnswerCall, CloseCall, OpenCall
from billing.facts.cdr import Cdr
from softswitch.config.config import load
from softswitch.operations.installation.setup import opened

HEADER = "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"
WIDE = HEADER.strip() + ",minimum,interval\n"


def test_a_tariff_with_a_night_and_who_has_it(softswitch: Softswitch, folder: Path) -> None:
    made = softswitch(
        "tariff", "set", "split", "--time-zone", "Asia/Tbilisi", "-o", "json",
        "--interval", "feast holiday 00:00-24:00", "--interval", "night mon-sun 22:00-06:00",
        "--holiday", "01-07",
    ).json  # fmt: skip
    assert made["intervals"][1] == "night mon,tue,wed,thu,fri,sat,sun 22:00-06:00"
    softswitch("destination", "set", "neighbours", "90", "994")
    (folder / "split.csv").write_text(
        WIDE
        + "995,Georgia,0,0.60,1,1,,\n995,Georgia,0,0.30,1,1,,night\n"
        + "@neighbours,Neighbours,0,1.20,1,1,0.50,\n"
    )
    done = softswitch("tariff", "import", "split.csv", "--name", "split", "-o", "json")
    assert done.json["imported"] == 3
    quote = "tariff", "quote", "--name", "split", "-o", "json", "--for", "60"
    assert (
        softswitch(*quote, "+995322000099", "--at", "2027-03-01T21:59:30+04:00").json["price"]
        == "0.45"
    )
    found = softswitch(*quote, "+905321234567", "--for", "10").json
    assert (found["price"], found["prefix"]) == ("0.50", "90")
    given = softswitch(
        "tariff", "assign", "Ana", "split", "--line", "+995322000001", "--from", "2020-01-01",
        "-o", "json",
    )  # fmt: skip
    assert given.json["line"] == "+995322000001"
    listed = softswitch("tariff", "assignments", "Ana", "-o", "json").json
    assert [row["tariff"] for row in listed] == ["default", "split"]
    softswitch("trunk", "add", "out", "--target", "sip:192.0.2.1")
    explained = softswitch(
        "explain", "call", "--from", "+995322000001", "--to", "+995322999999", "-o", "json",
        "--at", "2027-03-01T23:00:00+04:00",
    )  # fmt: skip
    assert any(row["decision"].startswith("split: Georgia (995): 0.30") for row in explained.json)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("995,Georgia,0,0.60,1,1,,noon\n", "no interval 'noon'"),
        ("@nowhere,x,0,0.60,1,1,,\n", "no destination set @nowhere"),
        ("995,Georgia,0,0.60,1,1,,night\n", "none for always"),
    ],
)
def test_rates_of_what_is_not_there_are_refused(
    softswitch: Softswitch, folder: Path, row: str, says: str
) -> None:
    softswitch("tariff", "set", "split", "--interval", "night mon-sun 22:00-06:00")
    (folder / "split.csv").write_text(WIDE + row)
    refused = softswitch("tariff", "import", "split.csv", "--name", "split")
    assert refused.status == 1
    assert says in refused.err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--time-zone", "Mars/Olympus", "no time zone"),
        ("--interval", "night 22-6", "no interval"),
        ("--holiday", "2027-02-30", "no holiday"),
    ],
)
def test_terms_that_are_none(
    softswitch: Softswitch, folder: Path, option: str, value: str, says: str
) -> None:
    refused = softswitch("tariff", "set", "x", option, value)
    assert (refused.status, says in refused.err) == (1, True)


def test_an_interval_that_rates_name_stays(softswitch: Softswitch, folder: Path) -> None:
    softswitch("tariff", "set", "split", "--interval", "night mon-sun 22:00-06:00")
    (folder / "split.csv").write_text(WIDE + "1,a,0,1,1,1,,\n1,a,0,1,1,1,,night\n")
    softswitch("tariff", "import", "split.csv", "--name", "split")
    refused = softswitch("tariff", "set", "split", "--interval", "")
    assert refused.status == 1
    assert "interval night" in refused.err


def test_a_carriers_sheet_is_imported_and_undone(softswitch: Softswitch, folder: Path) -> None:
    (folder / "old.csv").write_text(HEADER + "44,UK,0,0.10,1,1\n49,Germany,0,0.10,1,1\n")
    softswitch("tariff", "import", "old.csv", "--name", "whole")
    sheet = "Code,Destination,Connection Cost,Cost/Min,Initial Increment,Increment\n"
    (folder / "new.csv").write_text(sheet + '"61 38,39",AU,0,0.2,60,1\n44,UK,0,0.12,1,1\n')
    done = softswitch("tariff", "import", "new.csv", "--name", "whole", "-o", "json").json
    assert [done[what] for what in ("new", "up", "down", "closed")] == [2, 1, 0, 1]
    tried = softswitch("tariff", "undo", "whole", "--dry-run", "-o", "json").json
    assert (tried["undone"], tried["new"], tried["down"]) == ("import of new.csv", 1, 1)
    undone = softswitch("tariff", "undo", "whole")
    assert "closed 2" in undone.err
    shown = softswitch("tariff", "show", "whole", "-o", "json").json
    assert [row["prefix"] for row in shown] == ["44", "49"]
    whats = [row["what"] for row in softswitch("tariff", "versions", "whole", "-o", "json").json]
    assert whats == ["import of old.csv", "import of new.csv", "undo of version 2: as version 1"]
    again = softswitch("tariff", "undo", "whole")
    assert (again.status, "nothing to undo" in again.err) == (1, True)


def test_a_quote_and_an_explanation_say_the_same(softswitch: Softswitch, folder: Path) -> None:
    (folder / "own.csv").write_text(HEADER + "44,UK,0.05,0.12,60,60\n")
    (folder / "cheap.csv").write_text(HEADER + "44,UK,0,0.03,1,1\n")
    (folder / "dear.csv").write_text(HEADER + "44,UK,0,0.50,1,1\n")
    softswitch("tariff", "import", "own.csv")
    for name in ("dear", "cheap"):
        softswitch("tariff", "import", f"{name}.csv", "--name", name)
        made = softswitch(
            "trunk", "add", name, "--target", "sip:192.0.2.1", "--tariff", name, "-o", "json"
        )
        assert made.json["tariff"] == name
    asked = "--from", "+995322000001", "--to", "+442012345678", "--for", "90", "-o", "json"
    quoted = softswitch("tariff", "quote", *asked).json
    assert (quoted["price"], quoted["trunk"], quoted["cost"]) == ("0.29", "cheap", "0.045")
    assert (quoted["margin"], quoted["billed_seconds"]) == ("0.245", 120)
    assert quoted["tolerance_ms"] == 250
    explained = softswitch("explain", "call", *asked).json
    said = [row["decision"] for row in explained if row["stage"] in ("cost", "price")]
    assert said == [
        "cheap: 0.045 GEL for 90 s",
        "dear: 0.75 GEL for 90 s, at a loss",
        "0.29 GEL for 90 s (120 s billed)",
    ]
    assert softswitch("tariff", "quote").status == 2
    refused = softswitch("tariff", "quote", "--from", "+995322000001", "--to", "+15005550006")
    assert (refused.status, "can't call" in refused.err) == (1, True)
    unknown = softswitch("trunk", "set", "cheap", "tariff", "nothing")
    assert (unknown.status, "no tariff 'nothing'" in unknown.err) == (1, True)


def spoken(folder: Path, count: int) -> int:
    """Calls of a minute each by the demo's first line, at its tariff; the account."""
    with opened(load(folder / "softswitch.toml")) as context:
        (line,) = [x for x in context.directory.lines() if x.number == "+995322000001"]
        rate = context.billing.tariff("default").find("995322000002", 0)
        assert rate is not None
        for number in range(count):
            facts = call(f"call{number}", line.account_id, line.number)
            draft = structs.replace(facts, answered_at=None, duration_ms=0).to_json()
            context.do(OpenCall(facts.key, line.account_id, rate, draft, facts.setup_at))
            context.do(AnswerCall(facts.key, facts.answered_at or 0))
            context.do(CloseCall(facts.key, facts))
    return line.account_id


def call(call_id: str, account: int, line: str) -> Cdr:
    return Cdr(
        call_id, "a", "outgoing", "national", account, line, line, "+995322000002", "", None, None,
        1_800_000_000_000, None, 1_800_000_001_000, 1_800_000_061_000, 0, 60_000, 200, 16, "caller",
    )  # fmt: skip


def test_a_period_is_rated_again(softswitch: Softswitch, folder: Path) -> None:
    (folder / "right.csv").write_text(HEADER + "995,Georgia,0,0.12,1,1\n")
    softswitch("tariff", "import", "right.csv")
    account = spoken(folder, 3)
    period = "rerate", "--from", "2027-01-01", "--to", "2027-02-01"
    same = softswitch(*period, "-o", "json").json
    assert (same["calls"], same["changed"], same["posted"]) == (3, 0, 0)
    (folder / "right.csv").write_text(HEADER + "995,Georgia,0,0.10,1,1\n")
    softswitch("tariff", "import", "right.csv")
    tried = softswitch(*period, "--dry-run", "-o", "json").json
    assert (tried["changed"], tried["posted"]) == (3, 0)
    assert tried["accounts"][0]["difference"] == "-0.06"
    assert tried["changes"][0] | {"price": "0.12", "right": "0.10"} == tried["changes"][0]
    done = softswitch(*period, "--note", "July list", "-o", "json").json
    assert done["posted"] == 3
    again = softswitch(*period)
    assert "changed 0, without_price 0, posted 0" in again.err
    made = softswitch("cdr", "corrections", "--account", str(account), "-o", "json").json
    assert [row["posted"] for row in made] == ["0.02"] * 3
    assert made[0]["note"] == "July list"
    assert softswitch("ledger", "verify").status == 0
    assert softswitch(*period, "--by", "nothing").status == 1
    assert softswitch("rerate", "--from", "2027-02-01", "--to", "2027-01-01").status == 1


def test_currencies_do_not_mix(softswitch: Softswitch, folder: Path) -> None:
    (folder / "usd.csv").write_text(HEADER + "44,UK,0,0.10,1,1\n")
    softswitch("tariff", "import", "usd.csv", "--name", "usd", "--currency", "USD")
    refused = softswitch("tariff", "assign", "Ana", "usd")
    assert (refused.status, "in USD" in refused.err) == (1, True)
    changed = softswitch("tariff", "set", "usd", "--currency", "EUR")
    assert (changed.status, "are in USD" in changed.err) == (1, True)


def test_the_tolerance_at_an_increments_border_is_said(softswitch: Softswitch) -> None:
    assert "up to 250 ms isn't billed ([calls] tolerance_ms)" in softswitch("tariff", "show").err
    quoted = softswitch("tariff", "quote", "995322000002", "-o", "json").json
    assert quoted["tolerance_ms"] == 250
