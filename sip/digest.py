"""Digest access authentication, both sides (RFC 7616, RFC 8760, RFC 3261 section 22)."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache, partial
from hashlib import blake2s
from hmac import compare_digest
from operator import itemgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError
from sip.grammar import octets, text
from sip.headers import quote, unquote

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_CREDENTIALS_BYTES = 4096
MAX_COUNTED_NONCES = 100_000
"""Nonces whose counts are kept at once; above it the oldest is forgotten, and its next use is
answered by a new challenge."""


class Algorithm(Enum):
    """Digest algorithms by their names on the wire, the strongest first."""

    SHA_512_256 = "SHA-512-256"
    SHA_256 = "SHA-256"
    MD5 = "MD5"

    __hash__ = object.__hash__  # members are single; an Enum's own hash is a call of Python

    def digest(self, data: bytes) -> str:
        """Lower-case hexadecimal digest."""
        return _HASHES[self](data).hexdigest()


_HASHES: dict[Algorithm, Callable[[bytes], _Hash]] = {
    Algorithm.MD5: partial(hashlib.md5, usedforsecurity=False),
    Algorithm.SHA_256: hashlib.sha256,
    Algorithm.SHA_512_256: partial(hashlib.new, "sha512_256"),
}
_BY_NAME = {algorithm.value.upper(): algorithm for algorithm in Algorithm}
_NAMES = {algorithm: algorithm.value for algorithm in Algorithm}
"""An Enum's own `value` is a call of Python."""

_AUTH_PARAM = re.compile(
    rb"[ \t]*(" + grammar.TOKEN + rb")[ \t]*=[ \t]*(" + grammar.QUOTED_STRING + rb"|[^\s,\"]+)"
    rb"[ \t]*(?:,|\Z)"
)
_PLAIN_PARAMS = re.compile(
    r'[ \t]*(?i:digest)[ \t]*(?:(?<![^, ])[a-z]+=(?:"[ !#-\[\]-~]*"|[!#-+\--~]+)(?:, ?|\Z))+'
)
"""The usual spelling: no escapes, ASCII, at most one space. Each begins behind a comma or a space,
so that no input makes a match slow."""
_EACH_PLAIN_PARAM = re.compile(r'(?<=[, ])([a-z]+)="?((?<=")[^"]*|[^", ]+)')
"""Name and value of each where all are known to be plain."""
_REQUIRED = ("username", "realm", "nonce", "uri", "response")
_each = itemgetter(*_REQUIRED, "qop", "nc", "cnonce", "opaque")
_NOT_GIVEN: dict[str, str | None] = dict.fromkeys(("qop", "nc", "cnonce", "opaque"))
_MILLISECONDS, _STAMP, _SEAL = slice(12), slice(20), slice(20, None)
"""Parts of a nonce; the stamp are the milliseconds and the count."""
EARLY_MS = 1_000
"""A nonce may be so much younger than now: the clock was set back, or another node's is ahead."""
_NONCE_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
"""nc-value = 8LHEX"""
_EMPTY_ELEMENT = re.compile(rb"[ \t]*,[ \t]*")
_SCHEME = re.compile(rb"[ \t]*digest[ \t]+", re.IGNORECASE)


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """H(username ":" realm ":" password) (RFC 7616 section 3.4.2)."""
    return algorithm.digest(octets(f"{username}:{realm}:{password}"))


def _parameters(value: bytes) -> dict[str, str]:
    """auth-params after the scheme; a name that stands twice is an error."""
    if len(value) > MAX_CREDENTIALS_BYTES:
        raise ParseError("Malformed credentials")
    plain = value.decode("latin-1")
    if _PLAIN_PARAMS.fullmatch(plain) is not None:  # as nearly every phone writes them
        found = _EACH_PLAIN_PARAM.findall(plain)
        read = dict(found)
        if len(read) == len(found):
            return read
    return _any_parameters(value)


