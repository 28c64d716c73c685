"""Results as an Excel workbook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli.output import columns_of
from softswitch.cli.session import Failure, Session, reason_of
from softswitch.control.spreadsheet import MAX_ROWS, save
from softswitch.control.values import Row

Xlsx = Annotated[
    Path | None, typer.Option("--xlsx", metavar="FILE", help="Write an Excel workbook.")
]


def show_rows(session: Session, rows: Sequence[Row], path: Path | None) -> None:
    """Print rows, or write them into a workbook and say so."""
    if path is None:
        session.show(rows)
    else:
        write(rows, path)
        session.show({"file": str(path), "rows": len(rows)})


def write(rows: Sequence[Row], path: Path) -> None:
    """Write rows into a workbook. Raises Failure."""
    if len(rows) > MAX_ROWS:
        raise Failure(f"{len(rows)} rows don't fit into a sheet; choose fewer")
    try:
        path.open("ab").close()  # a workbook that can't be saved leaves noise behind
        save(rows, columns_of(rows), path)
    except (OSError, ValueError) as error:
        raise Failure(f"{path} can't be written: {reason_of(error)}") from None
