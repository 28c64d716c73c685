"""One invocation of the command line: its configuration, its output, and where work is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast, overload

from softswitch.cli import output
from softswitch.operations.workbook import WorkbookError, is_workbook, to_csv

if TYPE_CHECKING:
    import typer

    from softswitch.config.config import Config
    from softswitch.control.values import Row, Value
    from softswitch.operations.context import Context
    from softswitch.process.live import Live

P = ParamSpec("P")
R = TypeVar("R")

DONE = 0
REFUSED = 1
USAGE = 2
UNREACHABLE = 3


class Failure(Exception):
    """The command ends with this status after one line on standard error."""

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass
class Session:
    """One invocation, with the global options."""

    config_path: Path
    output: str | None = None
    key: str | None = None
    """The idempotency key of the first change that the command makes; see `_next_key`."""
    _keyed: int = 0

    @classmethod
    def of(cls, context: typer.Context) -> Session:
        found = context.find_object(cls)
        if found is None:
            raise LookupError("the root command leaves a Session in every context")
        return found

    @cached_property
    def config(self) -> Config:
        """Read when a command asks for it. Raises ConfigError."""
        from softswitch.config import config

        return config.load(self.config_path)

    def perform(
        self,
        operation: Callable[Concatenate[Context, P], R],
        /,
        *_: P.args,
        **arguments: P.kwargs,
    ) -> R:
        """Perform an operation in the running switch, or here on the database when none runs.

        Raises Failure, OperationError, ConfigError."""
        from softswitch.control import client as control_client

        name, key = operation.__name__, self._next_key()
        try:
            result = control_client.call(self.config.control_socket, name, arguments, key=key)
        except control_client.Unreachable as error:
            raise Failure(str(error), UNREACHABLE) from None
        except control_client.NotRunning:
            from softswitch.operations.dispatch import perform_directly

            result = perform_directly(self.config, name, arguments, key)
        return cast("R", result)

    def _next_key(self) -> str | None:
        """A key for each of the operations of a command, which come in the same order again."""
        if self.key is None:
            return None
        self._keyed += 1
        return self.key if self._keyed == 1 else f"{self.key}/{self._keyed}"

    @overload
    def perform_in_switch(
        self,
        operation: Callable[Concatenate[Live, P], Coroutine[object, object, R]],
        /,
        *_: P.args,
        **arguments: P.kwargs,
    ) -> R: ...

    @overload
    def perform_in_switch(
        self, operation: Callable[Concatenate[Live, P], R], /, *_: P.args, **arguments: P.kwargs
    ) -> R: ...

    def perform_in_switch(
        self,
        operation: Callable[Concatenate[Live, P], object],
        /,
        *_: P.args,
        **arguments: P.kwargs,
    ) -> object:
        """Perform an operation that only a running switch can. Raises Failure with status 3 when
        none runs, OperationError, ConfigError."""
        from softswitch.control import client as control_client

        try:
            return control_client.call(self.config.control_socket, operation.__name__, arguments)
        except control_client.NotRunning as error:
            raise Failure(f"{error}; start it with `softswitch serve`", UNREACHABLE) from None

    def show(self, result: Value) -> None:
        output.show(result, output.choose(self.output, sys.stdout))

    def run(
        self,
        operation: Callable[Concatenate[Context, P], Value],
        /,
        *_: P.args,
        **arguments: P.kwargs,
    ) -> None:
        """Perform an operation and show its result."""
        self.show(self.perform(operation, *_, **arguments))

    @property
    def is_for_people(self) -> bool:
        """True if remarks beside the result are welcome on standard output."""
        return output.choose(self.output, sys.stdout) == "table"

    def show_columns(self, rows: list[Row], columns: tuple[str, ...], *, every: bool) -> None:
        """Show rows to people with these columns, or with every one; programs, which ask for JSON
        or CSV, always get every one."""
        self.show(rows if every or not self.is_plain else output.narrowed(rows, columns))

    @property
    def is_plain(self) -> bool:
        """True if the result is read as text, by people or line by line."""
        return output.choose(self.output, sys.stdout) in ("table", "tsv")


def reason_of(error: OSError | ValueError) -> str:
    """Why a file can't be had; a ValueError is about its name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def write_file(path: Path, data: bytes) -> None:
    """A file the user named; what was there is replaced. Raises Failure."""
    try:
        path.write_bytes(data)
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be written: {reason_of(error)}") from None


def read_file(path: Path, delimiter: str = ",", *, computed: bool = False) -> str:
    """A text file the user named, or the first sheet of an Excel workbook as CSV.

    Args:
        computed: read a workbook's formulas as the values that they had when it was saved.

    Raises:
        Failure: it can't be read.
    """
    try:
        data = path.read_bytes()
        if is_workbook(data):
            return to_csv(data, delimiter, computed=computed)
        return data.decode("utf-8-sig")
    except WorkbookError as error:
        raise Failure(f"{path} can't be read: {error}") from None
    except FileNotFoundError:
        raise Failure(f"{path} isn't there") from None
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text (octet {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be read: {reason_of(error)}") from None