def _any_parameters(value: bytes) -> dict[str, str]:
    scheme = _SCHEME.match(value)
    if scheme is None:
        raise ParseError("Malformed credentials")
    rest = value[scheme.end() :].rstrip(grammar.LWS)
    parameters: dict[str, str] = {}
    position = 0
    while position < len(rest):
        empty = _EMPTY_ELEMENT.match(rest, position)
        if empty is not None:  # ", ," (RFC 7230 section 7)
            position = empty.end()
            continue
        found = _AUTH_PARAM.match(rest, position)
        if found is None:
            raise ParseError("Malformed credentials")
        read = unquote(found[2]) if found[2][:1] == b'"' else text(found[2])
        name = found[1].decode("ascii").lower()
        if name in parameters:
            raise ParseError("Malformed credentials")
        parameters[name] = read
        position = found.end()
    return parameters


def _algorithm(given: dict[str, str]) -> Algorithm | None:
    """The algorithm that the parameter names, MD5 without one; None if it is unknown."""
    name = given.get("algorithm", "MD5")
    return _BY_NAME.get(name) or (_BY_NAME.get(name.upper()) if name.isascii() else None)


class Credentials(Struct, frozen=True, gc=False):
    """The credentials of an Authorization or Proxy-Authorization field (RFC 7616 section 3.4)."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str | None = None
    nc: str | None = None
    cnonce: str | None = None
    opaque: str | None = None
    algorithm: Algorithm | None = Algorithm.MD5
    """None: one that we don't know."""

    @classmethod
    def parse(cls, value: bytes) -> Credentials:
        """Read a field value.

        Raises:
            ParseError: 400; no digest credentials, or incomplete ones.
        """
        given = _parameters(value)
        try:
            found = _each(_NOT_GIVEN | given)
        except KeyError as missing:
            raise ParseError(f"Credentials without {missing.args[0]}") from None
        algorithm = _BY_NAME.get(given.get("algorithm", "MD5")) or _algorithm(given)
        return cls(*(*found, algorithm))


def _response(
    algorithm: Algorithm,
    secret: str,
    method: str,
    uri: str,
    nonce: str,
    qop: str | None,
    nc: str | None,
    cnonce: str | None,
    body: bytes,
) -> str:
    """request-digest (RFC 7616 section 3.4.1)."""
    if qop == "auth-int":
        h2 = algorithm.digest(octets(f"{method}:{uri}:{algorithm.digest(body)}"))
    elif "@" in uri:
        h2 = _HASHES[algorithm](octets(f"{method}:{uri}")).hexdigest()
    else:
        h2 = _h2_of_domain(algorithm, method, uri)
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    whole = f"{secret}:{middle}:{h2}".encode("utf-8", "surrogateescape")
    return _HASHES[algorithm](whole).hexdigest()


# All phones register with the URI of one domain. One that names a user is not kept: the time that
# an answer takes would tell whether others have called it.
@lru_cache(maxsize=64)
def _h2_of_domain(algorithm: Algorithm, method: str, uri: str) -> str:
    """H(A2) (RFC 7616 section 3.4.3)."""
    return algorithm.digest(octets(f"{method}:{uri}"))


