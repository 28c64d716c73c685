"""Ways of notices: what accounts and lines may choose, and what counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import copy_switch
from operating import refused

from softswitch.operations.accounts import accounts, notices
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.lines import lines

ANA, GIO, BEKA = "+995322000001", "+995322000002", "+995322000003"


@pytest.fixture
def office(tmp_path: Path, empty_switch: Path) -> Iterator[Context]:
    """Ana's account with two lines, and Beka's with one."""
    copy_switch(empty_switch, tmp_path)
    with setup.opened(setup.load(tmp_path / "softswitch.toml")) as opened:
        accounts.account_add(opened, "Ana")
        accounts.account_add(opened, "Beka")
        for number, owner in ((ANA, "Ana"), (GIO, "Ana"), (BEKA, "Beka")):
            lines.line_add(opened, number, owner)
        yield opened


def ways(office: Context) -> dict[object, object]:
    return {row["topic"]: row["way"] for row in notices.notice_list(office, "Ana")}


def test_missed_calls_go_as_texts_and_all_else_by_mail_until_the_account_chooses(
    office: Context,
) -> None:
    assert ways(office) == {
        "calls": "text", "money": "email", "packages": "email", "numbers": "email",
        "requests": "email", "texts": "email",
    }  # fmt: skip
    notices.notice_set(office, "Ana", "money", "both")
    assert ways(office)["money"] == "both"
    notices.notice_set(office, "Ana", "money", "default")
    assert ways(office)["money"] == "email"


def test_a_line_chooses_for_itself_and_else_follows_its_account(office: Context) -> None:
    notices.notice_set(office, "Ana", "calls", "email")
    assert notices.line_notices(office, GIO)["way"] == "email"
    assert notices.line_notices_set(office, GIO, "none")["way"] == "none"
    assert notices.line_notices(office, ANA)["way"] == "email"
    assert notices.line_notices(office, BEKA)["way"] == "text"
    assert notices.line_notices_set(office, GIO, "default")["way"] == "email"


def test_texts_go_to_the_oldest_line_until_another_is_chosen(office: Context) -> None:
    def line() -> object:
        return notices.notice_list(office, "Ana")[1]["line"]

    assert line() == ANA
    notices.notice_line(office, "Ana", GIO)
    assert line() == GIO
    lines.line_remove(office, GIO)
    assert line() == ANA
    notices.notice_line(office, "Ana")
    assert line() == ANA


def test_what_cannot_be_chosen_is_named(office: Context) -> None:
    assert "'weather'" in refused(notices.notice_set, office, "Ana", "weather", "text")
    assert "'pigeon'" in refused(notices.notice_set, office, "Ana", "money", "pigeon")
    assert BEKA in refused(notices.notice_line, office, "Ana", BEKA)
