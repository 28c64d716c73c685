"""E-mail addresses as subscribers and operators write them."""

from __future__ import annotations

import re

MAX_ADDRESS = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def is_address(text: str) -> bool:
    """Whether a text is one plain address that a mail can go to."""
    return len(text) <= MAX_ADDRESS and _ADDRESS.fullmatch(text) is not None
