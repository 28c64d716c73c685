"""softswitch pin, on a database without a running switch."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Softswitch, runner

from softswitch.cli.main import run
from softswitch.config import config
from softswitch.operations.installation.setup import opened
from softswitch.subscribers.pin_tries import PinTries, Secret

LINE = "+995322000001"
SECRETS = {"line": Secret("line", "1"), "mailbox": Secret("mailbox", "1")}
SECRETS["room"] = Secret("room", "100")


@pytest.fixture
def softswitch(one_line: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    assert run(["voicemail", "enable", LINE]) == 0
    assert run(["room", "add", "100", "--line", LINE, "--pin", "4711"]) == 0
    return runner(capsys, "-o", "json")


def guess(kind: str, times: int) -> None:
    with opened(config.load()) as context:
        for _ in range(times):
            PinTries(context.billing.engine).begin(SECRETS[kind], context.now_ms())


def rows(softswitch: Softswitch) -> dict[str, tuple[str, int]]:
    listed = softswitch("pin", "list").json
    return {row["kind"]: (row["number"], row["wrong"]) for row in listed}


def test_who_guessed_at_what_is_seen_and_forgotten(softswitch: Softswitch) -> None:
    for kind, times in (("line", 1), ("mailbox", 2), ("room", 5)):
        guess(kind, times)
    assert rows(softswitch) == {"line": (LINE, 1), "mailbox": (LINE, 2), "room": ("100", 5)}
    assert softswitch("voicemail", "show", LINE).json["pin_failures"] == 2
    assert softswitch("pin", "unlock", "room", "100").status == 0
    assert rows(softswitch) == {"line": (LINE, 1), "mailbox": (LINE, 2)}


def test_another_pin_forgets_the_tries_of_the_old_one(softswitch: Softswitch) -> None:
    for kind in SECRETS:
        guess(kind, 1)
    assert softswitch("line", "set", LINE, "display_name", "Nino").status == 0
    assert set(rows(softswitch)) == set(SECRETS)
    assert softswitch("line", "set", LINE, "pin", "4711").status == 0
    assert softswitch("voicemail", "set", LINE, "pin", "4711").status == 0
    assert softswitch("room", "set", "100", "pin", "4712").status == 0
    assert rows(softswitch) == {}


def test_a_line_that_goes_takes_all_of_it_along(softswitch: Softswitch) -> None:
    for kind in SECRETS:
        guess(kind, 1)
    assert softswitch("line", "remove", LINE).status == 0
    assert rows(softswitch) == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("line", LINE), "no wrong PINs"),
        (("line", "+995322999999"), "no line"),
        (("room", "999"), "there is no room"),
        (("door", LINE), "line, mailbox, room"),
    ],
)
def test_what_is_refused(softswitch: Softswitch, arguments: tuple[str, ...], why: str) -> None:
    refused = softswitch("pin", "unlock", *arguments)
    assert refused.status == 1 and why in refused.err
