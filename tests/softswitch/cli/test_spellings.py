"""Options of sibling commands have the same names; the names they had before are still taken."""

from __future__ import annotations

import pytest
from command_line import Softswitch

from softswitch.cli.spellings import respelled


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("request refuse 1 --answer no", "request refuse 1 --reason no"),
        ("request done 1 --answer yes", "request done 1 --answer yes"),
        (
            "-o json port advance 1 accepted --note=late",
            "-o json port advance 1 accepted --reason=late",
        ),
        (
            "rerate --from a --to b --by gold --note x",
            "rerate --from a --to b --by-tariff gold --reason x",
        ),
        ("tariff quote 44 --name gold", "tariff quote 44 --tariff gold"),
        ("tariff import f --name gold", "tariff import f --name gold"),
        ("request refuse 1 -- --answer", "request refuse 1 -- --answer"),
        ("", ""),
    ],
)
def test_old_names_of_options_become_those_of_now(typed: str, meant: str) -> None:
    assert respelled(typed.split()) == meant.split()


def test_both_names_do_the_same(softswitch: Softswitch) -> None:
    quoted = [
        softswitch("tariff", "quote", "995322000002", option, "default", "-o", "json")
        for option in ("--tariff", "--name")
    ]
    assert quoted[0].status == 0 and quoted[0].json == quoted[1].json
    number = softswitch("line", "list", "-o", "json").json[0]["number"]
    lists = [softswitch("voicemail", "list", *way) for way in ((number,), ("--line", number))]
    assert "has no mailbox" in lists[0].err and lists[0].err == lists[1].err
