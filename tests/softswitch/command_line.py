"""The command line, run in this process, on a switch that is a copy of a fresh one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from softswitch.cli.main import run


class Result(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Softswitch = Callable[..., Result]


def runner(capsys: pytest.CaptureFixture[str], *always: str) -> Softswitch:
    """Runs commands.

    Args:
        always: arguments of every command.
    """
    capsys.readouterr()

    def call(*arguments: str) -> Result:
        status = run([*always, *arguments])
        return Result(status, *capsys.readouterr())

    return call


def copy_switch(fresh: Path, folder: Path) -> None:
    """Copy the result of `init`, which takes a while, to another folder."""
    for file in filter(Path.is_file, fresh.rglob("*")):
        target = folder / file.relative_to(fresh)
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_bytes(file.read_bytes())
