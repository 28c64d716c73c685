"""softswitch room, on a database without a running switch."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Softswitch, runner

LINE = "+995322000001"


@pytest.fixture
def softswitch(one_line: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    return runner(capsys)


def test_a_room_from_its_making_to_its_end(softswitch: Softswitch) -> None:
    assert softswitch("room", "add", "100", "--line", LINE, "--pin", "4711")[0] == 0
    assert softswitch("room", "add", "200", "--line", LINE)[0] == 0
    rows = softswitch("room", "list")[1].splitlines()
    assert rows[1:] == [f"100\t{LINE}\tset", f"200\t{LINE}\tnone"]
    assert "4711" not in softswitch("room", "show", "100")[1]
    assert "none" in softswitch("room", "set", "100", "pin", "")[1]
    assert softswitch("room", "delete", "100")[0] == 0
    assert len(softswitch("room", "list")[1].splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "1", "--line", LINE), "2 to 12 digits"),
        (("add", "abc", "--line", LINE), "2 to 12 digits"),
        (("add", "300", "--line", "+995322999999"), "no line"),
        (("add", "300", "--line", LINE, "--pin", "1234"), "successive digits"),
        (("show", "300"), "there is no room"),
        (("set", "300", "pin", ""), "there is no room"),
        (("delete", "300"), "there is no room"),
    ],
)
def test_what_is_refused(softswitch: Softswitch, arguments: tuple[str, ...], why: str) -> None:
    status, _, complaint = softswitch("room", *arguments)
    assert status == 1 and why in complaint


def test_a_number_is_taken_once(softswitch: Softswitch) -> None:
    assert softswitch("room", "add", "100", "--line", LINE)[0] == 0
    status, _, complaint = softswitch("room", "add", "100", "--line", LINE)
    assert status == 1 and "already" in complaint
