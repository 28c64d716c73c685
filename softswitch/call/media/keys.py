"""DTMF policies, and keys in INFO in the two forms that are in use: no RFC defines either."""

from __future__ import annotations

import re
from typing import Literal

from softswitch.subscribers.policies import KeyPolicy

KeyWay = Literal["event", "info", "tone"]
WITHOUT_EVENTS: frozenset[KeyPolicy] = frozenset({"info", "inband"})
"""The policies of legs that are not offered telephone events, and whose own are ignored."""
RELAY_TYPE = b"application/dtmf-relay"


def way_of(policy: KeyPolicy, *, events: bool, takes_info: bool) -> KeyWay:
    """The way in which keys are sent to a leg.

    Args:
        events: its SDP has telephone events.
        takes_info: it has announced keys in INFO, or sent one. Without a policy only that makes us
            send INFO: nearly all phones allow the method, and few act on it.
    """
    if policy == "info":
        return "info"
    if policy == "inband":
        return "tone"
    if events:
        return "event"
    return "info" if takes_info and policy == "auto" else "tone"


def relay_body(key: str, milliseconds: int) -> bytes:
    """The body of type application/dtmf-relay for a key."""
    return b"Signal=%s\r\nDuration=%d\r\n" % (key.encode("ascii"), milliseconds)


INFO_TYPES = frozenset({"application/dtmf-relay", "application/dtmf"})
"""Content types of such bodies."""
MAX_INFO_BYTES = 512

_RELAY = re.compile(rb"(?:^|\n)[ \t]*signal[ \t]*=[ \t]*([0-9A-D*#]{1,2})[ \t]*(?:\r?\n|$)", re.I)
_PLAIN = re.compile(rb"[ \t]*([0-9A-D*#]{1,2})[ \t]*(?:\r?\n)?", re.I)
_NUMBERED = {b"10": "*", b"11": "#", b"12": "A", b"13": "B", b"14": "C", b"15": "D"}
"""Event codes of RFC 4733 that some phones send in place of the key."""


def key_in(content_type: str, body: bytes) -> str | None:
    """The key in an INFO body; None if it has none."""
    if content_type not in INFO_TYPES or len(body) > MAX_INFO_BYTES:
        return None
    pattern = _RELAY.search if content_type == "application/dtmf-relay" else _PLAIN.fullmatch
    found = pattern(body)
    if found is None:
        return None
    key = found[1].upper()
    return key.decode("ascii") if len(key) == 1 else _NUMBERED.get(key)
