"""Values of operations as cells of tables that other programs open."""

from __future__ import annotations

import json
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FORMULA = re.compile(r"[=@\t\r]|[+\-](?![0-9.]+$)")
"""Text that a spreadsheet would execute; plain numbers with a sign are none."""


def cell_text(value: object) -> str:
    """One line of text that can't steer a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        text = " ".join(value)
    elif isinstance(value, list | tuple | dict):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def csv_cell(value: object) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    text = cell_text(value)
    return f"'{text}" if _FORMULA.match(text) else text
