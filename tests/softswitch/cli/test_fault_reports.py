"""A fault report as people read it: three short tables, and one record as JSON."""

from __future__ import annotations

from pathlib import Path

from command_line import Softswitch

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr, MediaFigures, SideMedia
from softswitch.config.config import load
from softswitch.operations.installation.setup import opened

HEARD = MediaFigures(SideMedia(packets=50, lost=7), SideMedia(packets=48, one_way=True))


def keep_calls(folder: Path, line: str) -> None:
    """A call that failed, and one with bad sound."""
    with opened(load(folder / "softswitch.toml")) as context:
        now = context.now_ms()
        for key, answered, media in (("bad", None, None), ("good", now - 8_000, HEARD)):
            cdr = Cdr(
                key, "a", "outgoing", "national", 1, line, line, "+995322000002", "0322000002",
                None, None, now - 10_000, None, answered, now - 1_000, 0, 7_000,
                200 if answered else 503, 41, "caller", media=media,
            )  # fmt: skip
            context.do(WriteCdr(cdr))


def test_the_facts_of_a_fault_are_three_short_tables(softswitch: Softswitch, folder: Path) -> None:
    row = softswitch("line", "list", "-o", "json").json[0]
    keep_calls(folder, row["number"])
    account = str(row["account"])
    made = softswitch("request", "open", account, "fault", "no sound", "--line", row["number"])
    shown = softswitch("request", "show", made.out.split("\n")[0].split("\t")[1])
    for printed in (made.out, shown.out):
        record, *tables = printed.strip().split("\n\n")
        assert "line_status\tactive" in record and "facts" not in record
        assert [table.split("\n")[0] for table in tables] == [
            "registrations: none",
            "calls",
            "sound",
        ]
        calls, sound = (table.split("\n")[1:] for table in tables[1:])
        assert calls[0].split("\t") == ["at", "calling", "called", "sip_status", "ended_by"]
        assert calls[1].split("\t")[2:] == ["+995322000002", "503", "caller"]
        assert [line.split("\t")[1] for line in sound] == ["from", "caller", "callee"]
        assert max(len(line.split("\t")) for table in (calls, sound) for line in table) == 8


def test_as_json_a_fault_is_one_record(softswitch: Softswitch, folder: Path) -> None:
    row = softswitch("line", "list", "-o", "json").json[0]
    keep_calls(folder, row["number"])
    account, line = str(row["account"]), row["number"]
    made = softswitch("request", "open", account, "fault", "dead", "--line", line, "-o", "json")
    assert made.json["facts"]["failures"][0]["sip_status"] == 503
