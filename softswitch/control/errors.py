"""Errors of operations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from softswitch.errors.coded import CodedError, Given


def one_of(what: str, known: Sequence[str], value: str | None) -> str | None:
    """A value out of a list; None: none was given. Raises OperationError."""
    if value is not None and value not in known:
        raise OperationError("not_one_of", field=what, choices=tuple(known), value=value)
    return value


def check_international(prefix: str) -> None:
    """Check that a prefix is written as E.164, not as it is dialled abroad. Raises
    OperationError."""
    if re.match("00[1-9]", prefix) is not None:
        raise OperationError("prefix_dialled_abroad", prefix=prefix, suggestion=prefix[2:])


class OperationError(CodedError):
    """An operation that was refused or failed.

    Args:
        code: of the catalogue.
        lines: one line for each fault of a file that has several.
        facts: the values that the catalogue's sentence names.
    """

    def __init__(self, code: str, lines: Sequence[str] = (), /, **facts: Given) -> None:
        super().__init__(code, **facts)
        self.lines = tuple(lines)

    @classmethod
    def of(cls, error: CodedError) -> OperationError:
        """The error of an operation for a refusal of the code beneath it."""
        return cls(error.code, (), **error.facts)
