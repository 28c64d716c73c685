"""Plain messages: the forms that nearly every phone and trunk writes, read by a few matches of C
code.

What is plain is read here as the strict reader (:mod:`sip.reading`) and the full grammar read it;
everything else is left to them. The loops of the strict reader cost five times as many steps of
Python. A property test compares the two.
"""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache, partial
from operator import itemgetter

from sip import grammar
from sip.fields import (
    BEHIND,
    MAX_HEADERS,
    MAX_VALUE_BYTES,
    NAMES,
    VALUES,
    known_name,
    repeated_plainly,
    split_plainly,
)
from sip.grammar import MAGIC_COOKIE, text
from sip.headers import CSeq
from sip.message import (
    PLAIN_CALL_ID,
    PLAIN_TARGET,
    PLAIN_VIA_BRANCH,
    Message,
    Request,
    Response,
)
from sip.uri import MAX_URI_BYTES, Uri

_METHOD = (
    rb"(INVITE|ACK|BYE|CANCEL|REGISTER|OPTIONS|PRACK|UPDATE|INFO|REFER|SUBSCRIBE|NOTIFY|MESSAGE)"
)
_REQUEST_LINE = re.compile(_METHOD + rb" ([^ \t\r\n]+) SIP/2\.0")
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)")

_MAX_FORWARDS = rb"([0-9]{1,2})"
_URI = rb"(" + grammar.PLAIN_URI + rb")"
_REQUEST_URI = rb"(" + grammar.PLAIN_URI + rb"(?:;transport=[a-z]+)?(?:;ob)?)"
_OF_RFC_3261 = rb"(?=[^\n]*;branch=" + MAGIC_COOKIE.encode("ascii") + rb"[0-9A-Za-z._-])"
"""Before a Via whose branch identifies its transaction."""
_CALL_ID = rb"(" + PLAIN_CALL_ID + rb")"
_ADDRESS = (
    # In <>; or bare: without a name, and without a comma in its user (RFC 3261 section 20).
    rb"(?=[^<\n]*<[^>\n]*>|[^<>\",\n]*(?:\n|\Z))"
    rb"(?:" + grammar.TOKEN + rb" ?(?=<))?"
    + grammar.PLAIN_NAME + rb"<?" + _URI + rb">?" + grammar.PLAIN_TAG
)  # fmt: skip
"""From or To; its groups are the name, the URI, the URI's four parts, and the tag."""
_TARGET = rb"<(" + PLAIN_TARGET + rb")>"
_CONTACT = rb"(?:" + _TARGET + rb"|[^\n]*)"


def _lines(*patterns: bytes) -> re.Pattern[str]:
    """The patterns, each on a line of its own; no field's value holds a line end."""
    return re.compile(rb"\n".join(patterns).decode("ascii"), re.ASCII)


_REQUEST = _lines(
    _OF_RFC_3261 + grammar.PLAIN_VIA, _MAX_FORWARDS, rb"([0-9]{1,9}) " + _METHOD, _CALL_ID,
    _ADDRESS, _ADDRESS, _CONTACT, rb"\9 " + _REQUEST_URI + rb" SIP/2\.0",
)  # fmt: skip
"""The method of the CSeq, group 9, must be that of the request line."""
_OF_REQUEST = itemgetter(b"via", b"max-forwards", b"cseq", b"call-id", b"from", b"to")
_REQUEST_VALUES = itemgetter(2, 3, 5, 7, 8, 9, 10, 12, 17, 19, 24, 25, 30)
_RESPONSE = _lines(
    PLAIN_VIA_BRANCH, rb"([0-9]{1,9}) ([A-Z]+)", _CALL_ID, _ADDRESS, _ADDRESS,
    rb"(?:" + _TARGET + rb")?", rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)",
)  # fmt: skip
"""A session reads the Contact, so it must be sound."""
_OF_RESPONSE = itemgetter(b"via", b"cseq", b"call-id", b"from", b"to")
_RESPONSE_VALUES = itemgetter(1, 2, 3, 18, 19, 24, 25)
_MAX_FIELDS = MAX_HEADERS - 1  # beside the start line
Repeated = dict[bytes, list[bytes]] | None
_cseq = partial(tuple.__new__, CSeq)  # a NamedTuple's own constructor is a function of Python
_new_request = partial(object.__new__, Request)  # so is that of a class; here each slot is filled
_new_response = partial(object.__new__, Response)


