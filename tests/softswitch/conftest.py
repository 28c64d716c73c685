"""An empty switch for tests of operations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.operations import setup
from softswitch.operations.context import Context

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
