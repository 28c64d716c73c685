"""Output of results: a table for people, TSV for pipes, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Literal, TextIO

from softswitch.control.cells import cell_text, csv_cell
from softswitch.control.values import Row, Value, as_rows

Format = Literal["table", "tsv", "json", "csv"]


def choose(requested: str | None, stream: TextIO) -> Format:
    """`-o`, or what suits the stream."""
    if requested in ("json", "csv"):
        return "json" if requested == "json" else "csv"
    return "table" if stream.isatty() else "tsv"


def show(result: Value, form: Format, stream: TextIO | None = None) -> None:
    """Print a record (mapping) or rows (sequence of mappings)."""
    stream = stream or sys.stdout
    if form == "json":
        stream.write(json.dumps(result, ensure_ascii=False, indent=2))
        stream.write("\n")
    elif isinstance(result, Mapping):
        _show_record(result, form, stream)
    elif isinstance(result, Sequence) and not isinstance(result, str):
        _show_rows(as_rows(result), form, stream)
    elif result is not None:
        stream.write(f"{cell_text(result)}\n")


def narrowed(rows: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> list[Row]:
    """Rows with these columns alone; those that no row has are left out."""
    known = {column for row in rows for column in row}
    return [{name: row.get(name) for name in columns if name in known} for row in rows]


def _show_record(record: Mapping[str, Value], form: Format, stream: TextIO) -> None:
    if form == "csv":
        _write_csv([record], stream)
        return
    width = max(map(len, record), default=0)
    for key, value in record.items():
        if form != "table":
            stream.write(f"{key}\t{cell_text(value)}\n")
            continue
        for number, line in enumerate(_lines(value)):
            stream.write(f"{key if number == 0 else '':<{width}}  {line}\n")


def _lines(value: Value) -> list[str]:
    """A value of a record for people: a list of sentences takes a line for each."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value) and any(" " in text for text in texts):
            return [cell_text(text) for text in texts]
    return [cell_text(value)]


def _show_rows(rows: Sequence[Mapping[str, Value]], form: Format, stream: TextIO) -> None:
    if form == "csv":
        _write_csv(rows, stream)
    elif form == "table":
        _write_table(rows, stream)
    elif rows:
        columns = columns_of(rows)
        stream.write("\t".join(columns) + "\n")
        for row in rows:
            stream.write("\t".join(cell_text(row.get(column)) for column in columns) + "\n")


def _write_csv(rows: Sequence[Mapping[str, Value]], stream: TextIO) -> None:
    columns = columns_of(rows)
    writer = csv.writer(stream, lineterminator="\n")
    if columns:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_cell(row.get(column)) for column in columns])


def _write_table(rows: Sequence[Mapping[str, Value]], stream: TextIO) -> None:
    if not rows:
        stream.write("nothing\n")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = columns_of(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(row.get(column))) for column in columns))
    Console(file=stream, highlight=False).print(table)


def columns_of(rows: Sequence[Mapping[str, Value]]) -> list[str]:
    """Every key of every row, in order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))
