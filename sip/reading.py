"""Octets that came, as a message: what of it must be sound to be a message at all."""

from __future__ import annotations

import re

from sip import grammar
from sip.errors import ParseError
from sip.fields import (
    MAX_HEADERS,
    breaks,
    index,
    is_folded,
    is_sound,
    unfold,
)
from sip.grammar import text
from sip.message import MAX_MESSAGE_BYTES, Message, Request, Response
from sip.plain import read_plain

_REQUEST_LINE = re.compile(rb"(" + grammar.TOKEN + rb") ([^ \t\r\n]+) ((?i:SIP)/[0-9]+\.[0-9]+)")
"""SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, in any case: a quoted string of ABNF has none."""
_STATUS_LINE = re.compile(rb"(?i:SIP)/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?")


class RequestError(ParseError):
    """A request that can't be read but answered: `request` has what the response copies."""

    def __init__(self, error: ParseError, request: Request) -> None:
        super().__init__(error.reason, error.status)
        self.headers = error.headers
        self.request = request


def parse_message(data: bytes) -> Request | Response:
    """Read a datagram, or one message that was cut out of a stream.

    Raises:
        RequestError: 400, 413, 505: a request that can be answered.
        ParseError: the same, of what can't be answered.
    """
    return read_plain(data) or read_strictly(data)


def read_strictly(data: bytes) -> Request | Response:
    """As :func:`parse_message`, which reads nearly every message by :mod:`sip.plain`."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise ParseError(status=413)
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")  # keep-alives may stand before a message (section 7.5)
    end = data.find(b"\r\n\r\n")
    head = data[:end] if end >= 0 else data.removesuffix(b"\r\n")
    lines = head.split(b"\r\n")
    message, fault = _parse_start(lines[0])
    message.raw = data
    values: dict[bytes, bytes] | None = None
    try:
        if fault is not None:
            raise fault
        if breaks(b"".join(lines)):
            raise ParseError("Stray line end")  # what we took for one field, others take for two
        if len(lines) > MAX_HEADERS:
            raise ParseError("Too many header fields")
        if is_folded(head):
            lines = unfold(lines)
        values, message.repeated = index(lines)
        message.values = values
        if end < 0:
            raise ParseError("Missing end of headers")
        message.body = _body(message, data, end + 4)
    except ParseError as error:
        if values is None:
            sound = [lines[0], *filter(is_sound, lines[1:MAX_HEADERS])]
            message.values, message.repeated = index(sound)
        message.body = b""
        if isinstance(message, Request) and message.answerable:
            raise RequestError(error, message) from error
        raise
    return message


def _parse_start(line: bytes) -> tuple[Request | Response, ParseError | None]:
    """The message that a start line begins, and what is wrong with it so far."""
    if line[:4].upper() == b"SIP/":
        status = _STATUS_LINE.fullmatch(line)
        if status is None:
            raise ParseError("Malformed Status-Line")
        return Response.started(int(status[1]), text(status[2] or b"")), None
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        return _malformed_request(line)
    request = Request.started(found[1].decode("ascii"), found[2])
    return request, None if found[3].upper() == b"SIP/2.0" else ParseError(status=505)


def _malformed_request(line: bytes) -> tuple[Request, ParseError]:
    """A request line that can't be read, kept so that the request can be answered with 400."""
    method, _, rest = line.partition(b" ")
    if grammar.token.fullmatch(method) is None or b"SIP/" not in rest.upper():
        raise ParseError("Malformed Request-Line")
    request = Request.started(method.decode("ascii"), rest.rpartition(b" ")[0].strip(grammar.LWS))
    return request, ParseError("Malformed Request-Line")


def _body(message: Message, data: bytes, start: int) -> bytes:
    """The body by Content-Length; what follows it in a datagram is dropped (section 18.3)."""
    value = message.values.get(b"content-length")
    if value is None:
        return data[start:]
    if message.repeated and b"content-length" in message.repeated:
        raise ParseError("Duplicate Content-Length")
    length = int(value) if len(value) < 10 and value.isdigit() else grammar.number(value)
    if length is None:
        raise ParseError("Malformed Content-Length")
    if length > MAX_MESSAGE_BYTES:
        raise ParseError(status=413)
    if length > len(data) - start:
        raise ParseError("Body shorter than Content-Length")
    return data[start : start + length]
