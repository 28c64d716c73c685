"""Requests and responses (RFC 3261 section 7): octets whose fields are indexed once and
read on demand.

A message that came keeps its octets; its header lines are split and indexed by name when it is
parsed (`sip.reading`), and each value is parsed at its first use. A message that we build is
written once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from sip import grammar
from sip.bodies import SDP_TYPE, BodyPart, description_in, parts_of
from sip.errors import REASONS, ParseError
from sip.fields import (
    ANSWER,
    COPIED,
    Field,
    index,
    index_again,
    lines_of,
    status_line,
    write,
    write_request,
)
from sip.grammar import MAGIC_COOKIE, text
from sip.headers import (
    CSeq,
    NameAddr,
    Via,
    lower_tags,
    plain_name_addr,
    read_contacts,
    split_list,
)
from sip.layout import NO_LAYOUT
from sip.uri import MAX_URI_BYTES, Uri

MAX_MESSAGE_BYTES = 65_535
"""A UDP datagram can't be longer; a stream needn't be."""
# Forms that nearly every message has; what doesn't match is read by the full grammar.
PLAIN_VIA_BRANCH = (
    rb"SIP/2\.0/[A-Z]+ [0-9A-Za-z.\-\[\]:]+(?:;(?!branch)[a-z]+(?:=[0-9A-Za-z.]+)?)*"
    rb";branch=([0-9A-Za-z.\-_]+)(?:;(?!branch)[a-z]+(?:=[0-9A-Za-z.]+)?)*"
)
PLAIN_TARGET = grammar.UNDIVIDED_URI + rb"(?:;transport=(?:udp|tcp|tls|ws|wss))?(?:;ob)?"
PLAIN_CALL_ID = rb"[^\s,;\x00-\x1f\x7f]+"
_PLAIN_VIA_BRANCH = re.compile(PLAIN_VIA_BRANCH)
_PLAIN_VIA = re.compile(grammar.PLAIN_VIA)
_PLAIN_TARGET = re.compile(rb"<(" + PLAIN_TARGET + rb")>")
_PLAIN_CSEQ = re.compile(rb"([0-9]{1,9}) ([A-Z]+)")
_CALL_ID = re.compile(PLAIN_CALL_ID)
_PLAIN_REQUEST_URI = re.compile(grammar.PLAIN_URI)
_ONCE = (b"from", b"to", b"call-id", b"cseq")
"""Needed exactly once; Via may stand several times (RFC 3261 section 8.1.1)."""
_NEEDED = frozenset(_ONCE)
_NO_TAGS: frozenset[bytes] = frozenset()
_RECORD_ROUTE = b"\r\nRecord-Route: "
_UP_TO_TO = ((b"\r\nFrom: ", b"from"), (b"\r\nTo: ", b"to"))
_BEHIND_TO = ((b"\r\nCall-ID: ", b"call-id"), (b"\r\nCSeq: ", b"cseq"))
_COPIED = itemgetter(b"via", b"from", b"to", b"call-id", b"cseq")
_AT_MOST_ONCE = (b"content-length", b"max-forwards", b"content-type", b"expires")


class Message:
    """Common part of requests and responses: the octets, and the values of their fields by name,
    all of them in `repeated` where a field stands several times. The fields of a message that we
    built are indexed on demand."""

    # A kind that is kept has fields for what is nearly always asked of it. The dict for all else is
    # made when something is; a slot for each would take 130 octets of every message.
    __slots__ = ("__dict__",)

    raw: bytes
    body: bytes
    values: dict[bytes, bytes]
    """The first value of each field, by its long name in lower case."""
    repeated: dict[bytes, list[bytes]] | None
    """All values of the fields that stand several times; None if none does."""
    via: Via
    """The topmost Via."""
    branch: str | None
    """The branch of the topmost Via."""
    sent_by: tuple[str, int | None]
    """Host and port of the topmost Via. Reading it proves the field sound."""
    call_id: str
    cseq: CSeq
    from_: NameAddr
    to: NameAddr
    from_uri: Uri
    to_uri: Uri
    from_tag: str | None
    """The tag of From. Reading it proves the field sound."""
    to_tag: str | None
    """The tag of To. Reading it proves the field sound."""
    contacts: list[NameAddr]
    """Contact values; "*" gives none."""
    plain_target: str | None
    """The URI of the Contact as it stands on the wire, where one plain URI is all that there is;
    `contacts` has the others."""
    proven = False
    """True if :mod:`sip.plain` has read all that is needed of a message that came, and found it
    valid."""

    if not TYPE_CHECKING:  # to a type checker it would make every misspelt name an attribute

        def __getattr__(self, name: str) -> object:
            """Read a value when it is first asked for. Python comes here for a missing attribute
            only, so that asking again costs no more than any; properties would be calls.

            Raises:
                ParseError: 400, the field is missing or malformed.
            """
            read = getattr(type(self), f"_read_{name}", None)
            if read is None:
                raise AttributeError(name)
            value = read(self)
            setattr(self, name, value)
            return value

    # Raw values

    def _read_values(self) -> dict[bytes, bytes]:
        head = self.raw.partition(b"\r\n\r\n")[0]
        values, self.repeated = index_again(head) if self.proven else index(head.split(b"\r\n"))
        return values

    def _read_repeated(self) -> dict[bytes, list[bytes]] | None:
        self.values = self._read_values()
        return self.repeated

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field; `name` is lower case and long."""
        return self.values.get(name)

    def get_all(self, name: bytes) -> list[bytes]:
        """A value for each line of a field, in order."""
        value = self.values.get(name)
        if value is None:
            return []
        if self.repeated is not None and name in self.repeated:
            return list(self.repeated[name])
        return [value]

    def get_list(self, name: bytes) -> list[bytes]:
        """Elements of a comma-separated field, over all its lines; empty ones are left out."""
        value = self.values.get(name)
        if value is None:
            return []
        if self.repeated is None or name not in self.repeated:
            return split_list(value)
        return [element for value in self.repeated[name] for element in split_list(value)]

    def option_tags(self, name: bytes) -> frozenset[bytes]:
        """Option tags of Require, Supported and the like, or the methods of Allow; lower case."""
        value = self.values.get(name)
        if value is None:
            return _NO_TAGS
        if self.repeated is None or name not in self.repeated:
            return lower_tags(value)
        return frozenset(map(bytes.lower, self.get_list(name)))

    @property
    def fields(self) -> list[Field]:
        """All fields in order, named as they stand on the wire."""
        fields: list[Field] = []
        for line in self.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
            if line[:1] in (b" ", b"\t") and fields:
                name, value = fields[-1]
                fields[-1] = (name, (value + b" " + line.strip(b" \t")).strip(b" \t"))
            else:
                name, _, value = line.partition(b":")
                fields.append((name.rstrip(b" \t"), value.strip(b" \t")))
        return fields

    # Values that the stack reads

    def _needed(self, name: bytes) -> bytes:
        value = self.values.get(name)
        if value is None:
            raise ParseError(f"Missing {name.decode()}")
        return value

    def _read_call_id(self) -> str:
        value = self._needed(b"call-id")
        if _CALL_ID.fullmatch(value) is None:
            raise ParseError("Malformed Call-ID")
        return text(value)

    def _read_cseq(self) -> CSeq:
        value = self._needed(b"cseq")
        plain = _PLAIN_CSEQ.fullmatch(value)
        if plain is None:
            return CSeq.parse(value)
        return CSeq(int(plain[1]), plain[2].decode("ascii"))

    def _read_from_(self) -> NameAddr:
        return NameAddr.parse(self._needed(b"from"))

    def _read_to(self) -> NameAddr:
        return NameAddr.parse(self._needed(b"to"))

    def _read_from_uri(self) -> Uri:
        return self.from_.uri

    def _read_to_uri(self) -> Uri:
        return self.to.uri

    def _read_from_tag(self) -> str | None:
        plain = plain_name_addr(self._needed(b"from"))
        return self.from_.tag if plain is None else _text_of(plain[6])

    def _read_to_tag(self) -> str | None:
        plain = plain_name_addr(self._needed(b"to"))
        return self.to.tag if plain is None else _text_of(plain[6])

    def _read_via(self) -> Via:
        elements = split_list(self._needed(b"via"))
        if not elements:
            raise ParseError("Malformed Via")
        return Via.parse(elements[0])

    def _read_branch(self) -> str | None:
        plain = _PLAIN_VIA_BRANCH.fullmatch(self._needed(b"via"))
        return plain[1].decode("ascii") if plain else self.via.branch

    def _read_sent_by(self) -> tuple[str, int | None]:
        plain = _PLAIN_VIA.fullmatch(self._needed(b"via"))
        if plain is None:
            return self.via.host, self.via.port
        self.branch = plain[5].decode("ascii")
        return plain[2].decode("ascii").lower(), None if plain[3] is None else int(plain[3])

    def _read_contacts(self) -> list[NameAddr]:
        return read_contacts(self.get_list(b"contact"))

    @property
    def contact_star(self) -> bool:
        """True if the Contact is "*" (section 10.2.2)."""
        value = self.values.get(b"contact")
        if value is None or (self.repeated is None and b"*" not in value):
            return False
        return self.get_list(b"contact") == [b"*"]

    def _read_plain_target(self) -> str | None:
        value = self.get(b"contact")
        if value is None or len(value) > MAX_URI_BYTES:
            return None
        plain = _PLAIN_TARGET.fullmatch(value)
        if plain is None or (self.repeated is not None and b"contact" in self.repeated):
            return None
        return plain[1].decode("ascii")

    def _number(self, name: bytes, limit: int = 2**32 - 1) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        number = grammar.number(value, limit)
        if number is None:
            raise ParseError(f"Malformed {name.decode()}")
        return number

    @property
    def expires(self) -> int | None:
        """Expires in seconds; None if it is missing. Raises ParseError, 400."""
        return self._number(b"expires")

    @property
    def content_type(self) -> str | None:
        """Type and subtype, lower case, without parameters."""
        value = self.get(b"content-type")
        return None if value is None else text(value.partition(b";")[0].strip(b" \t").lower())

    @property
    def description(self) -> bytes:
        """The session description (SDP) in the body, alone or as a part of a multipart body; b""
        if there is none. A body without a Content-Type is taken for one."""
        if not self.body:
            return b""
        content_type = self.values.get(b"content-type")
        if content_type is None or content_type == SDP_TYPE:
            return self.body
        return description_in(content_type, self.body)

    @property
    def parts(self) -> tuple[BodyPart, ...]:
        """The parts of the body (RFC 5621), a single one if it isn't multipart.

        Raises:
            ParseError: 400, a multipart body that can't be read.
        """
        return parts_of(self.get(b"content-type") or b"", self.body)

    def validate(self) -> None:
        """Check the message against what every message must have (section 8.1.1).

        Raises:
            ParseError: 400, 505, 416.
        """
        values, repeated = self.values, self.repeated
        if not values.keys() >= _NEEDED:
            missing = next(name for name in _ONCE if name not in values)
            raise ParseError(f"Missing {missing.decode()}")
        if repeated is not None:
            for name in (*_ONCE, *_AT_MOST_ONCE):
                if name in repeated:
                    raise ParseError(f"Duplicate {name.decode()}")
        self._read_each_plainly(values)
        if self.cseq.number >= 2**31:
            raise ParseError("CSeq out of range")
        _ = (self.call_id, self.from_tag, self.to_tag, self.branch)

    def _read_each_plainly(self, values: dict[bytes, bytes]) -> None:
        """Fill the slots of what is needed from plain forms; those of other forms stay empty, and
        the full grammar fills them when they are read."""
        plain = _PLAIN_CSEQ.fullmatch(values[b"cseq"])
        if plain is not None:
            self.cseq = CSeq(int(plain[1]), plain[2].decode("ascii"))
        call_id = values[b"call-id"]
        if _CALL_ID.fullmatch(call_id) is not None:
            self.call_id = call_id.decode("utf-8", "surrogateescape")
        plain = plain_name_addr(values[b"from"])
        if plain is not None:
            self.from_tag = _text_of(plain[6])
        plain = plain_name_addr(values[b"to"])
        if plain is not None:
            self.to_tag = _text_of(plain[6])

    # The wire

    def __bytes__(self) -> bytes:
        return self.raw


