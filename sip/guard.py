"""Protection against floods, scanners and password guessers: token buckets, bans, and limits of
answers.

Before a message is parsed, its source must have a token left; sources that go on sending are
blocked for a while, and scanners that identify themselves are never read. A datagram's source can
be forged: an address is banned only after it has shown that it receives our answers, and even then
messages with credentials over a nonce that was given to it pass. Guessed passwords count for a line
*and* a source, so that an attacker elsewhere can't lock out a line's owner. A source is *proven*
once a right password came from it: it gets larger buckets and is never blocked as a whole, because
an office may be behind its address.

Sources are IPv4 addresses and IPv6 networks of 64 bits, which is what one customer gets. `now` is
monotonic, in seconds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sip.guard_memory import NEVER, Bucket, Pair, Source, add_failure, make_room, source_key

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_SOURCES = 50_000
MAX_PAIRS = 50_000
"""The limit of remembered pairs of line and source; of these and of sources the oldest are
forgotten first."""
MAX_KEYS = 10_000
MAX_LOGIN = 64
GLANCE_BYTES = 4_096
"""The octets in which a scanner's User-Agent is looked for."""
_PLAIN_USER_AGENT = re.compile(rb"\r\nUser-Agent: ([^\r\n]{1,128})")
_USER_AGENT = re.compile(rb"\r\nuser-agent[ \t]*:[ \t]*([^\r\n]{1,128})", re.IGNORECASE)
MAX_TRUSTED = 10_000
PROVEN_FACTOR = 8
"""The factor of a proven source's buckets, since an office may be behind one address."""
PROVEN_SECONDS = 7_200.0
REACHED_SECONDS = 300.0
"""Return routability: how long an answer to a challenge, or a connection, proves that the sender is
at its address."""
FLOOD_SECONDS = 10.0
FLOOD_FACTOR = 10
"""A source that loses this many times its rate within ten seconds is no phone with retransmissions,
and is blocked."""
SPRAY_FACTOR = 5
"""The limit of wrong passwords of a source over all lines, as a multiple of the limit for one
line."""
MAX_CREDIT_BYTES = 65_536
CREDIT_PER_SECOND = 64.0
"""Octets a second that a source without proof may be sent beyond what it sends: so a forged source
address gives no amplification."""

