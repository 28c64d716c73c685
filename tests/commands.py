"""Commands of the command line, run within the tests' own process: a program for each would take
seconds of the processor."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from softswitch.cli.main import run


@dataclass(frozen=True)
class Done:
    """A finished command: its exit status, and what it wrote."""

    status: int
    told: str
    complaint: str


def command(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
    """Run a command in a folder.

    Args:
        environment: variables beside those of this process.
    """
    told, complaint = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(complaint),
    ):
        patched.chdir(folder)
        for name, value in (environment or {}).items():
            patched.setenv(name, value)
        status = run(arguments)
    return Done(status, told.getvalue(), complaint.getvalue())
