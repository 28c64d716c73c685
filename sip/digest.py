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
_PLAIN_PARAM = r'(?<![^, ])([a-z]+)=(")?((?(2)[ !#-\[\]-~]*|[!#-+\--~]+))(?(2)")(?:, ?|\Z)'
"""The usual spelling: no escapes, ASCII, at most one space. It begins behind a comma or a space, so
that no input makes a search slow."""
_PLAIN_PARAMS = re.compile(
    r'[ \t]*(?i:digest)[ \t]*(?:(?<![^, ])[a-z]+=(?:"[ !#-\[\]-~]*"|[!#-+\--~]+)(?:, ?|\Z))+'
)
_EACH_PLAIN_PARAM = re.compile(_PLAIN_PARAM)
_NAME_AND_VALUE = itemgetter(0, 2)
_required = itemgetter("username", "realm", "nonce", "uri", "response")
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
    return _plain_parameters(value) or _any_parameters(value)


def _plain_parameters(value: bytes) -> dict[str, str] | None:
    """Scheme and auth-params as nearly every phone writes them; None if :func:`_any_parameters`
    must read them."""
    plain = value.decode("latin-1")
    if _PLAIN_PARAMS.fullmatch(plain) is None:
        return None
    found = _EACH_PLAIN_PARAM.findall(plain)
    read = dict(map(_NAME_AND_VALUE, found))
    return read if len(read) == len(found) else None


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
    algorithm: Algorithm | None
    """None: one that we don't know."""
    qop: str | None = None
    nc: str | None = None
    cnonce: str | None = None
    opaque: str | None = None

    @classmethod
    def parse(cls, value: bytes) -> Credentials:
        """Read a field value.

        Raises:
            ParseError: 400; no digest credentials, or incomplete ones.
        """
        return _read_credentials(value)


@lru_cache(maxsize=64)  # who authenticates, and who asks by which nonce, read the same field
def _read_credentials(value: bytes) -> Credentials:
    given = _parameters(value)
    get = given.get
    name = get("algorithm", "MD5")
    try:
        username, realm, nonce, uri, response = _required(given)
    except KeyError as missing:
        raise ParseError(f"Credentials without {missing.args[0]}") from None
    return Credentials(
        username, realm, nonce, uri, response.lower(), _BY_NAME.get(name) or _algorithm(given),
        get("qop"), get("nc"), get("cnonce"), get("opaque"),
    )  # fmt: skip


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
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += ":" + algorithm.digest(body)
    h2 = _HASHES[algorithm](a2.encode("utf-8", "surrogateescape")).hexdigest()
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    whole = f"{secret}:{middle}:{h2}".encode("utf-8", "surrogateescape")
    return _HASHES[algorithm](whole).hexdigest()


class Nonces:
    """Nonces that need no memory: time and algorithm, sealed by a key of the switch.

    A nonce is `time-count-seal` in hexadecimal: milliseconds of issue, a counter that tells apart
    nonces of one millisecond, and an HMAC over both, the algorithm and the address it was given to.
    So it can't be made up, isn't good for another algorithm or from elsewhere, and outlives a
    restart if the secret does.
    """

    def __init__(self, secret: bytes, lifetime_seconds: float = 60.0) -> None:
        self._key = hashlib.sha256(b"nonce" + secret).digest()
        self._lifetime_ms = round(lifetime_seconds * 1000)
        self._count = 0

    @property
    def lifetime_ms(self) -> int:
        """Milliseconds after which a nonce is stale."""
        return self._lifetime_ms

    def issue(self, algorithm: Algorithm, now: float, source: str = "") -> str:
        """A new nonce for a peer at `source`; `now` in seconds of any clock that goes on over
        restarts of this object."""
        self._count = (self._count + 1) & 0xFFFFFFFF
        stamp = f"{round(now * 1000):012x}{self._count:08x}"
        return stamp + self._seal(stamp, algorithm, source)

    def check(self, nonce: str, algorithm: Algorithm, now: float, source: str = "") -> str:
        """ "fresh", "stale" (ours, but too old) or "invalid"."""
        stamp = nonce[:20]
        sound = nonce.isascii() and compare_digest(nonce[20:], self._seal(stamp, algorithm, source))
        if not sound:
            return "invalid"
        age = round(now * 1000) - int(stamp[:12], 16)
        return "fresh" if -1000 <= age <= self._lifetime_ms else "stale"

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

    def _seal(self, stamp: str, algorithm: Algorithm, source: str) -> str:
        data = f"{stamp}{_NAMES[algorithm]} {source}".encode("ascii")
        return blake2s(data, key=self._key, digest_size=12).hexdigest()


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


class DigestVerifier:
    """Challenges, and verifies what comes back."""

    def __init__(self, nonces: Nonces, realm: str) -> None:
        self._nonces = nonces
        self.realm = realm
        self._start = f"Digest realm={text(quote(realm))}, "
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
        extra = ", stale=true" if stale else ""
        made = []
        for algorithm in algorithms:
            nonce, name = self._nonces.issue(algorithm, now, source), _NAMES[algorithm]
            start = f'{self._start}nonce="{nonce}", algorithm={name}, qop="auth"{extra}'
            made.append(start.encode("utf-8", "surrogateescape"))
        return made

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
        freshness = self._nonces.check(nonce, algorithm, now, source)
        if freshness == "invalid":
            return Verdict.STALE
        qop, nc, cnonce = credentials.qop, credentials.nc, credentials.cnonce
        count = int(nc, 16) if nc is not None and _NONCE_COUNT.fullmatch(nc) else None
        if qop is not None and (qop not in ("auth", "auth-int") or not cnonce or count is None):
            return Verdict.MALFORMED
        used = secret or self._dummy[algorithm]
        expected = _response(algorithm, used, method, credentials.uri, nonce, qop, nc, cnonce, body)
        right = credentials.response.isascii() and compare_digest(expected, credentials.response)
        if not right or secret is None:
            return Verdict.WRONG
        if freshness == "stale":
            return Verdict.STALE
        return Verdict.OK if self._count((nonce, credentials.username), count) else Verdict.REPLAY

    def _count(self, use: _Use, count: int | None) -> bool:
        """True if this use of the nonce is later than all before it; without qop a nonce is good
        once."""
        last = self._counts.get(use)
        if last is None:
            if use[0] <= self._forgotten:
                return False  # it may have been used before
            if len(self._counted) >= MAX_COUNTED_NONCES:
                self._forget_oldest()
            self._counted.append(use)
        elif count is None or count <= last:
            return False
        self._counts[use] = count or 0
        return True

    def _forget_oldest(self) -> None:
        oldest = self._counted.popleft()
        self._counts.pop(oldest, None)
        self._forgotten = max(self._forgotten, oldest[0])

    def age(self, credentials: Credentials, now: float) -> float:
        """Seconds since the nonce of verified credentials was issued."""
        return now - int(credentials.nonce[:12], 16) / 1000

    def forget(self, now: float) -> None:
        """Drop the counts of nonces that are stale by now."""
        oldest = round(now * 1000) - self._nonces.lifetime_ms
        while self._counted and int(self._counted[0][0][:12], 16) < oldest:
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