def _text_of(group: bytes | None) -> str | None:
    return None if group is None else group.decode("ascii")


class Request(Message):
    """A request; `raw_uri` is the Request-URI as it stands on the wire."""

    __slots__ = ()

    method: str
    raw_uri: bytes
    uri: Uri
    """The Request-URI. Reading it raises ParseError, 400 or 414."""
    max_forwards: int | None
    """Max-Forwards, 0 to 255; None if it is missing. Reading it raises ParseError, 400."""
    transaction_key: tuple[object, ...]
    """The key of its server transaction: branch, sent-by and method, or what RFC 2543 compares
    (RFC 3261 section 17.2.3); of an ACK, that of the INVITE."""
    layout = NO_LAYOUT
    """The layout of its head, which says what follows from the names of its fields."""

    @classmethod
    def started(cls, method: str, raw_uri: bytes) -> Request:
        """A request of whose parts the request line is known so far."""
        request = cls()
        request.method, request.raw_uri = method, raw_uri
        return request

    def _read_raw_uri(self) -> bytes:
        return self.raw.split(b" ", 2)[1]

    def _read_max_forwards(self) -> int | None:
        return self._number(b"max-forwards", 255)

    def _read_uri(self) -> Uri:
        return Uri.parse(self.raw_uri)

    def _read_transaction_key(self) -> tuple[object, ...]:
        return self.key_as("INVITE" if self.method == "ACK" else self.method)

    def key_as(self, method: str) -> tuple[object, ...]:
        """The key of the transaction that a request of this method and the same Via began."""
        sent_by, branch = self.sent_by, self.branch
        if branch is not None and branch[:7] == MAGIC_COOKIE != branch:
            return (branch, sent_by, method)
        number = self.cseq.number
        return (self.raw_uri.decode("latin-1"), self.call_id, self.from_tag, number, method)

    @classmethod
    def build(cls, method: str, uri: bytes, fields: Sequence[Field], body: bytes = b"") -> Request:
        """Make a request; Content-Length is added.

        Raises:
            ValueError: a field or the URI holds CR or LF.
        """
        request = cls.started(method, uri)
        request.body = body
        request.raw = write_request(method, uri, fields, body)
        return request

    def validate(self) -> None:
        """Check the request as every message, its CSeq against its method, and its Request-URI."""
        if self.proven:
            return
        super().validate()
        _ = (self.sent_by, self.max_forwards)
        if self.cseq.method != self.method:
            raise ParseError("CSeq method mismatch")
        if self.method == "REGISTER" and self.to.uri.scheme not in ("sip", "sips"):
            raise ParseError("Not an address of record")
        self._validate_uri()

    @property
    def answerable(self) -> bool:
        """True if there is a Via by which to answer; other fields that a response copies may be
        missing."""
        return bool(self.get_all(b"via"))

    def _validate_uri(self) -> None:
        uri = self.raw_uri
        if len(uri) <= MAX_URI_BYTES and _PLAIN_REQUEST_URI.fullmatch(uri) is not None:
            return
        if self.raw_uri[:4].lower() == b"sip:" or self.raw_uri[:5].lower() == b"sips:":
            if self.uri.headers is not None:
                raise ParseError("Request-URI with headers")
        elif self.raw_uri[:1] == b"<" or b":" not in self.raw_uri:
            raise ParseError("Malformed Request-URI")
        elif self.uri.scheme != "tel" and not self.uri.is_emergency:
            raise ParseError(status=416)

    def stamp_source(self, host: str, port: int) -> None:
        """Note where the request came from in its topmost Via (section 18.2.1, RFC 3581); once."""
        via = self.via
        first, *rest = split_list(self._needed(b"via"))
        if "rport" in via.params:
            via.params["rport"] = str(port)
            via.params["received"] = host
            first = bytes(via)
        elif via.host != host:
            via.params["received"] = host
            first = bytes(via)
        self._replace_via(b", ".join([first, *rest]) if rest else first)

    def _replace_via(self, value: bytes) -> None:
        """Put another in the place of the topmost Via's line."""
        self.values[b"via"] = value
        if self.repeated is not None and b"via" in self.repeated:
            self.repeated[b"via"][0] = value

    def shorten(self) -> None:
        """Take less memory, since no transport sends the request again; what is read is the same.
        Only :class:`sip.own_request.OwnRequest` can."""

    def send_by(self, via: bytes) -> None:
        """Give a request of ours another topmost Via, with the same branch: it goes by another
        transport (RFC 3261 section 18.1.1)."""
        old = self._needed(b"via")
        self.raw = self.raw.replace(b"\r\nVia: " + old, b"\r\nVia: " + via, 1)
        self._replace_via(via)
        self.via = self._read_via()

    def respond(
        self,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        fields: Sequence[Field] = (),
        body: bytes = b"",
    ) -> Response:
        """A response with what section 8.2.6.2 copies; `to_tag` is added if To has none.

        Raises:
            ValueError: a field or the reason holds CR or LF.
        """
        response = Response.started(status, REASONS.get(status, "") if reason is None else reason)
        response.body = body
        response.raw = self.write_response(status, reason, to_tag, lines_of(fields), body)
        return response

    def write_response(
        self,
        status: int,
        reason: str | None,
        to_tag: str | None,
        lines: bytes,
        body: bytes,
    ) -> bytes:
        """The octets of :meth:`respond`, for a response of which nothing else is needed; `lines`
        are those of its own fields, by :func:`sip.fields.lines_of`."""
        if not self.layout.answers_plainly:
            return write(self._start(status, reason, to_tag), lines, body)
        via, from_, to, call_id, cseq = _COPIED(self.values)
        if to_tag is not None and self.to_tag is None:
            to += b";tag=" + to_tag.encode()
        return ANSWER % (
            status_line(status, reason), via, from_, to, call_id, cseq, lines, len(body), body,
        )  # fmt: skip

    def _start(self, status: int, reason: str | None, to_tag: str | None) -> bytes:
        """Status line and copied fields of a response, for any request."""
        copied, routes = self.copied_lines(to_tag)
        start = status_line(status, reason) + copied
        if 100 < status < 300:
            return start + routes
        if status == 100 and b"timestamp" in self.values:
            return start + b"\r\nTimestamp: " + self.values[b"timestamp"]
        return start

    def copied_lines(self, to_tag: str | None) -> tuple[bytes, bytes]:
        """The lines that all responses copy, and those that only some copy: Record-Route."""
        values = self.values
        if self.proven and self.repeated is None and b"record-route" not in values:
            via, from_, to, call_id, cseq = _COPIED(values)  # as nearly always
            if to_tag is not None and self.to_tag is None:
                to += b";tag=" + to_tag.encode()
            return COPIED % (via, from_, to, call_id, cseq), b""
        lines = [b"\r\nVia: " + value for value in self.get_all(b"via")]
        lines += [name + values[key] for name, key in _UP_TO_TO if key in values]
        if to_tag is not None and b"to" in values and self._untagged(values[b"to"]):
            lines.append(b";tag=" + to_tag.encode("ascii"))
        lines += [name + values[key] for name, key in _BEHIND_TO if key in values]
        return b"".join(lines), b"".join(map(_RECORD_ROUTE.__add__, self.get_all(b"record-route")))

    def _untagged(self, to: bytes) -> bool:
        try:
            return self.to_tag is None
        except ParseError:
            return b"tag=" not in to  # answering a request that can't be read


