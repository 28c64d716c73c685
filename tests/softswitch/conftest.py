"""An empty switch for tests of operations, and a demo one for those of the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from softswitch.cli.main import run
from softswitch.operations.context import Context
from softswitch.operations.installation import setup

if TYPE_CHECKING:
    from command_line import Softswitch

sys.path.insert(0, str(Path(__file__).parent))

CONFIGURATION = setup.configuration_text(
    domain="sip.example.org",
    address="127.0.0.1",
    port=5060,
    country="GE",
    currency="GEL",
    time_zone="Asia/Tbilisi",
)
NOW = 1_780_000_000_000


@pytest.fixture(scope="session")
def empty_switch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("switch")
    setup.init(folder / "softswitch.toml", CONFIGURATION, lambda context: None)
    return folder


@pytest.fixture
def context(tmp_path: Path, empty_switch: Path) -> Iterator[Context]:
    """An empty switch of 31 May 2026, a copy of one that was initialised."""
    from command_line import copy_switch

    copy_switch(empty_switch, tmp_path)
    config = setup.load(tmp_path / "softswitch.toml")
    with setup.opened(config) as opened:
        opened.now_ms = lambda: NOW
        yield opened


@pytest.fixture(scope="session")
def fresh_line(tmp_path_factory: pytest.TempPathFactory, empty_switch: Path) -> Path:
    """The folder of a switch that has one account, Nino, with one line, +995322000001."""
    from command_line import copy_switch

    folder = tmp_path_factory.mktemp("line")
    copy_switch(empty_switch, folder)
    config = ["-c", str(folder / "softswitch.toml")]
    line = ["line", "add", "+995322000001", "--account", "Nino", "--password", "secret"]
    for command in (["account", "add", "Nino"], line):
        assert run([*command, *config]) == 0
    return folder


@pytest.fixture
def one_line(tmp_path: Path, fresh_line: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such a switch of its own, and the working folder."""
    from command_line import copy_switch

    copy_switch(fresh_line, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def fresh_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert run(["init", "--demo", "-c", str(folder / "softswitch.toml")]) == 0
    return folder


@pytest.fixture
def folder(tmp_path: Path, fresh_demo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo switch of its own, and the working folder."""
    from command_line import copy_switch

    copy_switch(fresh_demo, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def softswitch(folder: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    """The command line, on that switch."""
    from command_line import runner

    return runner(capsys)
