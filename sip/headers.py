"""Header field values that the stack itself reads (RFC 3261 section 20)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct, field

from sip import grammar
from sip.errors import ParseError
from sip.grammar import COMMA, octets, text
from sip.uri import MAX_URI_BYTES, Uri

Params = dict[str, str | None]

_PLAIN = re.compile(grammar.PLAIN_NAME_ADDR)
_CSEQ = re.compile(rb"([0-9]{1,10})[ \t]+(" + grammar.TOKEN + rb")")
_PLAIN_VALUE = re.compile(rb'[^;,"<>=\\\s\x00-\x1f\x7f]+')
"""Values that :data:`grammar.parameter` reads without quotes."""
_ESCAPED = re.compile(rb'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')
_SPACES = re.compile(rb"[ \t]+")
MAX_CONTACTS = 64
"""More than a line may register; each is read as a whole."""


class CSeq(NamedTuple):
    """Sequence number and method."""

    number: int
    method: str

    @classmethod
    def parse(cls, value: bytes) -> CSeq:
        """CSeq = 1*DIGIT LWS Method; the number is below 2**31 (section 8.1.1.5)."""
        found = _CSEQ.fullmatch(value)
        number = None if found is None else grammar.number(found[1])
        if found is None or number is None:
            raise ParseError("Malformed CSeq")
        return cls(number, found[2].decode("ascii"))

    def __bytes__(self) -> bytes:
        return b"%d %s" % (self.number, self.method.encode("ascii"))


class NameAddr(Struct, frozen=True, gc=False):
    """name-addr or addr-spec with its parameters: From, To, Contact and their like."""

    display_name: str | None
    uri: Uri
    params: Params = field(default_factory=dict)

    @property
    def tag(self) -> str | None:
        """The tag parameter of From or To (section 19.3)."""
        return self.params.get("tag")

    @classmethod
    def parse(cls, value: bytes) -> NameAddr:
        """Read one value.

        Raises:
            ParseError: 400.
        """
        plain = plain_name_addr(value)
        if plain is None:
            return _parse_name_addr(value)
        name, scheme, user, host, port, tag = plain.groups()
        return cls(
            None if name is None else text(name),
            Uri.of_plain(scheme, user, host, port),
            {} if tag is None else {"tag": tag.decode("ascii")},
        )

    @classmethod
    def parse_list(cls, values: list[bytes]) -> list[NameAddr]:
        """Read the elements of a list."""
        return [cls.parse(value) for value in values]

    def __bytes__(self) -> bytes:
        name = b""
        if self.display_name is not None:
            name = quote(self.display_name) + b" "
        return b"%s<%s>%s" % (name, bytes(self.uri), write_params(self.params))


def read_contacts(elements: list[bytes]) -> list[NameAddr]:
    """The values of a Contact field from its elements; "*" gives none.

    Raises:
        ParseError: 400.
    """
    if len(elements) > MAX_CONTACTS:
        raise ParseError("Too many contacts")
    return [] if elements == [b"*"] else NameAddr.parse_list(elements)


def plain_name_addr(value: bytes) -> re.Match[bytes] | None:
    """The groups of a plain address, :data:`sip.grammar.PLAIN_NAME_ADDR`, which is sound."""
    return _PLAIN.fullmatch(value) if len(value) <= MAX_URI_BYTES else None


def _parse_name_addr(value: bytes) -> NameAddr:
    """Any address."""
    name, rest = _display_name(value)
    if rest[:1] == b"<":
        end = rest.find(b">")
        if end < 0:
            raise ParseError("Malformed address")
        return NameAddr(name, Uri.parse(rest[1:end]), parse_params(rest[end + 1 :]))
    if name is not None:
        raise ParseError("Malformed address")
    # Without <> what follows ";" or "?" belongs to the header field, and no "," may stand in the
    # URI (section 20).
    uri, semicolon, params = rest.partition(b";")
    uri = uri.rstrip(b" \t")
    if b"?" in uri or b"," in uri:
        raise ParseError("Malformed address")
    return NameAddr(None, Uri.parse(uri), parse_params(semicolon + params))


def _display_name(value: bytes) -> tuple[str | None, bytes]:
    value = value.strip(grammar.LWS)
    if value[:1] == b'"':
        found = grammar.quoted_string.match(value)
        if found is None:
            raise ParseError("Malformed display name")
        return unquote(found[0]), value[found.end() :].lstrip(grammar.LWS)
    start = value.find(b"<")
    if start <= 0:
        return None, value
    words = _SPACES.split(value[:start].rstrip(grammar.LWS))
    if any(grammar.token.fullmatch(word) is None for word in words):
        raise ParseError("Malformed display name")
    return " ".join(word.decode("ascii") for word in words), value[start:]


class Via(Struct, frozen=True, gc=False):
    """One hop (section 20.42)."""

    transport: str
    """Upper case."""
    host: str
    """Lower case; IPv6 without brackets."""
    port: int | None
    params: Params = field(default_factory=dict)

    @property
    def branch(self) -> str | None:
        """The branch parameter: the transaction identifier (section 8.1.1.7)."""
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The received parameter: the address that the request came from (section 18.2.1)."""
        return self.params.get("received")

    @property
    def rport(self) -> int | None:
        """The port that the request came from (RFC 3581); None if it is missing or malformed."""
        value = self.params.get("rport")
        return grammar.number(value.encode("ascii", "replace"), 65535) if value else None

    @classmethod
    def parse(cls, value: bytes) -> Via:
        """Read one value.

        Raises:
            ParseError: 400.
        """
        slash = value.find(b"/")
        second = value.find(b"/", slash + 1)
        if slash < 0 or second < 0 or value[:slash].strip(grammar.LWS).upper() != b"SIP":
            raise ParseError("Malformed Via")
        if value[slash + 1 : second].strip(grammar.LWS) != b"2.0":
            raise ParseError("Malformed Via")
        rest = value[second + 1 :].lstrip(grammar.LWS)
        transport = grammar.token.match(rest)
        if transport is None:
            raise ParseError("Malformed Via")
        rest = rest[transport.end() :]
        sent_by = grammar.hostport.match(rest.lstrip(grammar.LWS))
        if sent_by is None or rest[:1] not in (b" ", b"\t"):
            raise ParseError("Malformed Via")
        port = None if sent_by[2] is None else grammar.number(sent_by[2], 65535)
        if sent_by[2] is not None and port is None:
            raise ParseError("Malformed Via")
        return cls(
            transport[0].decode("ascii").upper(),
            sent_by[1].strip(b"[]").decode("ascii").lower(),
            port,
            parse_params(rest.lstrip(grammar.LWS)[sent_by.end() :]),
        )

    def __bytes__(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        start = f"SIP/2.0/{self.transport} {host}{port}"
        return start.encode("ascii") + write_params(self.params)


def parse_params(value: bytes) -> Params:
    """Read *( SEMI generic-param ); names are lower case, quoted values unquoted.

    Raises:
        ParseError: 400; something else stands there, or a parameter twice.
    """
    params: Params = {}
    position = 0
    match = grammar.parameter.match
    while (found := match(value, position)) is not None:
        name = found[1].decode("ascii").lower()
        if name in params:
            raise ParseError(f"Duplicate parameter {name}")
        raw = found[2]
        if raw is None:
            params[name] = None
        else:
            params[name] = unquote(raw) if raw[:1] == b'"' else text(raw)
        position = found.end()
    if value[position:].strip(grammar.LWS):
        raise ParseError("Malformed parameters")
    return params


def write_params(params: Params) -> bytes:
    """The inverse of :func:`parse_params`."""
    out = []
    for name, value in params.items():
        out.append(b";" + octets(name))
        if value is not None:
            raw = octets(value)
            plain = _PLAIN_VALUE.fullmatch(raw)
            out.append(b"=" + (raw if plain else quote(value)))
    return b"".join(out)


def quote(value: str) -> bytes:
    """A quoted-string; what may not stand in one plainly is escaped."""
    return b'"%s"' % _ESCAPED.sub(rb"\\\g<0>", octets(value))


def unquote(value: bytes) -> str:
    """The text inside a quoted-string."""
    inner = value[1:-1]
    if b"\\" not in inner:
        return text(inner)
    out = bytearray()
    escaped = False
    for octet in inner:
        if octet == 0x5C and not escaped:
            escaped = True
            continue
        escaped = False
        out.append(octet)
    return text(bytes(out))


def split_list(value: bytes) -> list[bytes]:
    """Elements of a comma-separated list; commas in quotes and <> separate nothing, and empty
    elements are left out (RFC 7230 section 7)."""
    if COMMA not in value:
        return [value] if value else []
    if b'"' not in value and b"<" not in value:
        return [element for part in value.split(b",") if (element := part.strip(grammar.LWS))]
    return _split_quoted(value)


def _split_quoted(value: bytes) -> list[bytes]:
    elements = []
    start = 0
    quoted = angled = escaped = False
    for index, octet in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            if octet == 0x5C:
                escaped = True
            elif octet == 0x22:
                quoted = False
        elif octet == 0x22:
            quoted = True
        elif octet == 0x3C:
            angled = True
        elif octet == 0x3E:
            angled = False
        elif octet == 0x2C and not angled:
            elements.append(value[start:index].strip(grammar.LWS))
            start = index + 1
    elements.append(value[start:].strip(grammar.LWS))
    return [element for element in elements if element]


@lru_cache(maxsize=1024)  # a phone sends all its requests from one port
def via_source(host: str, port: int) -> bytes:
    """The parameters of a Via that say where a request came from (RFC 3581)."""
    return b";rport=%d;received=%s" % (port, host.encode("ascii"))


@lru_cache(maxsize=256)  # every message of a phone allows and supports the same
def lower_tags(value: bytes) -> frozenset[bytes]:
    """The tags or methods of a list, in lower case."""
    return frozenset(map(bytes.lower, split_list(value)))
