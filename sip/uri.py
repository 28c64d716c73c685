"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError
from sip.grammar import octets, text

MAX_URI_BYTES = 2048

_PLAIN = re.compile(grammar.PLAIN_URI)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_USER = re.compile(rb"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|%[0-9A-Fa-f]{2})+")
"""user = 1*( unreserved / escaped / user-unreserved ), and "#": many phones send the codes that are
dialled, such as #31#, without escaping it. We never do."""
_PASSWORD = re.compile(rb"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*")
_PARAM = re.compile(rb"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+")
_HEADERS = re.compile(rb"[A-Za-z0-9\-_.!~*'()\[\]/?:+$%&=]*")
_USER_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/"
)
_PARAM_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()[]/:&+$"
)
_COMPARED = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that matter even if only one URI has them (RFC 3261 section 19.1.4)."""


SOS = "service:sos"
"""The part after "urn:" in the URI of emergency services."""


NO_PARAMS: Mapping[str, str | None] = MappingProxyType({})
_SCHEMES = {b"sip": "sip", b"sips": "sips"}
"""The scheme of a plain URI, shared: a call keeps several URIs."""


class Uri(Struct, frozen=True, gc=False):
    """A URI; text parts are unescaped. Other schemes keep everything after the colon in `host`."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    """Lower case; IPv6 without brackets."""
    port: int | None
    params: Mapping[str, str | None] = NO_PARAMS
    headers: str | None = None

    @classmethod
    def parse(cls, data: bytes) -> Uri:
        """Read a URI.

        Raises:
            ParseError: 400; the URI is malformed or too long.
        """
        if len(data) > MAX_URI_BYTES:
            raise ParseError("URI Too Long", 414)
        plain = _PLAIN.fullmatch(data)
        if plain is not None:
            return cls.of_plain(*plain.groups())
        return _parse(data)

    @classmethod
    def of_plain(cls, scheme: bytes, user: bytes | None, host: bytes, port: bytes | None) -> Uri:
        """From the groups of :data:`sip.grammar.PLAIN_URI`."""
        return cls(
            _SCHEMES[scheme],
            None if user is None else user.decode("ascii"),
            None,
            host.decode("ascii").lower(),
            None if port is None else int(port),
        )

    @property
    def is_emergency(self) -> bool:
        """True for urn:service:sos and its subservices (RFC 5031 section 4.2)."""
        name = self.host.lower()
        return self.scheme == "urn" and (name == SOS or name.startswith(SOS + "."))

    def __bytes__(self) -> bytes:
        if self.scheme == "tel":
            return b"tel:" + octets(self.user or "") + _write_params(self.params)
        if self.scheme not in ("sip", "sips"):
            return octets(f"{self.scheme}:{self.host}")
        out = [self.scheme.encode("ascii"), b":"]
        if self.user is not None:
            out.append(_escape(self.user, _USER_SAFE))
            if self.password is not None:
                out += [b":", _escape(self.password, _USER_SAFE - frozenset(b";?/"))]
            out.append(b"@")
        host = octets(self.host)
        out.append(b"[" + host + b"]" if b":" in host else host)
        if self.port is not None:
            out.append(b":%d" % self.port)
        if self.params:
            out.append(_write_params(self.params))
        if self.headers is not None:
            out += [b"?", octets(self.headers)]
        return b"".join(out)

    @property
    def transport(self) -> str | None:
        """The transport parameter, lower case."""
        value = self.params.get("transport")
        return value.lower() if value else None

    def equivalent(self, other: Uri) -> bool:
        """True if both URIs name the same resource (RFC 3261 section 19.1.4)."""
        mine = (self.scheme, self.user, self.password, self.host, self.port)
        if mine != (other.scheme, other.user, other.password, other.host, other.port):
            return False
        for name in {*self.params, *other.params}:
            there = name in self.params and name in other.params
            if there and (self.params[name] or "").lower() != (other.params[name] or "").lower():
                return False
            if not there and name in _COMPARED:
                return False
        return sorted((self.headers or "").split("&")) == sorted((other.headers or "").split("&"))


def _parse(data: bytes) -> Uri:
    """Any URI."""
    colon = data.find(b":")
    name = data[:colon]
    if colon < 1 or grammar.scheme.fullmatch(name) is None:
        raise ParseError("Malformed URI")
    scheme = name.decode("ascii").lower()
    rest = data[colon + 1 :]
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    if any(octet <= 0x20 or octet == 0x7F for octet in rest) or not rest:
        raise ParseError("Malformed URI")
    if scheme == "tel":
        number, *params = rest.split(b";")
        return Uri(scheme, text(number), None, "", None, _params(params))
    return Uri(scheme, None, None, text(rest), None)


def _parse_sip(scheme: str, rest: bytes) -> Uri:
    user = password = None
    # "?" and ";" may stand in the user part, "@" may not stand unescaped after it.
    at = rest.find(b"@")
    if at >= 0:
        user, password = _parse_user(rest[:at])
        rest = rest[at + 1 :]
    found = grammar.hostport.match(rest)
    if found is None:
        raise ParseError("Malformed URI")
    port = None if found[2] is None else grammar.number(found[2], 65535)
    if found[2] is not None and port is None:
        raise ParseError("Malformed URI")
    rest, question, headers = rest[found.end() :].partition(b"?")
    if rest and rest[:1] != b";":
        raise ParseError("Malformed URI")
    if question and _HEADERS.fullmatch(headers) is None:
        raise ParseError("Malformed URI")
    params = _params(rest[1:].split(b";")) if rest else NO_PARAMS
    host = found[1].strip(b"[]").decode("ascii").lower()
    return Uri(scheme, user, password, host, port, params, text(headers) if question else None)


def _parse_user(data: bytes) -> tuple[str, str | None]:
    user, colon, password = data.partition(b":")
    if _USER.fullmatch(user) is None or _PASSWORD.fullmatch(password) is None:
        raise ParseError("Malformed URI")
    return text(_unescape(user)), text(_unescape(password)) if colon else None


def _params(items: list[bytes]) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    for item in items:
        name, equals, value = item.partition(b"=")
        if _PARAM.fullmatch(name) is None or (equals and _PARAM.fullmatch(value) is None):
            raise ParseError("Malformed URI")
        if _BAD_ESCAPE.search(item) is not None:
            raise ParseError("Malformed URI")
        key = text(_unescape(name)).lower()
        if key in params:
            raise ParseError("Malformed URI")
        params[key] = text(_unescape(value)) if equals else None
    return params


def _write_params(params: Mapping[str, str | None]) -> bytes:
    out = []
    for name, value in params.items():
        out.append(b";" + _escape(name, _PARAM_SAFE))
        if value is not None:
            out.append(b"=" + _escape(value, _PARAM_SAFE))
    return b"".join(out)


def _unescape(data: bytes) -> bytes:
    if b"%" not in data:
        return data
    return _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), data)


def _escape(value: str, safe: frozenset[int]) -> bytes:
    data = octets(value)
    if safe.issuperset(data):
        return data
    return b"".join(bytes((o,)) if o in safe else b"%%%02X" % o for o in data)
