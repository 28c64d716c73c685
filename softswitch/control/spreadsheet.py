"""Rows as an Excel workbook: one sheet with a header."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from softswitch.control.cells import cell_text

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_ROWS = 1_048_575
"""Rows of a sheet, below its header."""
MAX_WIDTH = 60
MEASURED_ROWS = 1_000
"""Rows whose cells decide about the widths of the columns."""
_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{2,6}")


def workbook(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    """A workbook's octets; see `save`."""
    out = io.BytesIO()
    save(rows, columns, out)
    return out.getvalue()


def save(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], file: Path | io.BytesIO
) -> None:
    """Write a workbook. Amounts are numbers; what strangers wrote is text, also if it begins like a
    formula. Raises OSError."""
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]
    from openpyxl.styles import Font  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    sheet = book.create_sheet("softswitch")
    sheet.freeze_panes = "A2"
    for place, column in enumerate(columns):
        cells = (len(cell_text(row.get(column))) for row in rows[:MEASURED_ROWS])
        letter = chr(65 + place % 26) if place < 26 else f"A{chr(65 + place - 26)}"
        width = max(len(column), max(cells, default=0)) + 2
        sheet.column_dimensions[letter].width = min(MAX_WIDTH, width)
    header = []
    for column in columns:
        cell = WriteOnlyCell(sheet, value=column)
        cell.font = Font(bold=True)
        header.append(cell)
    sheet.append(header)
    for row in rows:
        line = []
        for column in columns:
            value = _value(row.get(column))
            cell = WriteOnlyCell(sheet, value=value)
            if isinstance(value, str):
                cell.data_type = "s"
            line.append(cell)
        sheet.append(line)
    book.save(file)


def _value(value: object) -> int | bool | str | Decimal | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return cell_text(value)
