"""Keys that phones tell of in INFO, in the two forms that are met (neither has an RFC)."""

from __future__ import annotations

import re

INFO_TYPES = frozenset({"application/dtmf-relay", "application/dtmf"})
"""Content types of such bodies."""
MAX_INFO_BYTES = 512

_RELAY = re.compile(rb"(?:^|\n)[ \t]*signal[ \t]*=[ \t]*([0-9A-D*#]{1,2})[ \t]*(?:\r?\n|$)", re.I)
_PLAIN = re.compile(rb"[ \t]*([0-9A-D*#]{1,2})[ \t]*(?:\r?\n)?", re.I)
_NUMBERED = {b"10": "*", b"11": "#", b"12": "A", b"13": "B", b"14": "C", b"15": "D"}
"""Some phones send the codes of RFC 4733 instead of the keys."""


def key_in(content_type: str, body: bytes) -> str | None:
    """The key of an INFO; None if it tells of none."""
    if content_type not in INFO_TYPES or len(body) > MAX_INFO_BYTES:
        return None
    pattern = _RELAY.search if content_type == "application/dtmf-relay" else _PLAIN.fullmatch
    found = pattern(body)
    if found is None:
        return None
    key = found[1].upper()
    return key.decode("ascii") if len(key) == 1 else _NUMBERED.get(key)
