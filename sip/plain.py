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
from sip.fields import MAX_VALUE_BYTES, index_plain
from sip.grammar import text
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

METHODS = {
    name.encode("ascii"): name
    for name in ("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE",
                 "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE")
}  # fmt: skip
"""Those that need no reading."""
_REQUEST_LINE = re.compile(rb"([A-Z]+) ([^ \t\r\n]+) SIP/2\.0\r\n")
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)\r\n")

_CSEQ = rb"([0-9]{1,9}) ([A-Z]+)"
_MAX_FORWARDS = rb"([0-9]{1,2})"
_URI = rb"(" + grammar.PLAIN_URI + rb")"
_REQUEST_URI = _URI + rb"(?:;transport=[a-z]+)?(?:;ob)?"
_CALL_ID = rb"(" + PLAIN_CALL_ID + rb")"
_ADDRESS = (
    # In <>; or bare: without a name, and without a comma in its user (RFC 3261 section 20).
    rb"(?=[^<\n]*<[^>\n]*>|[^<>\",\n]*(?:\n|\Z))"
    rb"(?:" + grammar.TOKEN + rb" ?(?=<))?"
    + grammar.PLAIN_NAME + rb"<?" + _URI + rb">?" + grammar.PLAIN_TAG
)  # fmt: skip
"""From or To; its groups are the name, the URI, the URI's four parts, and the tag."""
_CONTACT = rb"(?:<(" + PLAIN_TARGET + rb")>|[^\n]*)"


def _lines(*patterns: bytes) -> re.Pattern[str]:
    """The patterns, each on a line of its own; no field's value holds a line end."""
    return re.compile(rb"\n".join(patterns).decode("ascii"), re.ASCII)


_REQUEST = _lines(
    grammar.PLAIN_VIA, _REQUEST_URI, _MAX_FORWARDS, _CSEQ, _CALL_ID, _ADDRESS, _ADDRESS, _CONTACT
)
_REQUEST_VALUES = itemgetter(2, 3, 5, 7, 12, 13, 14, 15, 17, 22, 24, 29, 30)
_OF_REQUEST = itemgetter(b"max-forwards", b"cseq", b"call-id", b"from", b"to")
_RESPONSE = _lines(PLAIN_VIA_BRANCH, _CSEQ, _CALL_ID, _ADDRESS, _ADDRESS, _CONTACT)
_RESPONSE_VALUES = itemgetter(1, 2, 3, 4, 11, 18, 19)
_OF_RESPONSE = itemgetter(b"via", b"cseq", b"call-id", b"from", b"to")
_cseq = partial(tuple.__new__, CSeq)  # a NamedTuple's own constructor is a function of Python


def read_plain(data: bytes) -> Request | Response | None:
    """A message whose head has plain lines; None if :mod:`sip.reading` must read
    it strictly.

    If the values of the needed fields are plain, too, the message is `proven`: valid, with their
    slots filled. Those of other messages are read and validated one by one.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or len(data) > MAX_VALUE_BYTES:  # a longer head may have a value that is too long
        return None
    index = index_plain(head)
    if index is None:
        return None
    values, repeated = index
    if values.get(b"content-length", b"0") != b"%d" % len(body):
        return None
    message: Request | Response
    start = _REQUEST_LINE.match(head)
    if start is not None:
        written, uri = start.groups()
        method = METHODS.get(written)
        if method is None:
            return None
        message = Request(method, uri)
        _prove_request(message, values)
    else:
        start = _STATUS_LINE.match(head)
        if start is None:
            return None
        status, reason = start.groups()
        message = Response(int(status), text(reason))
        _prove_response(message, values)
    message.raw = data
    message.body = body
    message.values = values
    message.repeated = repeated
    return message


def compact(message: Message) -> None:
    """Forget the index of a plain message that is kept for long, which takes more memory than its
    octets; it is made anew when a field is asked for."""
    if message.proven:
        with contextlib.suppress(AttributeError):  # it has none
            del message.values


def _prove_request(request: Request, values: dict[bytes, bytes]) -> None:
    """Fill the slots of a request all of whose needed fields are plain."""
    try:
        needed = b"\n".join(
            (values[b"via"], request.raw_uri, *_OF_REQUEST(values), values.get(b"contact", b""))
        )
    except KeyError:
        return
    if len(needed) > MAX_URI_BYTES:
        return  # a URI as long as that is refused, and no plain line is
    found = _REQUEST.fullmatch(needed.decode("utf-8", "surrogateescape"))
    if found is None:
        return
    (
        host, port, request.branch, uri, hops, number, method, request.call_id,
        from_uri, request.from_tag, to_uri, request.to_tag, target,
    ) = _REQUEST_VALUES(found)  # fmt: skip
    if method != request.method:
        return
    request.sent_by = _sent_by(host, port)
    request.max_forwards = int(hops)
    request.cseq = _cseq((int(number), method))
    request.plain_target = target and target.encode("ascii")
    request.proven = True
    if request.to_tag is None:  # its addresses decide; within a dialog nothing reads them any more
        request.from_uri = _uri(from_uri)
        request.to_uri = _uri(to_uri)
        if b";" not in request.raw_uri:
            request.uri = _uri(uri)


# A phone writes the same in all its requests, above all in the one that answers a challenge.


@lru_cache(maxsize=1024)
def _uri(plain: str) -> Uri:
    return Uri.parse(plain.encode("ascii"))


@lru_cache(maxsize=1024)
def _sent_by(host: str, port: str | None) -> tuple[str, int | None]:
    return host.lower(), None if port is None else int(port)


def _prove_response(response: Response, values: dict[bytes, bytes]) -> None:
    """Fill the slots of a response all of whose needed fields are plain."""
    try:
        needed = b"\n".join((*_OF_RESPONSE(values), values.get(b"contact", b"")))
    except KeyError:
        return
    if len(needed) > MAX_URI_BYTES:
        return
    found = _RESPONSE.fullmatch(needed.decode("utf-8", "surrogateescape"))
    if found is None:
        return
    branch, number, method, call_id, from_tag, to_tag, target = _RESPONSE_VALUES(found)
    if target is None and b"contact" in values:
        return  # a session reads it, so it must be sound
    response.branch = branch
    response.cseq = _cseq((int(number), method))
    response.call_id = call_id
    response.from_tag = from_tag
    response.to_tag = to_tag
    response.plain_target = target and target.encode("ascii")
    response.proven = True