class Nonces:
    """Nonces that need no memory: time and algorithm, sealed by a key of the switch.

    A nonce is `time-count-seal` in hexadecimal: milliseconds of issue, a counter that tells apart
    nonces of one millisecond, and an HMAC over both, the algorithm and the address it was given to.
    So it can't be made up, isn't good for another algorithm or from elsewhere, and outlives a
    restart if the secret does.
    """

    def __init__(self, secret: bytes, lifetime_seconds: float = 60.0) -> None:
        key = hashlib.sha256(b"nonce" + secret).digest()
        self._seal = partial(blake2s, key=key, digest_size=12)
        self.lifetime_ms = round(lifetime_seconds * 1000)
        """Milliseconds after which a nonce is stale."""
        self._count = 0

    def issue(self, algorithm: Algorithm, now: float, source: str = "") -> str:
        """A new nonce for a peer at `source`; `now` in seconds of any clock that goes on over
        restarts of this object."""
        self._count = (self._count + 1) & 0xFFFFFFFF
        stamp = f"{round(now * 1000):012x}{self._count:08x}"
        data = f"{stamp}{_NAMES[algorithm]} {source}".encode()
        return stamp + self._seal(data).hexdigest()

    def age_ms(self, nonce: str, algorithm: Algorithm, now: float, source: str = "") -> int | None:
        """Milliseconds since a nonce was issued; None if it isn't ours, or was issued for another
        algorithm or source."""
        if not nonce.isascii():
            return None
        data = f"{nonce[_STAMP]}{_NAMES[algorithm]} {source}".encode()
        if not compare_digest(nonce[_SEAL], self._seal(data).hexdigest()):
            return None
        return round(now * 1000) - int(nonce[_MILLISECONDS], 16)

    def check(self, nonce: str, algorithm: Algorithm, now: float, source: str = "") -> str:
        """ "fresh", "stale" (ours, but too old) or "invalid"."""
        age = self.age_ms(nonce, algorithm, now, source)
        if age is None:
            return "invalid"
        return "fresh" if -EARLY_MS <= age <= self.lifetime_ms else "stale"

    def answers_challenge(self, nonce: bytes, algorithm: bytes, now: float, source: str) -> bool:
        """True if a nonce in credentials from `source`, as it stands on the wire, is ours and
        fresh; an empty `algorithm` is MD5."""
        chosen = _BY_NAME.get(algorithm.decode("ascii", "replace").upper() or "MD5")
        if chosen is None:
            return False
        return self.check(nonce.decode("ascii", "replace"), chosen, now, source) == "fresh"

    def was_given(self, nonce: bytes, algorithm: bytes, source: str) -> bool:
        """True if this nonce was given to `source` by us, at any time: it is there."""
        chosen = _BY_NAME.get(algorithm.decode("ascii", "replace").upper() or "MD5")
        if chosen is None:
            return False
        return self.check(nonce.decode("ascii", "replace"), chosen, 0.0, source) != "invalid"


_Use = tuple[str, str]
"""Nonce and username: no user can spend another's nonce counts."""


class Verdict(Enum):
    """The outcome of a verification."""

    OK = "ok"
    STALE = "stale"
    """The nonce is too old or not ours: challenge again."""
    WRONG = "wrong"
    MALFORMED = "malformed"
    """A qop or nonce count that can't be: no proof, and no guess of the password either."""
    REPLAY = "replay"
    """The nonce count was used before: challenge again."""


_FRESH = {algorithm: f'", algorithm={name}, qop="auth"' for algorithm, name in _NAMES.items()}
"""The part of a challenge behind its nonce."""
_STALE = {algorithm: f"{end}, stale=true" for algorithm, end in _FRESH.items()}


