"""The guard's memory: what an address, and a line at an address, did lately.

`now` is monotonic, in seconds.
"""

from __future__ import annotations

import ipaddress
from typing import TypeVar

FIRST_CREDIT_BYTES = 4_096
"""Octets that an address may be answered before it has sent any."""
IDLE_SECONDS = 300.0
"""What is known of a source that was silent for so long is forgotten."""
_TRIES = 8
"""Entries that are looked at for one that may be forgotten."""


class Bucket:
    """Tokens that come back by time."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.at = now

    def take(self, rate: float, burst: float, now: float) -> bool:
        """Take a token, of `rate` a second; False if none is left."""
        tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        self.tokens = tokens - 1.0 if tokens >= 1.0 else tokens
        return tokens >= 1.0


class Failures:
    """Wrong passwords in a window of time."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        self.count = 0
        self.since = 0.0

    def add(self, window: float, now: float) -> int:
        """Count a failure; how many there were within `window` seconds."""
        if now - self.since > window:
            self.count, self.since = 0, now
        self.count += 1
        return self.count

    def recent(self, window: float, now: float) -> int:
        """How many failures there were within `window` seconds."""
        return self.count if now - self.since <= window else 0


class Source:
    """What is known of an address."""

    __slots__ = (
        "answers",
        "bucket",
        "credit",
        "credit_at",
        "dropped",
        "exempt",
        "failures",
        "is_surely_shut",
        "key",
        "proven_until",
        "reached_until",
        "shut_until",
        "window_at",
    )

    def __init__(self, key: str, exempt: bool, burst: float, now: float) -> None:
        self.key = key
        self.exempt = exempt
        self.bucket = Bucket(burst, now)
        self.answers = Bucket(burst, now)
        """For credentials over a nonce that was given to this address, when its bucket is empty:
        forged messages can't use it up."""
        self.failures = Failures()
        self.proven_until = 0.0
        self.reached_until = 0.0
        """Until when it counts that answers of ours arrived there."""
        self.shut_until = 0.0
        self.is_surely_shut = False
        """True if the messages that it is shut for can't have been forged."""
        self.dropped = 0
        self.window_at = now
        self.credit = float(FIRST_CREDIT_BYTES)
        self.credit_at = now

    def matters(self, now: float) -> bool:
        """True if forgetting it would change what it may do."""
        held = max(self.proven_until, self.shut_until, self.bucket.at + IDLE_SECONDS)
        return now < max(held, self.failures.since + IDLE_SECONDS)


class Pair:
    """A line and a source."""

    __slots__ = ("banned_until", "failures", "proven_until")

    def __init__(self) -> None:
        self.failures = Failures()
        self.proven_until = 0.0
        self.banned_until = 0.0

    def matters(self, now: float) -> bool:
        """True while a ban, a proof or a count of failures of the pair is in force."""
        held = max(self.proven_until, self.banned_until)
        return now < max(held, self.failures.since + IDLE_SECONDS)


Key = TypeVar("Key")
Known = TypeVar("Known", Source, Pair)


def make_room(known: dict[Key, Known], limit: int, now: float) -> None:
    """Forget the oldest; what is proven or banned gets a second turn, as long as there is other."""
    for _ in range(_TRIES):
        if len(known) < limit:
            return
        key = next(iter(known))
        oldest = known.pop(key)
        if max(oldest.proven_until, _held(oldest)) > now:
            known[key] = oldest
    if len(known) >= limit:
        del known[next(iter(known))]


def _held(known: Source | Pair) -> float:
    return known.shut_until if isinstance(known, Source) else known.banned_until


def source_key(host: str) -> str:
    """An IPv4 address as it is; of an IPv6 address the 64 bits that one customer has."""
    if ":" not in host:
        return str(ipaddress.ip_address(host))
    return str(ipaddress.ip_network((host, 64), strict=False))