class Response(Message):
    """A response."""

    __slots__ = ()

    status: int
    reason: str
    transaction_key: tuple[str | None, str]
    """The key of its client transaction: branch and method (RFC 3261 section 17.1.3)."""

    @classmethod
    def started(cls, status: int, reason: str) -> Response:
        """A response of whose parts the status line is known so far."""
        response = cls()
        response.status, response.reason = status, reason
        return response

    def _read_transaction_key(self) -> tuple[str | None, str]:
        return self.branch, self.cseq.method

    @classmethod
    def build(
        cls, status: int, reason: str, fields: Sequence[Field], body: bytes = b""
    ) -> Response:
        """Make a response; Content-Length is added.

        Raises:
            ValueError: a field or the reason holds CR or LF.
        """
        response = cls.started(status, reason)
        response.body = body
        response.raw = write(status_line(status, reason), lines_of(fields), body)
        return response

    def validate(self) -> None:
        """Check the response as every message, and all that a session reads of it: a response
        takes effect whole or not at all."""
        if self.proven:
            return
        plain = _PLAIN_VIA_BRANCH.fullmatch(self.values.get(b"via", b""))
        if plain is not None:
            self.branch = plain[1].decode("ascii")
        super().validate()
        if self.cseq.method == "INVITE" and self.status < 400 and self.plain_target is None:
            _ = self.contacts