class DigestVerifier:
    """Challenges, and verifies what comes back."""

    def __init__(self, nonces: Nonces, realm: str) -> None:
        self._nonces = nonces
        self.realm = realm
        self._start = f'Digest realm={text(quote(realm))}, nonce="'
        self._counts: dict[_Use, int] = {}
        self._counted: deque[_Use] = deque()
        self._forgotten = ""
        """The latest nonce whose count was let go before its time."""
        self._dummy = {algorithm: algorithm.digest(b"nobody") for algorithm in Algorithm}

    def challenge(
        self,
        algorithms: Sequence[Algorithm],
        now: float,
        stale: bool = False,
        source: str = "",
    ) -> list[bytes]:
        """A challenge for each algorithm, in this order, each with a nonce of its own that is good
        for a peer at `source`."""
        end = _STALE if stale else _FRESH
        return [
            f"{self._start}{self._nonces.issue(algorithm, now, source)}{end[algorithm]}".encode(
                "utf-8", "surrogateescape"
            )
            for algorithm in algorithms
        ]

    def verify(
        self,
        credentials: Credentials,
        method: str,
        secret: str | None,
        now: float,
        body: bytes = b"",
        source: str = "",
    ) -> Verdict:
        """Verify credentials; an unknown user costs the same work as a known one.

        The nonce count is looked at only after the digest proved right: a guesser can't use up
        another user's counts.

        Args:
            secret: H(username:realm:password) by the credentials' algorithm, in hexadecimal; None
                for an unknown user.
            now: seconds on the clock of :meth:`challenge`.
            source: the address that the challenge went to.
        """
        algorithm, nonce = credentials.algorithm, credentials.nonce
        if algorithm is None:
            return Verdict.STALE
        nonces = self._nonces
        age = nonces.age_ms(nonce, algorithm, now, source)
        if age is None:
            return Verdict.STALE
        qop, nc, cnonce = credentials.qop, credentials.nc, credentials.cnonce
        count = int(nc, 16) if nc is not None and _NONCE_COUNT.fullmatch(nc) else None
        if qop is not None and (qop not in ("auth", "auth-int") or not cnonce or count is None):
            return Verdict.MALFORMED
        expected = _response(
            algorithm, secret or self._dummy[algorithm], method, credentials.uri, nonce, qop, nc,
            cnonce, body,
        )  # fmt: skip
        given = credentials.response.lower()
        if not given.isascii() or not compare_digest(expected, given) or secret is None:
            return Verdict.WRONG
        if not -EARLY_MS <= age <= nonces.lifetime_ms:
            return Verdict.STALE
        return Verdict.OK if self._count((nonce, credentials.username), count) else Verdict.REPLAY

    def _count(self, use: _Use, count: int | None) -> bool:
        """True if this use of the nonce is later than all before it; without qop a nonce is good
        once."""
        counts, counted = self._counts, self._counted
        if use in counts:
            if count is None or count <= counts[use]:
                return False
        else:
            if use[0] <= self._forgotten:
                return False  # it may have been used before
            if len(counted) >= MAX_COUNTED_NONCES:
                self._forget_oldest()
            counted.append(use)
        counts[use] = count or 0
        return True

    def _forget_oldest(self) -> None:
        oldest = self._counted.popleft()
        self._counts.pop(oldest, None)
        self._forgotten = max(self._forgotten, oldest[0])

    def age(self, credentials: Credentials, now: float) -> float:
        """Seconds since the nonce of verified credentials was issued."""
        return now - int(credentials.nonce[_MILLISECONDS], 16) / 1000

    def forget(self, now: float) -> None:
        """Drop the counts of nonces that are stale by now."""
        oldest = round(now * 1000) - self._nonces.lifetime_ms
        while self._counted and int(self._counted[0][0][_MILLISECONDS], 16) < oldest:
            self._counts.pop(self._counted.popleft(), None)


def realm_of(challenge: bytes) -> str | None:
    """The realm of a challenge; None if it isn't a digest challenge."""
    try:
        return _parameters(challenge).get("realm")
    except ParseError:
        return None


def answer(
    challenges: Sequence[bytes],
    username: str,
    password: str,
    method: str,
    uri: bytes,
    *,
    cnonce: str,
    nc: int = 1,
    body: bytes = b"",
    allowed: Sequence[Algorithm] = tuple(Algorithm),
) -> bytes | None:
    """Credentials for the topmost challenge that we support (RFC 8760 section 2.4).

    None if there is none.
    """
    for challenge in challenges:
        try:
            given = _parameters(challenge)
        except ParseError:
            continue
        algorithm = _algorithm(given)
        if algorithm is None or algorithm not in allowed or not {"realm", "nonce"} <= given.keys():
            continue
        qops = {qop.strip().lower() for qop in given.get("qop", "").split(",")} - {""}
        qop = "auth" if "auth" in qops else ("auth-int" if "auth-int" in qops else None)
        if qops and qop is None:
            continue
        return _credentials(
            given, algorithm, username, password, method, text(uri), cnonce, nc, qop, body
        )
    return None


def _credentials(
    given: dict[str, str],
    algorithm: Algorithm,
    username: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    nc: int,
    qop: str | None,
    body: bytes,
) -> bytes:
    secret = ha1(algorithm, username, given["realm"], password)
    count = f"{nc:08x}"
    response = _response(algorithm, secret, method, uri, given["nonce"], qop, count, cnonce, body)
    parts = [
        b"username=" + quote(username),
        b"realm=" + quote(given["realm"]),
        b"nonce=" + quote(given["nonce"]),
        b"uri=" + quote(uri),
        b'response="%s"' % response.encode("ascii"),
        b"algorithm=" + algorithm.value.encode("ascii"),
    ]
    if qop is not None:
        parts += [b"qop=" + qop.encode("ascii"), b"nc=" + count.encode("ascii")]
        parts.append(b"cnonce=" + quote(cnonce))
    if "opaque" in given:
        parts.append(b"opaque=" + quote(given["opaque"]))
    return b"Digest " + b", ".join(parts)
