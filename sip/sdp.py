"""Session descriptions (RFC 8866)."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError
from sip.grammar import octets, text

MAX_SDP_BYTES = 16_384
MAX_MEDIA = 16
MAX_LINES = 512
MAX_USUAL_BYTES = 1_024
"""Longer streams, and plain descriptions as a whole, aren't remembered."""

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_LINE = re.compile(rb"([a-z])=([^\x00\r\n]*)\r?")
"""byte-string = 1*(%x01-09/%x0B-0C/%x0E-FF); an empty one is met in practice."""
_ADDRESS = re.compile(rb"[0-9A-Za-z.:%_-]{1,253}")
_MEDIA = re.compile(
    rb"([A-Za-z0-9!#$%&'*+.^_`{|}~-]+)[ \t]+([0-9]{1,5})(?:/([0-9]{1,5}))?"
    rb"[ \t]+([A-Za-z0-9/!#$%&'*+.^_`{|}~-]+)((?:[ \t]+[A-Za-z0-9!#$%&'*+.^_`{|}~-]+)+)"
)
_PLAIN = re.compile(
    r"v=0\r\no=([!-~]+) ([!-~]+) ([!-~]+) IN IP4 ([0-9.]+)\r\ns=([!-~ ]+)\r\n"
    r"c=IN IP4 ([0-9.]+)\r\nt=([0-9]+ [0-9]+)\r\n"
    r"m=audio (0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}) RTP/AVP((?: [0-9]{1,3})+\r\n"
    r"(?:a=(?!crypto|ice-)[^\x00\r\n]*\r\n)*)"
)
"""What nearly every phone offers and answers: one stream of sound by IPv4, without secrets. Ports
from 65000 on are left to the full reading."""
_BLANKS = b" \t"
"""RFC 8866 has single blanks inside a line and none at its end; old gateways send more, or tabs."""

PLAIN_RTP = "RTP/AVP"
"""RFC 3551, without SRTP."""

Attribute = tuple[str, str | None]


SECRETS = frozenset({"crypto", "ice-ufrag", "ice-pwd"})
"""Attributes that are in no cache: their values are keys, and new in each call."""
_DIRECTION_ATTRIBUTES = frozenset[Attribute]((direction, None) for direction in DIRECTIONS)


class Origin(Struct, frozen=True, gc=False):
    """o= : who made the description, and which version it is."""

    username: str
    session_id: str
    version: str
    address: str


class Connection(Struct, frozen=True, gc=False):
    """c= : where media goes."""

    address: str


class Media(Struct, frozen=True, gc=False):
    """m= and the lines that belong to it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int | None = None
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    """Further lines (i, b, k), kept as they are."""
    removed: bool = False
    """The peer removed this stream of a running session (port 0, RFC 3264 section 8.2); it is
    treated as one on hold until the peer offers it again. Set by
    :func:`sip.offer_answer.keep_removed`, never by the parser."""

    @property
    def direction(self) -> str | None:
        """This stream's own direction, None if it says none."""
        said = _DIRECTION_ATTRIBUTES.intersection(self.attributes)
        if len(said) < 2:
            return next(iter(said))[0] if said else None
        for key, value in self.attributes:
            if value is None and key in DIRECTIONS:
                return key
        return None


