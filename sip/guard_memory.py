"""The guard's memory: recent facts about an address, and about a line at an address.

`now` is monotonic, in seconds.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TypeVar

FIRST_CREDIT_BYTES = 4_096
"""Octets that an address may be answered before it has sent any."""
IDLE_SECONDS = 300.0
"""The silence after which a source is forgotten."""
_TRIES = 8
"""The number of entries that are tried to find one that may be forgotten."""


class Bucket:
    """A token bucket."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.at = now

    def take(self, rate: float, burst: float, now: float) -> bool:
        """Take a token, of `rate` a second; False if none is left."""
        tokens = self.tokens + (now - self.at) * rate
        self.at = now
        if tokens < 1.0:
            self.tokens = tokens
            return False
        self.tokens = (tokens if tokens < burst else burst) - 1.0
        return True


class Failures:
    """Wrong passwords in a window of time."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        self.count = 0
        self.since = 0.0

    def add(self, window: float, now: float) -> int:
        """Count a failure; returns the number within `window` seconds."""
        if now - self.since > window:
            self.count, self.since = 0, now
        self.count += 1
        return self.count

    def recent(self, window: float, now: float) -> int:
        """The number of failures within `window` seconds."""
        return self.count if now - self.since <= window else 0


NEVER = Failures()
"""Of all that never failed, as nearly all: one object, to which nothing is added."""


def add_failure(known: Source | Pair, window: float, now: float) -> int:
    """Count a wrong password; returns the number within `window` seconds."""
    if known.failures is NEVER:
        known.failures = Failures()
    return known.failures.add(window, now)


class Source:
    """The facts about an address."""

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
        """The bucket for credentials over a nonce that was given to this address, for when its main
        bucket is empty: forged messages can't empty it."""
        self.failures: Failures = NEVER
        self.proven_until = 0.0
        self.reached_until = 0.0
        """The time until which it counts as proven that our answers arrive there."""
        self.shut_until = 0.0
        self.is_surely_shut = False
        """True if the messages for which it is blocked can't have been forged."""
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
        self.failures: Failures = NEVER
        self.proven_until = 0.0
        self.banned_until = 0.0

    def matters(self, now: float) -> bool:
        """True while a ban, a proof or a count of failures of the pair is in force."""
        held = max(self.proven_until, self.banned_until)
        return now < max(held, self.failures.since + IDLE_SECONDS)


Key = TypeVar("Key")
Known = TypeVar("Known", Source, Pair)


def make_room(known: dict[Key, Known], limit: int, now: float) -> None:
    """Forget the oldest entry; proven and banned ones are kept for another round, as long as there
    are others."""
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


@lru_cache(maxsize=4096)  # each request asks for its source
def source_key(host: str) -> str:
    """The key of a source: an IPv4 address, or the first 64 bits of an IPv6 address, which are one
    customer's."""
    if ":" not in host:
        return str(ipaddress.ip_address(host))
    return str(ipaddress.ip_network((host, 64), strict=False))