LIMITED = frozenset(b"S\0\1")
"""First octets of datagrams that an address without proof is sent with care: answers of SIP and of
STUN. Requests, which few begin with S, go wherever we want to."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Defaults let an office of some hundred phones come back at once after a power cut.

    Args:
        requests_per_second: messages of one source, and `burst` at once.
        block_seconds: for a source that goes far beyond.
        line_requests_per_second: authenticated requests of one line, and `line_burst` at once.
        guesses: wrong passwords for one line from one source within `guess_window_seconds`; then
            that pair is banned for `ban_seconds`.
        scanner_ban_seconds: for a source whose User-Agent is one of `scanners` (lower case).
    """

    requests_per_second: float = 100.0
    burst: int = 500
    block_seconds: float = 60.0
    line_requests_per_second: float = 10.0
    line_burst: int = 50
    guesses: int = 10
    guess_window_seconds: float = 300.0
    ban_seconds: float = 600.0
    scanner_ban_seconds: float = 3600.0
    scanners: tuple[str, ...] = (
        "friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan", "siparmyknife",
        "sundayddr", "iwar", "smap", "svmap", "svwar", "svcrack", "pplsip", "vaxasip",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban: of an address, whose messages aren't read, or of a line at an address, whose passwords
    aren't checked."""

    source: str
    login: str | None
    """The line whose password was guessed; None: the whole source."""
    why: str
    until: float


@dataclass(slots=True)
class GuardCounters:
    """Counters since the start."""

    over_rate: int = 0
    """Messages of sources without a token."""
    shut_out: int = 0
    """Messages of sources that are blocked or banned."""
    refused_guesses: int = 0
    """Credentials that weren't checked."""
    scanned: int = 0
    """Messages of scanners that identified themselves."""
    withheld: int = 0
    """Answers that were dropped because they were larger than what the source had sent."""


class Guard:
    """The guard, in memory: a restart lifts all bans.

    Args:
        answers_challenge: true if an unread message has credentials over a nonce, however old, that
            was given to this host.
    """

    def __init__(
        self,
        limits: GuardLimits,
        exempt: Iterable[Network] = (),
        answers_challenge: Callable[[bytes, str], bool] | None = None,
    ) -> None:
        self._limits = limits
        rate, burst = limits.requests_per_second, limits.burst
        self._usual = rate, burst
        """The bucket of a source: tokens a second, and at once."""
        self._proven = rate * PROVEN_FACTOR, burst * PROVEN_FACTOR
        self._of_line = limits.line_requests_per_second, limits.line_burst
        self._answers_challenge = answers_challenge
        self._exempt = tuple(exempt)
        self._trusted: set[str] = set()
        self._sources: dict[str, Source] = {}
        self.free_until: dict[str, float] = {}
        """Cache of :meth:`may_answer` for proven addresses: until when each may be answered."""
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._lines: dict[str, Bucket] = {}
        self._bans: dict[tuple[str, str | None], Ban] = {}
        self._news: list[Ban] = []
        self._keys: dict[str, str] = {}
        names = b"|".join(re.escape(name.encode("ascii")) for name in limits.scanners)
        self._scanner = re.compile(names or b"(?!)", re.IGNORECASE)
        self.counters = GuardCounters()

    # Before parsing

    def admits(self, host: str, data: bytes, now: float, reliable: bool = False) -> bool:
        """True if a message from this host is read; `reliable` if it came by a connection."""
        source = self._sources.get(host) or self._find(host, now)
        if source.exempt:
            return True
        if reliable:
            source.reached_until = now + REACHED_SECONDS
        if source.shut_until > now and not self._reopens(source, host, data):
            self.counters.shut_out += 1
            return False
        unproven = source.proven_until <= now
        rate, burst = self._usual if unproven else self._proven
        if not source.bucket.take(rate, burst, now) and not (
            self._answers(host, data) and source.answers.take(rate, burst, now)
        ):
            self._over_rate(source, now)
            return False
        if unproven:
            if self._scans(data):
                self.counters.scanned += 1
                if source.reached_until > now:
                    self._shut(source, "scanner", self._limits.scanner_ban_seconds, now)
                return False
            source.credit = min(MAX_CREDIT_BYTES, source.credit + len(data))
        return True

    def may_answer(self, host: str, data: bytes, now: float) -> bool:
        """True if a datagram may go there: an address that has proven nothing gets no more octets
        than it sent."""
        source = self._sources.get(host) or self._known(host)
        if source is None or source.exempt:
            return True
        if source.proven_until > now:
            if len(self.free_until) >= MAX_SOURCES:
                self.free_until.clear()
            self.free_until[host] = source.proven_until
            return True
        if not data.startswith(b"SIP/2.0 ") and data[0] >= 2:
            return True  # neither a response nor STUN
        credit = source.credit + (now - source.credit_at) * CREDIT_PER_SECOND
        source.credit_at = now
        if credit < len(data):
            source.credit = credit
            self.counters.withheld += 1
            return False
        source.credit = min(MAX_CREDIT_BYTES, credit) - len(data)
        return True

    def _answers(self, host: str, data: bytes) -> bool:
        return self._answers_challenge is not None and self._answers_challenge(data, host)

    def _reopens(self, source: Source, host: str, data: bytes) -> bool:
        """True if a message proves that its sender is at an address that others may have forged."""
        if source.is_surely_shut or not self._answers(host, data):
            return False
        ban = self._bans.get((source.key, None))
        if ban is not None:
            self._lift(ban)
        source.shut_until = 0.0
        return True

    def _over_rate(self, source: Source, now: float) -> None:
        self.counters.over_rate += 1
        if now - source.window_at > FLOOD_SECONDS:
            source.window_at, source.dropped = now, 0
        source.dropped += 1
        flood = FLOOD_FACTOR * self._limits.requests_per_second
        if source.dropped > flood and source.proven_until <= now:
            self._shut(source, "flood", self._limits.block_seconds, now)

    def _scans(self, data: bytes) -> bool:
        """True if a message identifies itself as a scanner's."""
        found = _PLAIN_USER_AGENT.search(data) or _USER_AGENT.search(data, 0, GLANCE_BYTES)
        return found is not None and self._scanner.search(found[1]) is not None

    # Passwords

    def prove(self, host: str, login: str, now: float) -> None:
        """Note a right password."""
        source = self._sources.get(host) or self._find(host, now)
        if not source.exempt:
            self._prove(source, login, now)

    def admits_line(self, host: str, login: str, line: str, now: float) -> bool:
        """Note a right password for `login`, by which a line authenticates; True if this request of
        the line is within its limit."""
        source = self._sources.get(host) or self._find(host, now)
        if source.exempt:
            return True
        self._prove(source, login, now)
        rate, burst = self._of_line
        bucket = self._lines.get(line)
        if bucket is None:
            bucket = self._lines[line] = Bucket(burst, now)
        return bucket.take(rate, burst, now)

    def _prove(self, source: Source, login: str, now: float) -> None:
        pair = self._pairs.get((source.key, login[:MAX_LOGIN])) or self._pair(source, login, now)
        source.proven_until = pair.proven_until = now + PROVEN_SECONDS
        pair.failures = NEVER

    def fail(self, host: str, login: str, now: float) -> None:
        """Note a wrong password; an unknown line makes no difference."""
        source = self._sources.get(host) or self._find(host, now)
        if source.exempt:
            return
        limits = self._limits
        source.reached_until = now + REACHED_SECONDS  # its nonce was given to this host
        add_failure(source, limits.guess_window_seconds, now)
        pair = self._pair(source, login, now)
        if add_failure(pair, limits.guess_window_seconds, now) >= limits.guesses:
            pair.banned_until = now + limits.ban_seconds
            login = login[:MAX_LOGIN]
            self._note(Ban(source.key, login, "guessed passwords", pair.banned_until))

    def may_try(self, host: str, login: str, now: float) -> bool:
        """True if a password from this source for this line may be checked."""
        source = self._sources.get(host) or self._known(host)
        if source is None or source.exempt:
            return True
        if source.failures is NEVER and not self._bans:
            return True  # as nearly always; a ban may outlast its source's failures
        pair = self._pairs.get((source.key, login[:MAX_LOGIN]))
        if pair is not None and pair.banned_until > now:
            self.counters.refused_guesses += 1
            return False
        if source.failures.count == 0:
            return True
        limits = self._limits
        guesses = source.failures.recent(limits.guess_window_seconds, now)
        if guesses >= SPRAY_FACTOR * limits.guesses and (pair is None or pair.proven_until <= now):
            self.counters.refused_guesses += 1
            return False
        return True

    # Exemptions

    def is_exempt(self, host: str) -> bool:
        """True for an address that is never limited."""
        source = self._known(host)
        return source.exempt if source is not None else self._is_exempt(source_key(host))

    def set_exempt(self, networks: Iterable[Network]) -> None:
        """Replace the networks that are never limited."""
        self._exempt = tuple(networks)
        self._judge_again()

    def trust(self, host: str) -> None:
        """Never limit this address: we send calls there ourselves."""
        key = source_key(host)
        if key not in self._trusted and len(self._trusted) < MAX_TRUSTED:
            self._trusted.add(key)
            self._judge_again()

    def _judge_again(self) -> None:
        for key, source in self._sources.items():
            source.exempt = self._is_exempt(key)

    def _is_exempt(self, key: str) -> bool:
        if key in self._trusted:
            return True
        source = ipaddress.ip_network(key)
        # A network of the other IP version overlaps with nothing.
        return any(source.version == n.version and source.overlaps(n) for n in self._exempt)

    # Bans

    def bans(self, now: float) -> list[Ban]:
        """The bans in force, the last to end first."""
        held = [ban for ban in self._bans.values() if ban.until > now]
        return sorted(held, key=lambda ban: -ban.until)

    def unban(self, source: str, login: str | None = None) -> int:
        """Lift the bans of an address or network, or only for one line; how many there were.

        Raises:
            ValueError: it is no address.
        """
        key = source if "/" in source else source_key(source)
        lifted = [
            ban for ban in self._bans.values() if ban.source == key and login in (None, ban.login)
        ]
        for ban in lifted:
            self._lift(ban)
        return len(lifted)

    def _lift(self, ban: Ban) -> None:
        del self._bans[ban.source, ban.login]
        source = self._sources.get(ban.source)
        if source is not None:
            source.failures = NEVER
            if ban.login is None:
                source.shut_until = 0.0
                source.dropped = 0
        if ban.login is not None:
            self._pairs.pop((ban.source, ban.login), None)

    def news(self) -> list[Ban]:
        """Bans since the last call."""
        news, self._news = self._news, []
        return news

    def _shut(self, source: Source, why: str, seconds: float, now: float) -> None:
        source.shut_until = now + seconds
        source.is_surely_shut = source.reached_until > now
        self._note(Ban(source.key, None, why, source.shut_until))

    def _note(self, ban: Ban) -> None:
        self._bans.pop((ban.source, ban.login), None)
        if len(self._bans) >= MAX_PAIRS:
            del self._bans[next(iter(self._bans))]
        self._bans[ban.source, ban.login] = ban
        if len(self._news) < MAX_PAIRS:
            self._news.append(ban)

    # Memory

    def _known(self, host: str) -> Source | None:
        return self._sources.get(host if ":" not in host else self._network(host))

    def _network(self, host: str) -> str:
        """The key of an IPv6 address, cached: computing it takes longer than the rest of the
        check."""
        key = self._keys.get(host)
        if key is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            key = self._keys[host] = source_key(host)
        return key

    def _find(self, host: str, now: float) -> Source:
        """The source of an IPv6 address, or one that wasn't seen lately."""
        key = host if ":" not in host else self._network(host)
        known = self._sources.get(key)
        if known is not None:
            return known
        make_room(self._sources, MAX_SOURCES, now)
        source = Source(key, self._is_exempt(key), self._limits.burst, now)
        self._sources[key] = source
        return source

    def _pair(self, source: Source, login: str, now: float) -> Pair:
        key = (source.key, login[:MAX_LOGIN])
        pair = self._pairs.get(key)
        if pair is None:
            make_room(self._pairs, MAX_PAIRS, now)
            pair = self._pairs[key] = Pair()
        return pair

    def forget(self, now: float) -> None:
        """Drop entries that no longer matter; called now and then."""
        self._sources = {key: s for key, s in self._sources.items() if s.matters(now)}
        self._pairs = {key: pair for key, pair in self._pairs.items() if pair.matters(now)}
        self._bans = {key: ban for key, ban in self._bans.items() if ban.until > now}
        for host in [host for host, until in self.free_until.items() if until <= now]:
            del self.free_until[host]
        refilled = self._limits.line_burst / self._limits.line_requests_per_second
        self._lines = {k: b for k, b in self._lines.items() if now - b.at < refilled}

    def __len__(self) -> int:
        """The number of remembered sources."""
        return len(self._sources)
