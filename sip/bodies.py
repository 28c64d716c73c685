"""Message bodies of several parts (RFC 5621, RFC 2046): where the session description stands.

A gateway puts ISUP beside the SDP, a phone its location (RFC 6442). The session description is
found here and nowhere else: :attr:`sip.message.Message.description` asks :func:`description_in`.
"""

from __future__ import annotations

import re

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError
from sip.fields import Field, Fields
from sip.grammar import octets
from sip.headers import Params, parse_params

SDP_TYPE = b"application/sdp"
LOCATION_TYPE = b"application/pidf+xml"
"""PIDF-LO, the caller's location (RFC 4119, RFC 6442 section 3.1)."""
MAX_PARTS = 16
"""Parts of one body, nested ones included; real messages have two or three."""
MAX_DEPTH = 3
"""Levels of multipart bodies within multipart bodies."""
MAX_BOUNDARY_BYTES = 70
"""RFC 2046 section 5.1.1."""

_PART_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_READABLE_ENCODINGS = (b"", b"binary", b"8bit", b"7bit")


class BodyPart(Struct, frozen=True):
    """One part of a multipart body, with its own header fields."""

    fields: Fields
    """Names as they stand on the wire."""
    body: bytes

    def get(self, name: bytes) -> bytes:
        """The first value of a field, b"" if there is none; `name` is lower case."""
        return next((value for key, value in self.fields if key.lower() == name), b"")

    @property
    def content_type(self) -> bytes:
        """Type and subtype, lower case, without parameters."""
        return _bare(self.get(b"content-type")) or b"text/plain"

    @property
    def is_description(self) -> bool:
        """True if the part is the session's SDP, and not, for example, that of an early session
        (RFC 3959)."""
        disposition = _bare(self.get(b"content-disposition"))
        encoding = self.get(b"content-transfer-encoding").lower()
        return (
            self.content_type == SDP_TYPE
            and disposition in (b"", b"session")
            and encoding in _READABLE_ENCODINGS
        )

    @property
    def required(self) -> bool:
        """True if the sender wants the whole message refused by a peer that doesn't know the part
        (handling=required). RFC 3261 section 20.11 takes that for the default; gateways that say
        nothing don't mean it, so only those that say it are obeyed."""
        _, semicolon, rest = self.get(b"content-disposition").partition(b";")
        try:
            return (parse_params(semicolon + rest).get("handling") or "").lower() == "required"
        except ParseError:
            return False


def parts_of(content_type: bytes, body: bytes) -> tuple[BodyPart, ...]:
    """The parts of a body; a single one if the body isn't multipart, none if it is empty. Parts
    that are multipart themselves are replaced by their own parts.

    Raises:
        ParseError: 400; no boundary, no part, or more than the limits.
    """
    if not body:
        return ()
    return tuple(_parts(content_type, body, MAX_DEPTH))


def description_in(content_type: bytes, body: bytes) -> bytes:
    """The session description of a body; b"" if there is none or the body can't be read."""
    try:
        found = [part for part in parts_of(content_type, body) if part.is_description]
    except ParseError:
        return b""
    return found[0].body if found else b""


def multipart(parts: list[BodyPart], boundary: bytes) -> bytes:
    """A multipart/mixed body; the boundary must not stand in a part."""
    out = []
    for part in parts:
        head = b"".join(b"%s: %s\r\n" % field for field in part.fields)
        out.append(b"--%s\r\n%s\r\n%s\r\n" % (boundary, head, part.body))
    out.append(b"--%s--\r\n" % boundary)
    return b"".join(out)


def is_multipart(content_type: bytes) -> bool:
    """True if a Content-Type names several parts."""
    return content_type[:10].lower() == b"multipart/"


def _parts(content_type: bytes, body: bytes, depth: int) -> list[BodyPart]:
    if not is_multipart(content_type):
        return [BodyPart(((b"Content-Type", content_type or SDP_TYPE),), body)]
    if depth == 0:
        raise ParseError("Multipart body is nested too deep")
    parts: list[BodyPart] = []
    for piece in _cut(body, _boundary(content_type)):
        part = _read_part(piece)
        if is_multipart(part.content_type):
            parts += _parts(part.get(b"content-type"), part.body, depth - 1)
        else:
            parts.append(part)
        if len(parts) > MAX_PARTS:
            raise ParseError("Multipart body has too many parts")
    return parts


def _boundary(content_type: bytes) -> bytes:
    _, semicolon, rest = content_type.partition(b";")
    params: Params = parse_params(semicolon + rest)
    boundary = octets(params.get("boundary") or "")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES or _LINE_END.search(boundary) is not None:
        raise ParseError("Multipart body without boundary")
    return boundary


def _cut(body: bytes, boundary: bytes) -> list[bytes]:
    """The pieces between the delimiter lines; the preamble and the epilogue are dropped.

    delimiter = CRLF "--" boundary, close-delimiter = delimiter "--" (RFC 2046 section 5.1.1). A
    missing close-delimiter harms nothing: Content-Length says where the body ends.
    """
    delimiter = re.compile(
        rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)", re.DOTALL
    )
    pieces: list[bytes] = []
    start: int | None = None
    for found in delimiter.finditer(body):
        if start is not None:
            pieces.append(body[start : found.start()])
        start = None if found[1] else found.end()
        if start is None or len(pieces) > MAX_PARTS:
            break
    if start is not None:
        pieces.append(body[start:])
    if not pieces:
        raise ParseError("Multipart body without parts")
    return pieces


def _read_part(piece: bytes) -> BodyPart:
    """A part from behind its delimiter: CRLF, header lines, an empty line, octets."""
    end = _PART_HEADERS_END.search(piece)
    if end is None:
        return BodyPart((), b"")
    fields: list[Field] = []
    for line in _LINE_END.split(piece[: end.start()]):
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + b" " + line.strip(grammar.LWS))
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(grammar.LWS)
        if colon and grammar.token.fullmatch(name) is not None:
            fields.append((name, value.strip(grammar.LWS)))
    return BodyPart(tuple(fields), piece[end.end() :])


def _bare(value: bytes) -> bytes:
    """A field value without its parameters, lower case."""
    return value.partition(b";")[0].strip(grammar.LWS).lower()
