"""XML output: elements whose text and attributes may come from strangers."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even escaped (XML 1.0 section 2.2)."""


def element(name: str, attributes: dict[str, str], *content: str) -> str:
    """An element; `content` is markup: elements, or text from :func:`characters`."""
    start = name + "".join(f" {key}={quoteattr(_legal(v))}" for key, v in attributes.items())
    inside = "".join(content)
    return f"<{start}>{inside}</{name}>" if inside else f"<{start}/>"


def characters(text: str) -> str:
    """Text as it stands inside an element."""
    return escape(_legal(text))


def document(root: str) -> bytes:
    """The whole document."""
    return (DECLARATION + root + "\n").encode("utf-8")


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
