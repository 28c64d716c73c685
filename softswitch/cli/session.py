"""One invocation of the command line: its configuration, its output, and where work is done."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softswitch.cli import output
from softswitch.operations.workbook import WorkbookError, is_workbook, to_csv

if TYPE_CHECKING:
    import typer

    from softswitch.config.config import Config

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
    """What the global options say."""

    config_path: Path
    output: str | None = None

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

    def perform(self, operation: str, **arguments: Any) -> Any:
        """Do an operation in the running switch, or here on the database when none runs.

        Raises Failure, OperationError, ConfigError."""
        from softswitch.control import client as control_client

        try:
            return control_client.call(self.config.control_socket, operation, arguments)
        except control_client.Unreachable as error:
            raise Failure(str(error), UNREACHABLE) from None
        except control_client.NotRunning:
            from softswitch.operations import registry

        return registry.perform_directly(self.config, operation, arguments)

    def perform_in_switch(self, operation: str, **arguments: Any) -> Any:
        """Do what only a running switch can. Raises Failure with status 3 when none runs."""
        from softswitch.control import client as control_client

        try:
            return control_client.call(self.config.control_socket, operation, arguments)
        except control_client.NotRunning as error:
            raise Failure(f"{error}; start it with `softswitch serve`", UNREACHABLE) from None

    def show(self, result: Any) -> None:
        output.show(result, output.choose(self.output, sys.stdout))

    def run(self, operation: str, **arguments: Any) -> Any:
        """Perform and show."""
        result = self.perform(operation, **arguments)
        self.show(result)
        return result

    @property
    def is_for_people(self) -> bool:
        """Whether remarks beside the result are welcome on standard output."""
        return output.choose(self.output, sys.stdout) == "table"

    @property
    def is_plain(self) -> bool:
        """Whether the result is to be read as text, by people or line by line."""
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


def read_file(path: Path, delimiter: str = ",") -> str:
    """A text file the user named, or the first sheet of an Excel workbook as CSV. Raises
    Failure."""
    try:
        data = path.read_bytes()
        if is_workbook(data):
            return to_csv(data, delimiter)
        return data.decode("utf-8-sig")
    except WorkbookError as error:
        raise Failure(f"{path} can't be read: {error}") from None
    except FileNotFoundError:
        raise Failure(f"{path} isn't there") from None
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text (octet {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be read: {reason_of(error)}") from None
