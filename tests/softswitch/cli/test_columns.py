"""Lists of many columns show ten of them to people, and every one to programs."""

import json

import pytest

from softswitch.cli import records, trunks
from softswitch.cli.main import run
from softswitch.cli.output import narrowed


@pytest.fixture(autouse=True)
def switch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    assert run(["trunk", "add", "north", "--target", "sip:192.0.2.9", "--prefix", "44"]) == 0
    capsys.readouterr()


def header(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()[0].split("\t")


def test_trunk_list_shows_ten_columns_and_all_of_them_when_asked(capsys):
    assert run(["trunk", "list"]) == 0
    shown = header(capsys)
    assert shown[:4] == ["name", "target", "prefixes", "priority"] and len(shown) <= 10
    assert run(["trunk", "list", "--all"]) == 0
    assert {"id", "srtp", "weight", "username"} <= set(header(capsys))
    assert run(["trunk", "list", "-o", "json"]) == 0
    assert {"id", "srtp", "weight"} <= set(json.loads(capsys.readouterr().out)[0])


def test_cdr_list_takes_all_too(capsys):
    assert run(["cdr", "list", "--all"]) == 0
    assert len(records.CDR_COLUMNS) == len(trunks.TRUNK_COLUMNS) == 10


def test_columns_that_no_row_has_are_left_out():
    assert narrowed([{"a": 1, "b": 2}, {"a": 3}], ("b", "c", "a")) == [
        {"b": 2, "a": 1},
        {"b": None, "a": 3},
    ]
