"""Escapes: texts that people chose, as the formats of phones and apps take them.

A display name is hostile input to each of these formats: a line break in it would begin a new
setting, a markup sign a new element.
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
"""Controls and line ends, and what XML 1.0 section 2.2 doesn't allow."""
_YEALINK_EMPTY = re.compile(r"%+(null)%+", re.IGNORECASE)
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_MARKUP_SIGNS = re.compile("[&<>\"']")


def one_line(text: str) -> str:
    """A text without controls and line ends, and without spaces at its ends."""
    return text.strip() if text.isprintable() else _UNPRINTABLE.sub(" ", text).strip()


def xml(text: str) -> str:
    """A text as content or attribute of XML."""
    line = one_line(text)
    if line.isalnum():  # nearly all values
        return line
    return _MARKUP_SIGNS.sub(lambda sign: _MARKUP[sign[0]], line)


def element(name: str, text: str) -> str:
    """An element that holds a text alone."""
    return f"<{name}>{xml(text)}</{name}>"


def yealink(text: str) -> str:
    """The value of a Yealink setting, which ends with its line; "%NULL%" would empty the
    setting."""
    line = one_line(text)
    return _YEALINK_EMPTY.sub(r"\1", line) if "%" in line else line
