"""Tables for spreadsheets, sent a piece at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response, StreamingResponse

from softswitch.control.cells import csv_cell
from softswitch.control.values import Row

ROWS_AT_ONCE = 1_000
"""Rows that are read at once, so that no read takes long."""


def streamed(name: str, columns: Sequence[str], pages: AsyncIterator[list[Row]]) -> Response:
    """Pages of rows as one CSV file with a header, which spreadsheets read as UTF-8."""

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff" + _csv([list(columns)])
        async for rows in pages:
            yield _csv([[csv_cell(row.get(column)) for column in columns] for row in rows])

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _csv(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
