"""What the documents and complaints name is there: tests, commands and their options."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from softswitch.cli.main import app

ROOT = Path(__file__).parents[2]
ROOMS = ("softswitch", "billing", "sip", "rtp", "ivr_prompts")
EVERYWHERE = {"-o", "-c", "--help"}
"""Options of every command."""


@pytest.fixture(scope="module")
def names() -> set[str]:
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }


def test_every_test_that_situations_names_is_there(names):
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "situations.md").read_text())
    assert len(named) > 40
    assert [name for name in named if name not in names] == []


def test_every_file_that_services_names_is_there():
    named = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "docs" / "services.md").read_text()))
    assert named
    assert [file for file in sorted(named) if not (ROOT / file).is_file()] == []


def commands() -> list[tuple[str, str]]:
    """File and command, of the documents and of what our own code tells people to type."""
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    files += [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    found = []
    for file in files:
        text = file.read_text()
        shown = re.findall(r"`softswitch ([^`]+)`", text)
        if file.suffix == ".md":
            shown += re.findall(r"^    softswitch (.+)$", text.replace("\\\n", ""), re.M)
        found += [(file.name, command.partition(" #")[0]) for command in shown]
    return found


@cache
def root() -> Any:
    """The tree of commands, which takes a tenth of a second to build."""
    return typer.main.get_command(app)


def unknown(command: str) -> str | None:
    """The word of a command that isn't a command's or an option's."""
    node = root()
    words = command.replace('"', " ").split()
    while words and words[0][0] not in "-{" and hasattr(node, "commands"):
        word = words.pop(0)
        if word not in node.commands:
            return word
        node = node.commands[word]
    options = {name for parameter in node.params for name in parameter.opts}
    given = (word.strip("[]").partition("=")[0] for word in words)
    return next(
        (word for word in given if re.match("--?[a-z]", word) and word not in options | EVERYWHERE),
        None,
    )


def test_every_command_that_is_shown_is_there():
    shown = commands()
    assert len(shown) > 90
    assert [(file, command) for file, command in shown if unknown(command)] == []
    assert unknown("line lost") == "lost" and unknown("line list --lost") == "--lost"
