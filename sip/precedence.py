"""The order of service of a busy switch, told by a glance at a message before it is parsed.

What belongs to something under way goes before what begins (RFC 5390 requirement 15, RFC 7339
section 5.10.1): messages of dialogs first, then emergency calls, then requests whose sender has
answered a challenge of ours, then new calls, then everything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import IntEnum

GLANCE_BYTES = 2_048
"""A To or Authorization field behind these octets isn't seen."""

KnowsNonce = Callable[[bytes, bytes, str], bool]
"""True if a nonce is ours and fresh: the nonce, the algorithm (empty if none is named) and the
numeric host of the sender."""

_IN_DIALOG = frozenset({b"ACK", b"BYE", b"CANCEL", b"PRACK"})
_IN_NO_DIALOG = b"REGISTER"
"""A To tag in one was made up to be served first (RFC 3261 section 10.2)."""
_TO_TAG = re.compile(rb"\r\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)
_CREDENTIALS = re.compile(rb"\r\n(?:proxy-)?authorization[ \t]*:([^\r\n]*)", re.IGNORECASE)
_NONCE = re.compile(rb'[ ,]nonce[ \t]*=[ \t]*"([0-9a-f]{1,128})"', re.IGNORECASE)
_ALGORITHM = re.compile(rb'[ ,]algorithm[ \t]*=[ \t]*"?([A-Za-z0-9-]{1,32})', re.IGNORECASE)


class Precedence(IntEnum):
    """Classes of messages; the lower the number, the sooner it is served."""

    DIALOG = 0
    """Responses, and requests of a dialog."""
    EMERGENCY = 1
    """Emergency calls, and OPTIONS of an edge: it would take a busy node for a dead one."""
    BEGUN = 2
    """Requests with credentials over a nonce of ours: the first half of their cost is spent."""
    CALL = 3
    OTHER = 4
    """OPTIONS, a registration that must be challenged first, and all else."""
    REPEATED = 5
    """Retransmissions of what was dropped unread: served only when nothing else waits."""


class Glance:
    """Sorts messages by their first octets.

    Args:
        emergency: numbers, as they are dialled, whose calls go first.
        knows_nonce: tells credentials that answer a challenge of ours from made-up ones; None
            takes all credentials for answers.
        is_edge: true for a host that is an edge in front of the switch.
    """

    def __init__(
        self,
        emergency: Iterable[str] = (),
        knows_nonce: KnowsNonce | None = None,
        is_edge: Callable[[str], bool] | None = None,
    ) -> None:
        numbers = b"|".join(re.escape(number.encode("ascii")) for number in emergency)
        self._emergency = re.compile(rb"INVITE (?:(?:sips?|tel):(?:%s)[@; ]|urn:service:sos)" % (
            numbers or b"(?!)"
        ))  # fmt: skip
        self._knows_nonce = knows_nonce
        self._is_edge = is_edge

    def precedence(self, data: bytes, source: str) -> Precedence:
        """The class of a message that came from the host `source`; what can't be read is OTHER."""
        if data.startswith(b"SIP/2.0 "):
            return Precedence.DIALOG
        method = data[: data.find(b" ", 0, 16)]
        if method in _IN_DIALOG or (method != _IN_NO_DIALOG and _has_to_tag(data)):
            return Precedence.DIALOG
        if method == b"INVITE" and self._emergency.match(data):
            return Precedence.EMERGENCY
        if self.answers_challenge(data, source):
            return Precedence.BEGUN
        if method == b"OPTIONS" and self._is_edge is not None and self._is_edge(source):
            return Precedence.EMERGENCY
        return Precedence.CALL if method == b"INVITE" else Precedence.OTHER

    def answers_challenge(self, data: bytes, source: str) -> bool:
        """True if a message has credentials over a nonce that `knows_nonce` knows."""
        if b"uthorization" not in data:
            return False  # the search by the full grammar takes ten times as long
        for found in _CREDENTIALS.finditer(data, 0, GLANCE_BYTES):
            if self._knows_nonce is None:
                return True
            nonce = _NONCE.search(found[1])
            algorithm = _ALGORITHM.search(found[1])
            if nonce is not None and self._knows_nonce(
                nonce[1], algorithm[1] if algorithm is not None else b"", source
            ):
                return True
        return False


def _has_to_tag(data: bytes) -> bool:
    start = data.find(b"\r\nTo: ", 0, GLANCE_BYTES)
    if start < 0:
        return _TO_TAG.search(data, 0, GLANCE_BYTES) is not None
    to = data[start : data.find(b"\r\n", start + 2, GLANCE_BYTES)]
    # The search by the full grammar takes several times as long.
    return b";" in to and (b";tag=" in to or _TO_TAG.match(to) is not None)
