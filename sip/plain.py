"""Plain messages: the forms that nearly every phone and trunk writes, read by a few matches of C
code.

What is plain is read here as the strict reader (:mod:`sip.reading`) and the full grammar read it;
everything else is left to them. The loops of the strict reader cost five times as many steps of
Python. A property test compares the two.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

from msgspec import Struct

from sip import grammar
from sip.fields import MAX_HEADERS, NAMES, VALUES, repeated_plainly, split_plainly
from sip.grammar import CR, FF, LF, MAGIC_COOKIE, VT, text
from sip.headers import CSeq, via_source
from sip.layout import Layout, layout_of
from sip.message import (
    PLAIN_CALL_ID,
    PLAIN_TARGET,
    PLAIN_VIA_BRANCH,
    Request,
    Response,
)
from sip.uri import MAX_URI_BYTES, Uri

_METHOD = (
    rb"(?P<method>INVITE|ACK|BYE|CANCEL|REGISTER|OPTIONS|PRACK|UPDATE|INFO|REFER|SUBSCRIBE|NOTIFY"
    rb"|MESSAGE)"
)
_REQUEST_LINE = re.compile(_METHOD + rb" ([^ \t\r\n]+) SIP/2\.0")
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)")

# Each group of a pattern costs time; these have only those whose text is kept.
_VIA = (
    rb"SIP/2\.0/[A-Z]+ " + grammar.PLAIN_HOSTPORT + rb"(?:;rport(?!;[^;\n]*;rport))?;branch=("
    + MAGIC_COOKIE.encode("ascii") + rb"[0-9A-Za-z._-]+)(?:;rport)?"
)  # fmt: skip
"""As :data:`sip.grammar.PLAIN_VIA`, with a branch that identifies its transaction; its groups are
host, port and branch. An rport stands before or behind the branch, not twice."""
_MAX_FORWARDS = rb"([0-9]{1,2})"
_CALL_ID = rb"(" + PLAIN_CALL_ID + rb")"
_IN_ANGLES_OR_BARE = (
    # In <>; or bare: without a name, and without a comma in its user (RFC 3261 section 20).
    rb"(?:(?:" + grammar.TOKEN + rb" ?|" + grammar.DISPLAY_NAME + rb")?<(?=[^>\n]*>)"
    rb"|(?![^\n]*[,<>]))"
)  # fmt: skip
_ADDRESS = _IN_ANGLES_OR_BARE + rb"(" + grammar.UNDIVIDED_URI + rb")>?" + grammar.PLAIN_TAG
"""From or To; its groups are the URI and the tag."""
_PEER = _IN_ANGLES_OR_BARE + grammar.UNDIVIDED_URI + rb">?" + grammar.PLAIN_TAG
"""The same with a group for the tag only."""
_OURSELVES = _IN_ANGLES_OR_BARE + grammar.UNDIVIDED_URI + rb">?(?:;tag=[0-9A-Za-z._-]+)?"
"""The same without groups."""
_TARGET = rb"<(" + PLAIN_TARGET + rb")>"
_REQUEST_URI = rb"(" + grammar.UNDIVIDED_URI + rb"(?:;transport=[a-z]+)?(?:;ob)?)"


def _lines(*patterns: bytes) -> re.Pattern[str]:
    """The patterns, each on a line of its own, the last of which may be missing; no field's value
    holds a line end. White space behind a value is none of it."""
    *needed, contact = patterns
    whole = rb"[ \t]*\n".join(needed) + rb"(?:\n" + contact + rb"[ \t]*)?"
    return re.compile(whole.decode("ascii"), re.ASCII)


_read_request = _lines(
    _VIA, _MAX_FORWARDS, rb"([0-9]{1,9}) " + _METHOD, _CALL_ID, _ADDRESS, _ADDRESS,
    rb"(?P=method) " + _REQUEST_URI + rb" SIP/2\.0", rb"(?:" + _TARGET + rb"|[^\n]*)",
).fullmatch  # fmt: skip
"""The method of the CSeq must be that of the request line."""
_read_response = _lines(
    PLAIN_VIA_BRANCH, rb"[0-9]{1,9} ([A-Z]+)", PLAIN_CALL_ID, _OURSELVES, _PEER,
    rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)", rb"(?:" + _TARGET + rb")?",
).fullmatch  # fmt: skip
"""A session reads the Contact, so it must be sound."""
_MAX_FIELDS = MAX_HEADERS - 1  # beside the start line
Repeated = dict[bytes, list[bytes]] | None
_cseq = partial(tuple.__new__, CSeq)  # a NamedTuple's own constructor is a function of Python


# The constructor of a Struct fills all of its fields in C, at half the cost of as many assignments.
# Its fields stand before the attributes of the same name that another message reads on demand.


class _Opening(Request):
    """The values that decide about a request outside a dialog; within one nothing reads them."""

    __slots__ = ("from_uri", "max_forwards", "to_uri", "uri")


class ProvenRequest(_Opening, Struct, eq=False):
    """A request with all that is needed of it, which is valid."""

    raw: bytes
    body: bytes
    values: dict[bytes, bytes]
    repeated: Repeated
    method: str
    branch: str
    call_id: str
    from_tag: str | None
    to_tag: str | None
    cseq: CSeq
    sent_by: tuple[str, int | None]
    transaction_key: tuple[object, ...]
    plain_target: str | None
    layout: Layout
    proven = True

    def stamp_source(self, host: str, port: int) -> None:
        """As of any request, for a Via that is plain."""
        came = self.values[b"via"]
        via = came.replace(b";rport", via_source(host, port))
        if via == came and self.sent_by[0] != host:
            via = b"%s;received=%s" % (came, host.encode("ascii"))
        self.values[b"via"] = via
        if self.repeated is not None:
            self._replace_via(via)


class ProvenResponse(Response, Struct, eq=False):
    """A response with all that is needed of it, which is valid."""

    raw: bytes
    body: bytes
    values: dict[bytes, bytes]
    repeated: Repeated
    status: int
    reason: str
    transaction_key: tuple[str, str]
    to_tag: str | None
    plain_target: str | None
    proven = True


def read_plain(data: bytes) -> Request | Response | None:
    """A message whose head has plain lines: each field with a known name, on one line, and only
    such several times as proxies add. None if :mod:`sip.reading` must read it strictly.

    If the values of the needed fields are plain, too, the message is `proven`. Those of other
    messages are read and validated one by one.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or len(head) > MAX_URI_BYTES:  # a longer one may have a URI or value too long
        return None
    parts = split_plainly(head, _MAX_FIELDS)
    found = parts[VALUES]
    every = b" ".join(found)
    if LF in every or CR in every:  # a line that is no field, or ends in another way
        return None
    if VT in every or FF in every:  # no white space of SIP, but `strip` would take it for it
        return None
    try:
        layout = layout_of(b":".join(parts[NAMES]))
    except KeyError:
        return None
    values = dict(zip(layout.keys, map(bytes.strip, found)))  # noqa: B905 - one for each name
    if values.get(b"content-length", b"0") != b"%d" % len(body):
        return None
    repeated = None
    if layout.repeats:
        repeated = repeated_plainly(values, parts[NAMES], found)
        if repeated is None:
            return None
    if data.startswith(b"SIP/"):
        lines = b"\n".join(layout.of_response(parts))
        plain = _read_response(lines.decode("utf-8", "surrogateescape"))
        if plain is None:
            return _unproven(data, body, parts[0], values, repeated)
        # Tag, Call-ID and number are ours; only a PRACK needs the number.
        branch, method, to_tag, status, reason, target = plain.groups()
        return ProvenResponse(
            data, body, values, repeated, int(status), reason, (branch, method), to_tag, target
        )
    lines = b"\n".join(layout.of_request(parts))
    plain = _read_request(lines.decode("utf-8", "surrogateescape"))
    if plain is None:
        return _unproven(data, body, parts[0], values, repeated)
    (
        host, port, branch, hops, number, method, call_id,
        from_uri, from_tag, to_uri, to_tag, uri, target,
    ) = plain.groups()  # fmt: skip
    sent_by = _sent_by(host, port)
    request = ProvenRequest(
        data, body, values, repeated, method, branch, call_id, from_tag, to_tag,
        _cseq((int(number), method)), sent_by,
        (branch, sent_by, "INVITE" if method == "ACK" else method), target,
        layout,
    )  # fmt: skip
    if to_tag is None:
        request.max_forwards = int(hops)
        request.from_uri = _uri(from_uri)
        request.to_uri = _uri(to_uri)
        request.uri = _uri(uri)
    return request


def _unproven(
    data: bytes, body: bytes, start: bytes, values: dict[bytes, bytes], repeated: Repeated
) -> Request | Response | None:
    message: Request | Response
    found = _REQUEST_LINE.fullmatch(start)
    if found is not None:
        message = Request.started(found[1].decode("ascii"), found[2])
    else:
        found = _STATUS_LINE.fullmatch(start)
        if found is None:
            return None
        message = Response.started(int(found[1]), text(found[2]))
    message.raw, message.body, message.values, message.repeated = data, body, values, repeated
    return message


# A phone writes the same in all its requests, above all in the one that answers a challenge.


@lru_cache(maxsize=1024)
def _uri(plain: str) -> Uri:
    return Uri.parse(plain.encode("ascii"))


@lru_cache(maxsize=1024)
def _sent_by(host: str, port: str | None) -> tuple[str, int | None]:
    return host.lower(), None if port is None else int(port)