class SessionDescription(Struct, frozen=True, gc=False):
    """A whole description."""

    origin: Origin
    name: str = "-"
    connection: Connection | None = None
    timing: tuple[str, ...] = ("0 0",)
    attributes: tuple[Attribute, ...] = ()
    media: tuple[Media, ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    """Further session lines (i, u, e, p, b, k, r, z), kept as they are."""

    @classmethod
    def parse(cls, data: bytes) -> SessionDescription:
        """A description as peers write it.

        Bare LF, empty lines, a missing end of the last line, blanks and tabs around values, and
        brackets around IPv6 addresses are tolerated; none of them is written again.

        Raises:
            ParseError: 400, not a description; 413, too large.
        """
        if len(data) > MAX_SDP_BYTES:
            raise ParseError("SDP too long", 413)
        plain = _PLAIN.fullmatch(data.decode("utf-8", "surrogateescape"))
        return cls.parse_in_full(data) if plain is None else _of_plain(plain, data)

    @classmethod
    def parse_in_full(cls, data: bytes) -> SessionDescription:
        """As :meth:`parse`, which reads most descriptions by one pattern and gets the same."""
        data = data.replace(b"\r\n", b"\n").strip(b"\n")
        lines = data.split(b"\n")
        if len(lines) > MAX_LINES or lines[0].rstrip(_BLANKS) != b"v=0":
            raise ParseError("Malformed SDP")
        if b"\r" in data or b"\0" in data:
            head, blocks = _blocks([_split(line) for line in lines[1:] if line.strip(_BLANKS)])
            return _session(head, tuple(_media(block) for block in blocks))
        return _session(*_sections(data))

    def __bytes__(self) -> bytes:
        origin = self.origin
        lines = ["v=0", f"o={origin.username} {origin.session_id} {origin.version} "
                 f"IN {_net_type(origin.address)} {origin.address}", f"s={self.name}"]  # fmt: skip
        if self.other:
            lines += [f"{kind}={value}" for kind, value in self.other if kind in "iuepb"]
        if self.connection is not None:
            lines.append(_connection_line(self.connection))
        lines += [f"t={value}" for value in self.timing]
        if self.other:
            lines += [f"{kind}={value}" for kind, value in self.other if kind not in "iuepb"]
        lines += _attribute_lines(self.attributes)
        for media in self.media:
            lines += _media_lines(media)
        lines.append("")
        return octets("\r\n".join(lines))

    def direction_of(self, media: Media) -> str:
        """A stream's direction, by itself or by the session (RFC 8866 section 6.7)."""
        own = media.direction
        if own is not None:
            return own
        for key, value in self.attributes:
            if value is None and key in DIRECTIONS:
                return key
        return "sendrecv"

    def address_of(self, media: Media) -> str | None:
        """Where a stream goes."""
        connection = media.connection or self.connection
        return None if connection is None else connection.address


def _of_plain(found: re.Match[str], data: bytes) -> SessionDescription:
    """The description that `_PLAIN` matched. All but what numbers it, and its port, is the same in
    every call of a phone: it is read once, and kept once."""
    username, session_id, version, host, name, address, timing, port, stream = found.groups()
    if len(data) > MAX_USUAL_BYTES:
        return SessionDescription.parse_in_full(data)  # as `_is_usual` has it
    formats, attributes, host, name, connection, times = _of_phone(
        stream, host, name, address, timing
    )
    media = Media("audio", int(port), PLAIN_RTP, formats, attributes=attributes)
    return SessionDescription(
        Origin(username, session_id, version, host), name, connection, times, media=(media,)
    )


_OfPhone = tuple[
    tuple[str, ...], tuple[Attribute, ...], str, str, Connection | None, tuple[str, ...]
]
"""Formats and attributes of a stream, the address and the name of a session, its connection and its
timing."""


@lru_cache(maxsize=512)
def _of_phone(stream: str, host: str, name: str, address: str, timing: str) -> _OfPhone:
    """The parts that are the same in all plain descriptions of a phone. Of its own they would take
    250 octets of each call."""
    formats, attributes = _plain_stream(stream)
    if host == address:
        host = address
    return formats, attributes, host, name, Connection(address), (timing,)


@lru_cache(maxsize=512)
def _plain_stream(stream: str) -> tuple[tuple[str, ...], tuple[Attribute, ...]]:
    """The formats and attributes of a plain stream."""
    formats, _, rest = stream.partition("\r\n")
    _, attributes, _ = _stream_lines(octets(rest).replace(b"\r\n", b"\n"))
    return tuple(formats.split()), attributes


def _sections(data: bytes) -> tuple[Lines, tuple[Media, ...]]:
    """The session's lines and the streams of a description without stray CR and NUL. The lines
    below an m= are read once for all calls of a phone, which says the same in each."""
    head, *streams = data.split(b"\nm=")
    if len(streams) > MAX_MEDIA:
        raise ParseError("Too many media")
    lines: Lines = []
    for line in head.split(b"\n")[1:]:
        if line[1:2] == b"=" and b"a" <= line[:1] <= b"z":
            lines.append((line[:1], line[2:]))
        elif line.strip(_BLANKS):
            raise ParseError("Malformed SDP")
    media = []
    for stream in streams:
        first, _, rest = stream.partition(b"\n")
        media.append(_stream(first, *(_usual_lines if _is_usual(rest) else _stream_lines)(rest)))
    return lines, tuple(media)


def _is_usual(stream: bytes) -> bool:
    """True if the lines of a stream may be remembered: they are short, and hold neither a key nor a
    password of ICE."""
    return len(stream) <= MAX_USUAL_BYTES and b"crypto" not in stream and b"ice-" not in stream


def _split(line: bytes) -> tuple[bytes, bytes]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ParseError("Malformed SDP")
    return found[1], found[2]


Lines = list[tuple[bytes, bytes]]


def _blocks(lines: Lines) -> tuple[Lines, list[Lines]]:
    """The session's lines, and those of each stream, of any description."""
    head: Lines = []
    blocks: list[Lines] = []
    for line in lines:
        if line[0] == b"m":
            if len(blocks) >= MAX_MEDIA:
                raise ParseError("Too many media")
            blocks.append([])
        (blocks[-1] if blocks else head).append(line)
    return head, blocks


def _session(lines: Lines, media: tuple[Media, ...]) -> SessionDescription:
    origin = connection = None
    name = "-"
    timing: list[str] = []
    attributes: list[Attribute] = []
    other: list[tuple[str, str]] = []
    for kind, value in lines:
        if kind == b"a":
            attributes.append(_attribute(value))
        elif kind == b"o":
            origin = _origin(value)
        elif kind == b"c":
            connection = _connection(value)
        elif kind == b"s":
            name = text(value)
        elif kind == b"t":
            timing.append(text(value))
        else:
            other.append((kind.decode("ascii"), text(value)))
    if origin is None:
        raise ParseError("SDP without o=")
    for stream in media:
        if stream.port and stream.connection is None and connection is None:
            raise ParseError("SDP without c=")
    return SessionDescription(
        origin, name, connection, tuple(timing) or ("0 0",), tuple(attributes), media, tuple(other)
    )


StreamLines = tuple[Connection | None, tuple[Attribute, ...], tuple[tuple[str, str], ...]]
"""The c=, the attributes and the further lines of a stream."""


def _stream_lines(rest: bytes) -> StreamLines:
    """Read the lines below an m=."""
    lines: Lines = []
    for line in rest.split(b"\n"):
        if line[1:2] == b"=" and b"a" <= line[:1] <= b"z":
            lines.append((line[:1], line[2:]))
        elif line.strip(_BLANKS):
            raise ParseError("Malformed SDP")
    return _read_lines(lines)


_usual_lines = lru_cache(maxsize=512)(_stream_lines)


def _read_lines(lines: Lines) -> StreamLines:
    connection = None
    attributes: list[Attribute] = []
    other: list[tuple[str, str]] = []
    for kind, value in lines:
        if kind == b"a":
            attributes.append(_attribute(value))
        elif kind == b"c":
            connection = connection or _connection(value)
        else:
            other.append((kind.decode("ascii"), text(value)))
    return connection, tuple(attributes), tuple(other)


def _media(lines: Lines) -> Media:
    return _stream(lines[0][1], *_read_lines(lines[1:]))


def _stream(
    first: bytes,
    connection: Connection | None,
    attributes: tuple[Attribute, ...],
    other: tuple[tuple[str, str], ...],
) -> Media:
    """A stream by the value of its m= and what stands below."""
    found = _MEDIA.fullmatch(first.strip(_BLANKS))
    port = None if found is None else grammar.number(found[2], 65535)
    if found is None or port is None:
        raise ParseError("Malformed m=")
    return Media(
        text(found[1]),
        port,
        text(found[4]),
        tuple(text(found[5]).split()),
        None if found[3] is None else int(found[3]),
        connection,
        attributes,
        other,
    )


def _origin(value: bytes) -> Origin:
    parts = value.strip(_BLANKS).rsplit(None, 5)  # a user name with spaces is met in practice
    address = _without_brackets(parts[-1]) if parts else b""
    if len(parts) != 6 or parts[3] != b"IN" or _ADDRESS.fullmatch(address) is None:
        raise ParseError("Malformed o=")
    return Origin(text(parts[0]), text(parts[1]), text(parts[2]), text(address))


def _connection(value: bytes) -> Connection:
    parts = value.split()
    address = _without_brackets(parts[2].partition(b"/")[0]) if len(parts) == 3 else b""
    if parts[:1] != [b"IN"] or _ADDRESS.fullmatch(address) is None:
        raise ParseError("Malformed c=")
    return Connection(text(address))


def _without_brackets(address: bytes) -> bytes:
    """An IPv6 address that was written as in a URI: ``[2001:db8::1]``."""
    return address[1:-1] if address[:1] == b"[" and address[-1:] == b"]" else address


def _attribute(value: bytes) -> Attribute:
    """The name and value of an attribute, without the blanks around them.

    A direction has no value (RFC 8866 section 6.7), so that of ``a=sendonly:`` is left out: taken
    for an unknown attribute it would turn hold into sendrecv.
    """
    name, colon, rest = text(value).partition(":")
    name, rest = name.strip(" \t"), rest.strip(" \t")
    if name.lower() in DIRECTIONS and not rest:
        return name.lower(), None
    return name, rest if colon else None


def _net_type(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _connection_line(connection: Connection) -> str:
    return f"c=IN {_net_type(connection.address)} {connection.address}"


def _attribute_line(attribute: Attribute) -> str:
    name, value = attribute
    return f"a={name}" if value is None else f"a={name}:{value}"


def _media_lines(media: Media) -> list[str]:
    count = "" if media.port_count is None else f"/{media.port_count}"
    formats = " ".join(media.formats)
    lines = [f"m={media.kind} {media.port}{count} {media.protocol} {formats}"]
    if media.other:
        lines += [f"{kind}={value}" for kind, value in media.other if kind == "i"]
    if media.connection is not None:
        lines.append(_connection_line(media.connection))
    if media.other:
        lines += [f"{kind}={value}" for kind, value in media.other if kind != "i"]
    lines += _attribute_lines(media.attributes)
    return lines


def _attribute_lines(attributes: tuple[Attribute, ...]) -> tuple[str, ...]:
    if not attributes or not SECRETS.isdisjoint(dict(attributes)):
        return tuple(map(_attribute_line, attributes))
    return _usual_attribute_lines(attributes)


@lru_cache(maxsize=512)
def _usual_attribute_lines(attributes: tuple[Attribute, ...]) -> tuple[str, ...]:
    return tuple(map(_attribute_line, attributes))
