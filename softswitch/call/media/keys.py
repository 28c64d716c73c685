"""How a leg is told of keys, and keys in INFO, in the two forms that are met: no RFC has them."""

from __future__ import annotations

import re
from typing import Literal

from softswitch.subscribers.policies import KeyPolicy

KeyWay = Literal["event", "info", "tone"]
WITHOUT_EVENTS: frozenset[KeyPolicy] = frozenset({"info", "inband"})
"""Such a leg is neither offered telephone events nor believed to have any."""
RELAY_TYPE = b"application/dtmf-relay"


def way_of(policy: KeyPolicy, *, events: bool, takes_info: bool) -> KeyWay:
    """How a leg hears of keys.

    Args:
        events: it said that it knows telephone events.
        takes_info: it said, or showed, that it takes keys in INFO. Only that makes us send some
            where nothing is set: nearly everybody allows INFO, and few do anything with it.
    """
    if policy == "info":
        return "info"
    if policy == "inband":
        return "tone"
    if events:
        return "event"
    return "info" if takes_info and policy == "auto" else "tone"


def relay_body(key: str, milliseconds: int) -> bytes:
    """What application/dtmf-relay says."""
    return b"Signal=%s\r\nDuration=%d\r\n" % (key.encode("ascii"), milliseconds)


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
