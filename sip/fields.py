"""The lines of a message's head: names and values of header fields (RFC 3261 section 7.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from sip import grammar
from sip.errors import REASONS, ParseError
from sip.grammar import CR, LF, octets

Field = tuple[bytes, bytes]
"""Name and value of a header field."""
Fields = tuple[Field, ...]

MAX_HEADERS = 256
"""Far more than any honest message has; each one costs us memory."""
MAX_VALUE_BYTES = 8_192
MAX_NAME_BYTES = 128
_MAX_NAMES = 1_024

_COMPACT = {
    b"i": b"call-id", b"m": b"contact", b"e": b"content-encoding", b"l": b"content-length",
    b"c": b"content-type", b"f": b"from", b"s": b"subject", b"k": b"supported", b"t": b"to",
    b"v": b"via", b"o": b"event", b"u": b"allow-events", b"r": b"refer-to", b"b": b"referred-by",
    b"x": b"session-expires", b"j": b"reject-contact", b"d": b"request-disposition",
    b"a": b"accept-contact", b"y": b"identity",
}  # fmt: skip

_known_names: dict[bytes, bytes] = {}
"""Names as met on the wire, to their lower-case long form; bounded by `_MAX_NAMES`."""
known_name = _known_names.__getitem__

split_plainly = re.compile(rb"\r\n([^:\r\n]*):[ \t]*").split
"""All that stands before the first field of a head, which should be its start line; then of each
field its name, and its value with the white space behind it. A line that is no field, and a line
end of another kind, are left in the value before them."""
NAMES, VALUES = slice(1, None, 2), slice(2, None, 2)
"""The two parts of each field in what :data:`split_plainly` returns."""
_OF_PROXIES = (b"via", b"record-route", b"route")
_FOLD = re.compile(rb"\r\n[ \t]")
_LINE_END = re.compile(rb"[\r\n]")


def breaks(text: bytes) -> bool:
    """True if there is a line end in what should be on one line."""
    return LF in text or CR in text


END = b"%s\r\nContent-Length: %d\r\n\r\n%s"
"""The end of every message: further lines, Content-Length and body."""
_MESSAGE = b"%s" + END
COPIED = b"\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s"
"""The lines that nearly every response copies (RFC 3261 section 8.2.6.2)."""
ANSWER = b"%s" + COPIED + END
"""Nearly every response."""
AGAIN = b"%s%s" + END
"""A response whose copied lines are written already."""
_line = b"\r\n%s: %s".__mod__
"""The line of a field, behind the line above it."""


def lines_of(fields: Sequence[Field]) -> bytes:
    """The lines of fields, each behind the line end of the one before, as messages are written of
    them.

    Raises:
        ValueError: a field holds CR or LF, with which its value would begin a line of its own.
    """
    if not fields:
        return b""
    lines = b"".join(map(_line, fields))
    if lines.count(b"\n") + lines.count(b"\r") != 2 * len(fields):
        raise ValueError("a header field can't hold CR or LF")
    return lines


usual_lines: Callable[[Fields], bytes] = lru_cache(maxsize=256)(lines_of)
"""The same for fields that many messages have, such as a cause or a session interval."""


@lru_cache(maxsize=1024)  # the same for all calls by one flow
def contact_line(contact: bytes) -> bytes:
    """The line of a Contact of ours. Raises ValueError as :func:`lines_of`."""
    return lines_of(((b"Contact", contact),))


@lru_cache(maxsize=256)
def status_line(status: int, reason: str | None) -> bytes:
    """The first line of a response; without a reason, with the standard one.

    Raises:
        ValueError: the reason holds CR or LF.
    """
    reason = REASONS.get(status, "") if reason is None else reason
    line = b"SIP/2.0 %d %s" % (status, octets(reason))
    if breaks(line):
        raise ValueError("a reason can't hold CR or LF")
    return line


def write(start: bytes, lines: bytes, body: bytes) -> bytes:
    """A message of a start line, with the lines that are copied as they came, and of the lines of
    :func:`lines_of`, Content-Length and body."""
    return _MESSAGE % (start, lines, len(body), body)


def write_request(method: str, uri: bytes, fields: Sequence[Field], body: bytes = b"") -> bytes:
    """A request. Raises ValueError as :func:`lines_of`, also for such a URI."""
    if breaks(uri):
        raise ValueError("a URI can't hold CR or LF")
    return write(b"%s %s SIP/2.0" % (method.encode("ascii"), uri), lines_of(fields), body)


Index = tuple[dict[bytes, bytes], dict[bytes, list[bytes]] | None]
"""The first value of each field by its name, and all values of those that stand several times."""


def index_again(head: bytes) -> Index:
    """The index of a head that was read by its plain lines before."""
    parts = split_plainly(head)
    names, found = parts[NAMES], parts[VALUES]
    values = dict(zip(map(known_name, names), map(bytes.strip, found)))  # noqa: B905 - of one list
    return values, None if len(values) == len(names) else repeated_plainly(values, names, found)


def repeated_plainly(
    indexed: dict[bytes, bytes], names: list[bytes], values: list[bytes]
) -> dict[bytes, list[bytes]] | None:
    """All values of the fields that stand several times, if they are such as proxies add; None for
    any other repetition. `indexed`, which has the last value of each field, gets the first.

    Args:
        names, values: of all fields in order, as they stand on the wire.
    """
    keys, stripped = list(map(known_name, names)), list(map(bytes.strip, values))
    repeated = {
        name: [value for key, value in zip(keys, stripped, strict=True) if key == name]
        for name in _OF_PROXIES
        if keys.count(name) > 1
    }
    if len(keys) - len(indexed) != sum(map(len, repeated.values())) - len(repeated):
        return None
    indexed |= {name: found[0] for name, found in repeated.items()}
    return repeated


def index(lines: list[bytes]) -> Index:
    """The index of any header lines.

    Nearly every field stands once, and a dict of octets alone is nothing that the garbage
    collector looks into; so the few that stand several times are kept apart.
    """
    values: dict[bytes, bytes] = {}
    repeated: dict[bytes, list[bytes]] = {}
    known = _known_names
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        key = known.get(name)
        if key is None:
            key = _learn(name)
        if not colon:
            raise ParseError("Malformed header field")
        if len(value) > MAX_VALUE_BYTES:
            raise ParseError("Header field too long")
        value = value.strip(b" \t")
        if key not in values:
            values[key] = value
        elif key in repeated:
            repeated[key].append(value)
        else:
            repeated[key] = [values[key], value]
    return values, repeated or None


def is_folded(head: bytes) -> bool:
    """True if some field goes on in a line of its own (section 7.3.1)."""
    return _FOLD.search(head) is not None


def unfold(lines: list[bytes]) -> list[bytes]:
    """Each header field on one line (section 7.3.1)."""
    whole: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            whole.append(line)
        elif len(whole) < 2:  # what it would continue is the start line
            raise ParseError("Malformed header field")
        else:
            whole[-1] = whole[-1] + b" " + line.strip(b" \t")
    return whole


def _learn(name: bytes) -> bytes:
    """The long lower-case form of a header name as it stands on the wire."""
    bare = name.rstrip(grammar.LWS)  # HCOLON allows white space before the colon
    if len(bare) > MAX_NAME_BYTES or grammar.token.fullmatch(bare) is None:
        raise ParseError("Malformed header name")
    lower = bare.lower()
    key = _COMPACT.get(lower, lower)
    if len(_known_names) < _MAX_NAMES:
        _known_names[name] = key
    return key


_USUAL_NAMES = """
    Accept Allow Authorization Call-ID Contact Content-Length Content-Type CSeq Expires From
    Max-Forwards Min-Expires Path Proxy-Authenticate Proxy-Authorization RAck Reason Record-Route
    Refer-To Replaces Require Route RSeq Server Session-Expires Supported To User-Agent Via
    WWW-Authenticate i m l c f k t v x
"""
for _name in _USUAL_NAMES.encode("ascii").split():
    _learn(_name)  # names that a stranger makes up can't keep these out


def is_sound(line: bytes) -> bool:
    """True if a header line can be read by itself."""
    name, colon, value = line.partition(b":")
    if not colon or len(value) > MAX_VALUE_BYTES or _LINE_END.search(line) is not None:
        return False
    name = name.rstrip(grammar.LWS)
    return len(name) <= MAX_NAME_BYTES and grammar.token.fullmatch(name) is not None