def read_plain(data: bytes) -> Request | Response | None:
    """A message whose head has plain lines: each field with a known name, on one line, and only
    such several times as proxies add. None if :mod:`sip.reading` must read it strictly.

    If the values of the needed fields are plain, too, the message is `proven`: valid, with their
    slots filled. Those of other messages are read and validated one by one.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or len(data) > MAX_VALUE_BYTES:  # a longer head may have a value that is too long
        return None
    parts = split_plainly(head, _MAX_FIELDS)
    try:
        values = dict(zip(map(known_name, parts[NAMES]), parts[VALUES]))  # noqa: B905 - of one list
    except KeyError:
        return None
    if any(parts[BEHIND]) or values.get(b"content-length", b"0") != b"%d" % len(body):
        return None
    repeated = None
    if 3 * len(values) + 1 != len(parts):
        repeated = repeated_plainly(values, parts)
        if repeated is None:
            return None
    start = parts[0]
    read = _read_response if start.startswith(b"SIP/") else _read_request
    return read(data, body, start, values, repeated)


def _read_request(
    data: bytes, body: bytes, start: bytes, values: dict[bytes, bytes], repeated: Repeated
) -> Request | None:
    try:
        needed = b"\n".join((*_OF_REQUEST(values), values.get(b"contact", b""), start))
    except KeyError:
        return _unproven_request(data, body, start, values, repeated)
    found = None
    if len(needed) <= MAX_URI_BYTES:  # a URI longer than that is refused, and no plain line is
        found = _REQUEST.fullmatch(needed.decode("utf-8", "surrogateescape"))
    if found is None:
        return _unproven_request(data, body, start, values, repeated)
    (
        host, port, branch, hops, number, method, call_id,
        from_uri, from_tag, to_uri, to_tag, target, uri,
    ) = _REQUEST_VALUES(found)  # fmt: skip
    request = _new_request()
    request.raw = data
    request.body = body
    request.values = values
    request.repeated = repeated
    request.method = method
    request.raw_uri = uri.encode()
    request.branch = branch
    request.call_id = call_id
    request.from_tag = from_tag
    request.to_tag = to_tag
    request.sent_by = sent_by = _sent_by(host, port)
    request.transaction_key = branch, sent_by, "INVITE" if method == "ACK" else method
    request.cseq = _cseq((int(number), method))
    request.plain_target = target and target.encode()
    request.proven = True
    if to_tag is None:  # these decide; within a dialog nothing reads them any more
        request.max_forwards = int(hops)
        request.from_uri = _uri(from_uri)
        request.to_uri = _uri(to_uri)
        request.uri = _uri(uri)
    return request


def _unproven_request(
    data: bytes, body: bytes, start: bytes, values: dict[bytes, bytes], repeated: Repeated
) -> Request | None:
    found = _REQUEST_LINE.fullmatch(start)
    if found is None:
        return None
    request = Request(found[1].decode("ascii"), found[2])
    request.raw, request.body, request.values, request.repeated = data, body, values, repeated
    return request


# A phone writes the same in all its requests, above all in the one that answers a challenge.


@lru_cache(maxsize=1024)
def _uri(plain: str) -> Uri:
    return Uri.parse(plain.encode("ascii"))


@lru_cache(maxsize=1024)
def _sent_by(host: str, port: str | None) -> tuple[str, int | None]:
    return host.lower(), None if port is None else int(port)


def _read_response(
    data: bytes, body: bytes, start: bytes, values: dict[bytes, bytes], repeated: Repeated
) -> Response | None:
    try:
        needed = b"\n".join((*_OF_RESPONSE(values), values.get(b"contact", b""), start))
    except KeyError:
        return _unproven_response(data, body, start, values, repeated)
    found = None
    if len(needed) <= MAX_URI_BYTES:
        found = _RESPONSE.fullmatch(needed.decode("utf-8", "surrogateescape"))
    if found is None:
        return _unproven_response(data, body, start, values, repeated)
    branch, number, method, to_tag, target, status, reason = _RESPONSE_VALUES(found)
    response = _new_response()
    response.raw = data
    response.body = body
    response.values = values
    response.repeated = repeated
    response.status = int(status)
    response.reason = reason
    response.branch = branch
    response.to_tag = to_tag  # nobody asks for the tag and the Call-ID that are ours
    response.cseq = _cseq((int(number), method))
    response.plain_target = target and target.encode()
    response.proven = True
    return response


def _unproven_response(
    data: bytes, body: bytes, start: bytes, values: dict[bytes, bytes], repeated: Repeated
) -> Response | None:
    found = _STATUS_LINE.fullmatch(start)
    if found is None:
        return None
    response = Response(int(found[1]), text(found[2]))
    response.raw, response.body, response.values, response.repeated = data, body, values, repeated
    return response


def compact(message: Message) -> None:
    """Forget the index of a plain message that is kept for long, which takes more memory than its
    octets; it is made anew when a field is asked for."""
    if message.proven:
        with contextlib.suppress(AttributeError):  # it has none
            del message.values
