"""A database whose write lock another process holds: reads answer, and writes say who holds it."""

import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest

from billing.stores import store
from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform_directly
from softswitch.operations.registry import OPERATIONS

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def config(context: Context, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0)
    return context.config


@pytest.fixture
def holder(config: Config) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the write lock."""
    command = [sys.executable, "-c", HOLDER, str(config.database_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


def needs_nothing(name: str) -> bool:
    """True of an operation whose arguments all have a default."""
    _, *arguments = inspect.signature(OPERATIONS[name].function).parameters.values()
    return all(argument.default is not inspect.Parameter.empty for argument in arguments)


READS = sorted(n for n, o in OPERATIONS.items() if o.effect == "read" and needs_nothing(n))


def test_every_list_answers(config: Config, holder: subprocess.Popen[str]) -> None:
    assert len(READS) > 20
    locked = []
    for name in READS:
        try:
            perform_directly(config, name, {})
        except OperationError as error:  # some need a switch that runs
            locked += [name] if "locked" in error.message else []
    assert locked == []


def test_a_write_says_who_holds_the_lock(config: Config, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(OperationError) as caught:
        perform_directly(config, "account_add", {"name": "Ana"})
    message = caught.value.message
    assert f"it is locked by process {holder.pid} ({sys.executable} -c" in message
    assert "nothing was changed" in message and "\n" not in message
    assert caught.value.kind == "unavailable"


def test_after_the_lock_is_released_it_is_written(
    config: Config, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    perform_directly(config, "account_add", {"name": "Ana"})
    assert perform_directly(config, "account_list", {})[0]["name"] == "Ana"
