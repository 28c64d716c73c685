"""The first sheet of an Excel workbook as CSV, for everything that is imported.

Who sends a price list may send anything: sizes have limits before anything is unpacked, and what a
spreadsheet would compute is refused, since a value that was computed elsewhere may be an old one.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Protocol
from xml.parsers import expat

ZIP_MAGIC = b"PK\x03\x04"
OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""The first octets of a workbook of Excel before 2007."""
MAX_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 512 << 20
"""A sheet of a million rows has less."""
MAX_PARTS = 1_000
MAX_COLUMNS = 64
MAX_ROWS = 1_000_000
MAX_TEXT = 128 << 20
_ZEROS = re.compile(r"0{2,15}")
"""A number format that only shows leading zeros: so a spreadsheet keeps those of prefixes."""


class WorkbookError(Exception):
    """Why a workbook can't be taken; one line that says what to do."""


def is_workbook(data: bytes) -> bool:
    return data.startswith((ZIP_MAGIC, OLD_MAGIC))


def to_csv(data: bytes, delimiter: str = ",", *, computed: bool = False) -> str:
    """The rows of the first sheet, each on the line of its number.

    Args:
        computed: read a formula as the value that it had when the workbook was saved.

    Raises:
        WorkbookError: it isn't one, it is too big, or a cell has a formula or a fault.
    """
    if data.startswith(OLD_MAGIC):
        raise WorkbookError("it is of an old Excel or locked: save it as .xlsx without a password")
    if len(data) > MAX_BYTES:
        raise WorkbookError(f"it is bigger than {MAX_BYTES >> 20} MB: save it as CSV")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    try:
        _check_parts(data)
        for row in _rows(data, computed):
            writer.writerow(row)
            if text.tell() > MAX_TEXT:
                raise WorkbookError("its first sheet has too much text: save it as CSV")
    except (WorkbookError, MemoryError):
        raise
    except Exception as error:  # whatever a library meets in a file that a stranger made
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise WorkbookError(f"it is no Excel workbook that can be read: {why}") from error
    return text.getvalue()


def _check_parts(data: bytes) -> None:
    """Refuse what unpacks to too much, and XML with a document type: its entities may grow."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
            raise WorkbookError("it unpacks to too much: save the one sheet as CSV")
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as file:
                    _check_prolog(file)


class _Root(Exception):
    """The first element has come."""


def _check_prolog(file: IO[bytes]) -> None:
    def refuse(*_: object) -> None:
        raise WorkbookError("it has a document type in its XML, which no Excel writes")

    def begun(*_: object) -> None:
        raise _Root

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begun
    try:
        while chunk := file.read(4096):
            parser.Parse(chunk)
    except _Root:
        return


def _rows(data: bytes, computed: bool) -> Iterator[list[str]]:
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions that no price needs
        with closing(
            load_workbook(io.BytesIO(data), read_only=True, keep_links=False, data_only=computed)
        ) as book:
            if not book.worksheets:
                raise WorkbookError("it has no sheet")
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what it says of its size may be wrong
            header = _trimmed(_texts(sheet.iter_rows(max_row=1, max_col=MAX_COLUMNS)))
            width = len(header)
            yield header
            # One column more, to see whether a row goes on beside the table.
            for number, row in enumerate(sheet.iter_rows(min_row=2, max_col=width + 1), 2):
                if number > MAX_ROWS:
                    raise WorkbookError(f"its first sheet has more than {MAX_ROWS:,} rows")
                cells = [_text(cell) for cell in row]
                if len(cells) > width and cells.pop():
                    raise WorkbookError(f"row {number} has more cells than the header")
                yield cells + [""] * (width - len(cells)) if any(cells) else []


class _Cell(Protocol):
    """A cell of openpyxl, which has no types."""

    value: object
    data_type: str
    coordinate: str
    number_format: str


def _texts(rows: Iterator[Iterable[_Cell]]) -> list[str]:
    """The texts of the first row."""
    return [_text(cell) for cell in next(rows, ())]


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _text(cell: _Cell) -> str:
    """The text that a spreadsheet shows in a cell."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        raise WorkbookError(
            f"cell {cell.coordinate} has a formula: paste the sheet as values, or save it as CSV"
        )
    if cell.data_type == "e":
        raise WorkbookError(f"cell {cell.coordinate} has the fault {value}")
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, cell.number_format)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time(0) else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float, form: str) -> str:
    """Fifteen digits, as spreadsheets have them: what is behind them is noise."""
    text = format(Decimal(f"{value:.15g}"), "f")
    return text.zfill(len(form)) if _ZEROS.fullmatch(form) and text.isdigit() else text
