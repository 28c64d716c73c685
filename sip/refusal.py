"""503 to a request that isn't read: a stateless answer made of its octets (RFC 3261 section 8.2.7).

A refusal must cost a fraction of what it saves, so the request isn't parsed: the five fields that a
response copies are cut out as they stand (section 8.2.6.2), if they are written as nearly all
senders write them. All refusals of one process have tags with one secret beginning, by which the
ACK to a refused INVITE is known, which needs nothing done.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

from sip.flow import Address

_find_copied = re.compile(rb"\r\n(?:(?:Via|From|To|Call-ID|CSeq): [^\r\n]*|[ \t])").findall
"""The lines of the five, and the beginnings of lines that go on with a field."""
_ORDER = slice(2, 4)
"""The letters of a field's line by which the five are told apart."""
MAX_ORDERS = 256
MAX_VIAS = 10
MAX_HEAD_BYTES = 4_096
KEPT_SECONDS = 5.0
"""Copies of a refused request may come for so long: they wait in the sockets and queues of an
overloaded switch."""
MAX_KEPT = 50_000


class Refuser:
    """Writes refusals.

    Args:
        key: a random number, the secret of this process's tags.
        server: the value of the Server field.
    """

    def __init__(self, key: int, server: bytes) -> None:
        self._tag = b";tag=%016x." % key
        self._end = b"Server: %s\r\nContent-Length: 0\r\n\r\n" % server

    def refuse(self, data: bytes, source: Address, retry_after: int) -> bytes | None:
        """The 503 to a request outside any dialog; None if only a parser can read the request."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0 or data.startswith(b"ACK"):
            return None
        fields = _find_copied(data, 0, end)
        places = _places(b"".join([field[_ORDER] for field in fields]))
        if places is None:
            return None
        via, to, call_id = places
        if b";tag=" in fields[to]:
            return None
        fields[via] = _stamped(fields[via], source)
        fields[to] = b"%b%b%08x" % (fields[to], self._tag, zlib.crc32(fields[call_id]))
        return b"SIP/2.0 503 Service Unavailable%b\r\nRetry-After: %d\r\n%b" % (
            b"".join(fields), retry_after, self._end,
        )  # fmt: skip

    def acknowledges(self, data: bytes) -> bool:
        """True for an ACK to a refusal of ours."""
        return data.startswith(b"ACK ") and self._tag in data


class Refused:
    """The requests that were refused lately.

    The sender of a refused request has given up or asked elsewhere. A copy that was under way is
    refused, too: else the phone of a caller who is gone would ring.
    """

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._young_until = 0.0
        self.until = 0.0
        """When the last of them is forgotten (monotonic seconds)."""

    def add(self, data: bytes, now: float) -> None:
        """Remember a request for one to two times `KEPT_SECONDS`."""
        if now >= self._young_until:
            self._old = self._young if now < self.until else set()
            self._young = set()
            self._young_until = now + KEPT_SECONDS
            self.until = self._young_until + KEPT_SECONDS
        if len(self._young) < MAX_KEPT:
            self._young.add(hash(data))

    def knows(self, data: bytes) -> bool:
        """True for the copy of a refused request; asked only before `until`."""
        seal = hash(data)
        return seal in self._young or seal in self._old


@lru_cache(maxsize=MAX_ORDERS)
def _places(order: bytes) -> tuple[int, int, int] | None:
    """The places of the topmost Via, To and Call-ID among the fields that are copied; None unless
    there is one of each, of Via one at least, and no line goes on in the next one. A phone writes
    them in one order always."""
    if b" " in order or b"\t" in order:
        return None
    names = [order[place : place + 2] for place in range(0, len(order), 2)]
    vias = names.count(b"Vi")
    once = len(names) - vias == 4 == len({*names} - {b"Vi"})
    if not once or not 0 < vias <= MAX_VIAS:
        return None
    return names.index(b"Vi"), names.index(b"To"), names.index(b"Ca")


def _stamped(via: bytes, source: Address) -> bytes:
    """The topmost Via with where the request came from (RFC 3581 section 4)."""
    host, port = source
    first, comma, others = via.partition(b",")
    stamp = b";received=%s" % host.encode("ascii")
    if first.endswith(b";rport") or b";rport;" in first:
        stamp += b";rport=%d" % port
        first = first.replace(b";rport", b"", 1)
    return first + stamp + comma + others
