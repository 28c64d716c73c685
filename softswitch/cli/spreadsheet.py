"""Results as an Excel workbook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli.output import columns_of
from softswitch.cli.session import Failure, Session, reason_of
from softswitch.control.cells import cell_text
from softswitch.control.values import Row, Value

Xlsx = Annotated[
    Path | None, typer.Option("--xlsx", metavar="FILE", help="Write an Excel workbook.")
]
MAX_ROWS = 1_048_575
"""Rows of a sheet, below its header."""
MAX_WIDTH = 60
_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{2,6}")


def show_rows(session: Session, rows: Sequence[Row], path: Path | None) -> None:
    """Print rows, or write them into a workbook and say so."""
    if path is None:
        session.show(rows)
    else:
        write(rows, path)
        session.show({"file": str(path), "rows": len(rows)})


def write(rows: Sequence[Row], path: Path) -> None:
    """One sheet with a header. Amounts are numbers; what strangers wrote is text, also if it
    begins like a formula. Raises Failure."""
    if len(rows) > MAX_ROWS:
        raise Failure(f"{len(rows)} rows don't fit into a sheet; choose fewer")
    try:
        path.open("ab").close()  # a workbook that can't be saved leaves noise behind
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be written: {reason_of(error)}") from None
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]
    from openpyxl.styles import Font  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    sheet = book.create_sheet("softswitch")
    sheet.freeze_panes = "A2"
    columns = columns_of(rows)
    for place, column in enumerate(columns):
        longest = max((len(cell_text(row.get(column))) for row in rows[:1000]), default=0)
        letter = chr(65 + place % 26) if place < 26 else f"A{chr(65 + place - 26)}"
        sheet.column_dimensions[letter].width = min(MAX_WIDTH, max(len(column), longest) + 2)
    header = []
    for column in columns:
        cell = WriteOnlyCell(sheet, value=column)
        cell.font = Font(bold=True)
        header.append(cell)
    sheet.append(header)
    for row in rows:
        cells = []
        for column in columns:
            value = _value(row.get(column))
            cell = WriteOnlyCell(sheet, value=value)
            if isinstance(value, str):
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    try:
        book.save(path)
    except OSError as error:
        raise Failure(f"{path} can't be written: {reason_of(error)}") from None


def _value(value: Value) -> Value | Decimal:
    if value is None or isinstance(value, bool | int):
        return value
    text = cell_text(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return text
