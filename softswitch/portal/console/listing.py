"""Listings: pages of the console that are an operation's table, with its filters and forms."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

from starlette.responses import Response

from softswitch.control.actor import STAFF_ROLES
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import Roles
from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.api.calls import CALLS_OF_THE_API as API
from softswitch.portal.gateway import roles_of
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit

ROWS = 50
EXPORTED_ROWS = 10_000
_FORMULA = re.compile(r"[=@\t\r]|[+\-](?![0-9.]+$)")
"""Text that a spreadsheet would execute; plain numbers with a sign are none."""

Kind = Literal["text", "area", "choice", "date", "number", "check", "file", "hidden"]


@dataclass(frozen=True)
class Input:
    """A field of a form or of a filter; its label is the text `columns.NAME`.

    Args:
        options: of a choice; each has a text `values.OPTION`, or is shown as it is.
        value: what is there before anything was typed.
        hint: a text below the field.
    """

    name: str
    kind: Kind = "text"
    options: tuple[str, ...] = ()
    required: bool = False
    value: str = ""
    hint: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        """The name of the label's text."""
        return f"columns.{self.label or self.name}"


def needed(
    name: str, kind: Kind = "text", *, value: str = "", hint: str = "", label: str = ""
) -> Input:
    """A field that must be filled in."""
    return Input(name, kind, (), True, value, hint, label)


def yes_or_no(name: str, value: str = "") -> Input:
    """A choice for an argument that is true or false."""
    return Input(name, "choice", ("true", "false"), value=value)


@dataclass(frozen=True)
class Form:
    """A form that performs one operation; its button is the text `acts.OPERATION`.

    Args:
        row: arguments that come from the row beside which the form stands, by column.
        only: column and values of the rows that have the form; empty: all of them.
        fixed: arguments that the form doesn't choose.
        sure: True if the button asks once more.
    """

    operation: str
    inputs: tuple[Input, ...] = ()
    row: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, frozenset[object]] | None = None
    tone: Literal["", "primary", "danger"] = ""
    path: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    then: str = ""
    shows: str = ""
    name: str = ""
    sure: bool = False

    @property
    def action(self) -> Action:
        fields = (*self.row, *(one.name for one in self.inputs))
        return Action(
            self.operation, fields, self.path, self.fixed, self.then, self.shows, self.name
        )

    @property
    def do(self) -> str:
        return self.name or self.operation

    def fits(self, row: Mapping[str, object]) -> bool:
        """True if this row has the form."""
        return self.only is None or row.get(self.only[0]) in self.only[1]


@dataclass(frozen=True)
class Listing:
    """A page with an operation's table. Its title is the text `console.NAME`.

    Args:
        name: also the page's `data-page`.
        columns: names of the rows' columns, each with a text `columns.NAME`.
        filters: fields that are arguments of the operation.
        fixed: arguments that aren't asked for.
        last: the cursor of a row, for the next page; "" where the table has no pages.
        forms: above the table.
        row_forms: in each row.
        link: the page of a row.
        command: the command that shows the same.
        note: the name of a text below the title.
        live: topics that have the table read again.
        most: rows of an export.
        beside: pages of the same matter, with the names of their texts.
        confirmed: True if the password must have been given within five minutes.
        options: of the command, where they have other names than the filters.
    """

    path: str
    name: str
    operation: str
    columns: tuple[str, ...]
    filters: tuple[Input, ...] = ()
    fixed: Mapping[str, object] = field(default_factory=dict)
    last: str = ""
    forms: tuple[Form, ...] = ()
    row_forms: tuple[Form, ...] = ()
    link: str = ""
    command: str = ""
    note: str = ""
    live: str = ""
    key: str = "id"
    most: int = EXPORTED_ROWS
    options: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[tuple[str, str], ...] = ()
    confirmed: bool = False

    @property
    def roles(self) -> Roles:
        return roles_of(self.operation) & frozenset(STAFF_ROLES)

    def page(self) -> Page:
        """The listing as a row of the table of routes."""
        actions = tuple(form.action for form in (*self.forms, *self.row_forms))
        return Page(self.path, self.show, self.roles, actions, confirmed=self.confirmed)

    async def show(self, visit: Visit) -> Response:
        asked = {one.name: visit.asked(one.name) for one in self.filters}
        given: dict[str, object] = {name: text for name, text in asked.items() if text}
        given |= {**self.fixed}
        export = visit.asked("as")
        rows: Sequence[Row] = []
        try:
            rows = await self._rows(visit, given, self.most if export else ROWS + 1)
        except OperationError as error:
            if export:
                raise
            visit.refuse(error)
        if export:
            return exported(self.name, rows, export)
        more = rows[ROWS - 1] if len(rows) > ROWS and self.last else None
        query = urlencode({name: text for name, text in asked.items() if text})
        return visit.page(
            "console/listing.html",
            one=self,
            rows=rows[:ROWS] if self.last else rows,
            asked=asked,
            query=query,
            next="" if more is None else quote(self.last.format_map(more), safe=""),
            command=command_line(self.command, asked, self.options),
            api=api_path(self.operation),
        )

    async def _rows(self, visit: Visit, given: dict[str, object], limit: int) -> list[Row]:
        converted = typed(self.operation, given)
        if self.last:
            converted["limit"] = limit
            before = visit.asked("before")
            if before:
                converted |= typed(self.operation, {"before": before})
        return await visit.rows(self.operation, **converted)


def typed(operation: str, given: Mapping[str, object]) -> dict[str, object]:
    """Texts of a query as the operation's whole numbers and truths, where it takes those."""
    found = OPERATIONS.get(operation)
    kinds = {} if found is None else parameters(found.function)
    out = dict(given)
    for name, value in given.items():
        kind = str(kinds.get(name, ("",))[0])
        if not isinstance(value, str):
            continue
        if "int" in kind:
            if not value.isascii() or not value.isdecimal() or len(value) > 18:
                raise OperationError("cursor_malformed")
            out[name] = int(value)
        elif "bool" in kind:
            out[name] = value == "true"
    return out


def api_path(operation: str) -> str:
    """The request of the API that answers with the same rows; "" where there is none."""
    return next((f"/api/v1{one.path}" for one in API if one.operation == operation), "")


def command_line(
    command: str, asked: Mapping[str, str], options: Mapping[str, str] | None = None
) -> str:
    """The command that shows the same, with the filters that were chosen."""
    if not command:
        return ""
    names = OPTION_NAMES | dict(options or {})
    parts = [f"softswitch {command}"]
    for name, value in asked.items():
        if value and value != "false":
            parts.append("--" + names.get(name, name).replace("_", "-"))
            if value != "true":
                parts.append(_quoted(value))
    return " ".join(parts)


OPTION_NAMES = {"since": "from", "until": "to"}
"""Options whose name is another than the argument's."""


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_.:@+/-]+", text) else "'" + text.replace("'", "") + "'"


def exported(name: str, rows: Iterable[Mapping[str, object]], form: str) -> Response:
    """Rows as a file: `csv`, for a spreadsheet, or `json`."""
    kept = list(rows)
    if form == "json":
        return Response(json.dumps(kept, ensure_ascii=False), media_type="application/json")
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    columns = list(dict.fromkeys(key for row in kept for key in row))
    writer.writerow(columns)
    for row in kept:
        writer.writerow([_safe(row.get(column)) for column in columns])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _safe(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.strip('"') if isinstance(value, str) else text
    return f"'{text}" if _FORMULA.match(text) else text
