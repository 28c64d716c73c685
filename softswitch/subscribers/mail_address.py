"""E-mail addresses in the form that subscribers and operators write."""

from __future__ import annotations

import re

MAX_ADDRESS = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def is_address(text: str) -> bool:
    """True if a text is one plain address to which mail can be sent."""
    return len(text) <= MAX_ADDRESS and _ADDRESS.fullmatch(text) is not None
