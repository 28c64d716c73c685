"""A call's messages as rows for scripts, and as a ladder for people.

                   198.51.100.1:5060                switch
08:00:00.000               |--INVITE SDP-------------->|       1 INVITE     audio 4000
08:00:00.003               |<--------------100 Trying--|       1 INVITE
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from billing.facts.cdr import show_stamp
from sip.errors import ParseError
from sip.flow import show_address
from sip.message import Request
from sip.reading import parse_message
from softswitch.control.values import Row
from softswitch.trace.masking import mask
from softswitch.trace.recorder import Message, call_id_of

US = "switch"
TIME_WIDTH = 13
COLUMN_WIDTH = 28
"""The columns from one party to the next: an IPv4 address with its port, or an arrow with its
label."""
LABEL_WIDTH = COLUMN_WIDTH - 6

_MEDIA = re.compile(rb"^m=([a-z]{1,12}) ([0-9]{1,5})", re.MULTILINE)
_DIRECTION = re.compile(rb"^a=(sendonly|recvonly|inactive)", re.MULTILINE)


def row(message: Message, at_us: int) -> Row:
    """One message; its text is masked.

    Args:
        at_us: microseconds since the epoch.
    """
    flow = message.flow
    local, remote = show_address(flow.local), show_address(flow.remote)
    name, cseq, body = _summary(message.data)
    return {
        "at": show_stamp(at_us // 1000),
        "at_us": at_us,
        "from": local if message.sent else remote,
        "to": remote if message.sent else local,
        "sent": message.sent,
        "transport": flow.transport,
        "message": name,
        "cseq": cseq,
        "call_id": call_id_of(message.data).decode("utf-8", "replace"),
        "sdp": _sdp_hint(body),
        "text": mask(message.data).decode("latin-1"),
    }


def _summary(data: bytes) -> tuple[str, str, bytes]:
    """Method or status, CSeq and body of a message that may be malformed."""
    try:
        message = parse_message(data)
        number, method = message.cseq
        name = message.method if isinstance(message, Request) else (
            f"{message.status} {message.reason}"
        )  # fmt: skip
    except ParseError:
        return data[:20].partition(b"\r")[0].decode("latin-1"), "", b""
    return name.encode(errors="replace").decode(), f"{number} {method}", message.body


def _sdp_hint(body: bytes) -> str:
    """The streams, their ports, and a direction other than sendrecv."""
    streams = [f"{kind.decode()} {port.decode()}" for kind, port in _MEDIA.findall(body)[:4]]
    directions = [found.decode() for found in _DIRECTION.findall(body)[:1]]
    return " ".join((*streams, *directions))


def ladder(rows: Sequence[Row]) -> list[str]:
    """Lines of text: a column for each party, an arrow for each message."""
    if not rows:
        return []
    parties = list(dict.fromkeys(_party(row) for row in rows))
    columns = [parties[0], US, *parties[1:]]
    places = {
        name: TIME_WIDTH + COLUMN_WIDTH // 2 + index * COLUMN_WIDTH
        for index, name in enumerate(columns)
    }
    width = TIME_WIDTH + COLUMN_WIDTH * len(columns)
    return [_heading(places, width), *(_rung(row, places, width) for row in rows)]


def _party(row: Row) -> str:
    """The peer of the switch in a message."""
    return str(row["to"] if row["sent"] else row["from"])


def _heading(places: dict[str, int], width: int) -> str:
    line = [" "] * width
    for name, place in places.items():
        shown = name[: COLUMN_WIDTH - 1]
        start = place - len(shown) // 2
        line[start : start + len(shown)] = shown
    return "".join(line).rstrip()


def _rung(row: Row, places: dict[str, int], width: int) -> str:
    line = [" "] * width
    for place in places.values():
        line[place] = "|"
    us, them = places[US], places[_party(row)]
    left, right = min(us, them), max(us, them)
    line[left + 1 : right] = "-" * (right - left - 1)
    to_the_right = (them > us) == row["sent"]
    line[right - 1 if to_the_right else left + 1] = ">" if to_the_right else "<"
    label = f"{row['message']} SDP" if row["sdp"] else str(row["message"])
    label = _plain(label)[:LABEL_WIDTH]
    # Beside its sender, so that the direction is easy to see.
    start = left + 3 if to_the_right else right - 2 - len(label)
    line[start : start + len(label)] = label
    line[: TIME_WIDTH - 1] = str(row["at"])[11:23].ljust(TIME_WIDTH - 1)
    return f"{''.join(line)} {_plain(str(row['cseq'])):<12} {row['sdp']}".rstrip()


def _plain(text: str) -> str:
    """A text without control characters, which could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
