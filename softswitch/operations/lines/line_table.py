"""Lines from a CSV file: all of them, or none."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from billing.facts.account import Account
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import generate_password, new_line
from softswitch.operations.numbers.free_numbers import check_free, contested
from softswitch.subscribers.directory import Line

MAX_IMPORT_LINES = 200_000
"""One import is one transaction; more would hold the database for seconds."""
MAX_SHOWN_ERRORS = 50
_HEADER = ("number", "login", "password", "account")


def line_import(context: Context, text: str, dry_run: bool = False) -> Row:
    """All lines of a CSV file, or none of them when one is wrong."""
    lines, made, errors = _read_csv(context, text)
    if errors:
        shown = errors[:MAX_SHOWN_ERRORS]
        if len(errors) > len(shown):
            shown.append(f"... and {len(errors) - len(shown)} more")
        raise OperationError("import_failed", shown, count=len(errors))
    if lines and not dry_run:
        context.changes.lines.update(context.directory.add_lines(lines))
    result: Row = {"lines": len(lines), "imported": 0 if dry_run else len(lines)}
    return result | {"generated_passwords": made} if made and not dry_run else result


def _read_csv(context: Context, text: str) -> tuple[list[Line], list[Row], list[str]]:
    """The lines, the passwords made for lines without one, and every fault by file line."""
    reader = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    if missing := [name for name in ("number", "account") if name not in header]:
        return [], [], [f"line 1: column {missing[0]} is missing; needed: {','.join(_HEADER)}"]
    if unknown := [name for name in header if name not in _HEADER]:
        return [], [], [f"line 1: unknown column {unknown[0]!r}; known: {','.join(_HEADER)}"]
    reader.fieldnames = header
    accounts = _Accounts(context)
    numbers, logins = context.directory.taken()
    wanted_by_others = contested(context)
    lines: list[Line] = []
    made: list[Row] = []
    errors: list[str] = []
    rows = iter(reader)
    while True:
        try:
            row = next(rows, None)
            if row is None:
                break
            if len(lines) >= MAX_IMPORT_LINES:
                raise OperationError("lines_too_many", most=MAX_IMPORT_LINES)
            cells = {key: (value or "").strip() for key, value in row.items() if key is not None}
            if None in row:
                raise OperationError("cells_too_many")
            line, password = _csv_line(context, cells, accounts)
            if line.number in wanted_by_others:
                check_free(context, line.number, line.account_id)
            _claim(line.number, numbers, "number")
            _claim(line.login, logins, "login")
        except (OperationError, csv.Error) as error:
            errors.append(f"line {reader.reader.line_num}: {error}")
            if isinstance(error, csv.Error) or len(lines) >= MAX_IMPORT_LINES:
                break
        else:
            lines.append(line)
            if not cells.get("password"):
                made.append({"number": line.number, "login": line.login, "password": password})
    return lines, made, errors


def _csv_line(context: Context, cells: Mapping[str, str], accounts: _Accounts) -> tuple[Line, str]:
    password = cells.get("password") or generate_password()
    account = accounts.get(cells["account"])
    return new_line(
        context, cells["number"], cells.get("login") or None, password, account
    ), password


def _claim(value: str, taken: set[str], what: str) -> None:
    if value in taken:
        raise OperationError("import_line_taken", what=what, value=value)
    taken.add(value)


class _Accounts:
    """Accounts by id or name, each looked up once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, Account] = {}

    def get(self, reference: str) -> Account:
        found = self._known.get(reference)
        if found is None:
            found = self._known[reference] = self._context.account(reference)
        return found
