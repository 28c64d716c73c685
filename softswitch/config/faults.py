"""Faults of a configuration, each explained in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


WORDS_OF_PATTERNS: Mapping[str, str] = {
    r"^(https://[!-~]{1,500})?$": "write an address that begins with https://",
    r"^[0-9A-Za-z.:\-]{1,253}$": "write a host name, such as sip.example.org",
    r"^[A-Z]{2}$": "write two capital letters, such as GE",
    r"^[A-Z]{3}$": "write three capital letters, such as GEL",
    r"^[a-z]{2}$": "write two small letters, such as ka",
    r"^[0-9A-Za-z_.\-]{0,64}$": "write at most 64 letters, digits, dots, underscores or hyphens",
    r"^[0-9A-Za-z_.\-]{1,64}$": "write 1 to 64 letters, digits, dots, underscores or hyphens",
    r"^[^\x00-\x1f]*$": "write one line of printable characters",
    r"^[0-9]{1,6}$": "write one to six digits, such as 322",
    r"^([0-9]{2,3})?$": 'write two or three digits, such as 112, or "" for none',
    r"^([*#][0-9*#]{1,6})?$": 'write * or # and one to six more keys, such as *31, or "" for none',
    r"^\*[0-9]$": "write * and one digit, such as *3",
    r"^$|^[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d$": 'write hours such as 21:00-08:00, or "" for none',
    r"^$|^https://[0-9A-Za-z.:\[\]\-]+(/[0-9A-Za-z._~/\-]*)?$": (
        'write a URL such as https://prov.example.org, or "" for none'
    ),
    r"^[0-9A-Za-z_.\-]{0,64}\*?$": "write the id at Cloud Softphone, such as EXAMPLE or EXAMPLE*",
    r"^([0-9]{1,12}(\.[0-9]{1,6})?)?$": 'write an amount such as 2.00, or "" for none',
    r"^$|^https://[^\s]+$": 'write a URL such as https://pay.example.org/, or "" for none',
    r"^(s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?)?$": (
        'write a bucket such as s3://sound or s3://sound/folder, or "" for none'
    ),
    r"^(https?://[^\s/]+/?)?$": 'write a URL such as https://s3.example.org, or "" for none',
    r"^[0-9*#]{1,10}$": "write one to ten of the keys 0 to 9, * and #",
}
"""The settings' regular expressions in words."""


def explain(
    error: ErrorDetails,
    model: type[BaseModel],
    path: Path,
    text: str,
    overridden: Mapping[tuple[str, ...], str],
) -> str:
    """One line: where, which key, what is wrong, what would be right.

    Args:
        model: of the whole configuration.
        text: the file's.
        overridden: variables of the environment by the key that they set.
    """
    keys = tuple(str(part) for part in error["loc"] if isinstance(part, str))[:2]
    where = overridden.get(keys) or f"{path}:{_line_of(text, keys)}"
    name = f"[{keys[0]}] " + ".".join(keys[1:]) if keys else ""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"there is no such {'key' if len(keys) > 1 else 'section'}{_suggest(model, keys)}"
    elif error["type"] == "missing":
        message = "is missing" if len(keys) < 2 else "is missing; add it to the file"
    elif error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        message = f"{WORDS_OF_PATTERNS[pattern]}, not {error['input']!r}"
    elif message.startswith(("Input should", "String should")):
        message = f"{message[0].lower()}{message[1:]}, not {error['input']!r}"
    return f"{where}: {name.strip()}: {message}" if name else f"{where}: {message}"


def _suggest(model: type[BaseModel], keys: tuple[str, ...]) -> str:
    known = list(model.model_fields)
    if len(keys) > 1:
        known = list(_section_type(model, keys[0]).model_fields)
    near = difflib.get_close_matches(keys[-1], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _section_type(model: type[BaseModel], name: str) -> type[BaseModel]:
    annotation = model.model_fields[name].annotation
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        raise TypeError(f"[{name}] is no section")
    return annotation


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line (from 1) of a key, else of its section, else the first."""
    section, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w\-]+)\s*\]", line)
        if header is not None:
            section = header[1]
            if keys and section == keys[0]:
                found = number
        key = re.match(r"""\s*["']?([\w\-.]+?)["']?\s*=""", line)
        if key is None or not keys:
            continue
        if (section, key[1]) == (keys[0], keys[-1]) or key[1] in (".".join(keys), keys[0]):
            return number
    return found
