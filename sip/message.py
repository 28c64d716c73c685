"""Requests and responses (RFC 3261 section 7): octets whose fields are indexed once and
read on demand.

A message that came keeps its octets; its header lines are split and indexed by name when it is
parsed (`sip.reading`), and each value is read only when somebody asks. A message that we build is
written once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sip import grammar
from sip.bodies import SDP_TYPE, BodyPart, description_in, parts_of
from sip.errors import REASONS, ParseError
from sip.fields import Field, breaks, index
from sip.grammar import octets, text
from sip.headers import CSeq, NameAddr, Via, plain_name_addr, split_list
from sip.uri import MAX_URI_BYTES, Uri

MAX_MESSAGE_BYTES = 65_535
"""A UDP datagram can't be longer; a stream needn't be."""
MAX_CONTACTS = 64
"""More than a line may register; each is read as a whole."""

# Forms that nearly every message has; what doesn't match is read by the full grammar.
_PLAIN_VIA_BRANCH = re.compile(
    rb"SIP/2\.0/[A-Z]+ [0-9A-Za-z.\-\[\]:]+(?:;(?!branch)[a-z]+(?:=[0-9A-Za-z.]+)?)*"
    rb";branch=([0-9A-Za-z.\-_]+)(?:;(?!branch)[a-z]+(?:=[0-9A-Za-z.]+)?)*"
)
_PLAIN_VIA = re.compile(grammar.PLAIN_VIA)
_PLAIN_TARGET = re.compile(
    rb"<(" + grammar.PLAIN_URI + rb"(?:;transport=(?:udp|tcp|tls|ws|wss))?(?:;ob)?)>"
)
_PLAIN_CSEQ = re.compile(rb"([0-9]{1,9}) ([A-Z]+)")
_CALL_ID = re.compile(rb"[^\s,;\x00-\x1f\x7f]+")

_ONCE = (b"from", b"to", b"call-id", b"cseq")
"""Needed exactly once; Via may stand several times (RFC 3261 section 8.1.1)."""
_NEEDED = frozenset(_ONCE)
_NO_TAGS: frozenset[bytes] = frozenset()
_COPIED_ONCE = (
    (b"From: ", b"from"),
    (b"To: ", b"to"),
    (b"Call-ID: ", b"call-id"),
    (b"CSeq: ", b"cseq"),
)
"""Into a response, besides Via (section 8.2.6.2); To is the second, if there is a From."""
_AT_MOST_ONCE = (b"content-length", b"max-forwards", b"content-type", b"expires")


class Message:
    """Common part of requests and responses: the octets, and the values of their fields by name,
    all of them in `repeated` where a field stands several times. The fields of a message that we
    built are indexed on demand."""

    __slots__ = (
        "_branch",
        "_call_id",
        "_contacts",
        "_cseq",
        "_from",
        "_from_tag",
        "_to",
        "_to_tag",
        "_via",
        "body",
        "raw",
        "repeated",
        "values",
    )

    def __init__(self) -> None:
        self.raw = b""
        self.values: dict[bytes, bytes] | None = None
        self.repeated: dict[bytes, list[bytes]] | None = None
        self._via: Via | None = None
        self._branch: str | None = None
        self._call_id: str | None = None
        self._cseq: CSeq | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._from_tag: str | None = ""
        self._to_tag: str | None = ""
        self._contacts: list[NameAddr] | None = None
        self.body = b""

    # Raw values

    def _indexed(self) -> dict[bytes, bytes]:
        values = self.values
        if values is None:
            head = self.raw.partition(b"\r\n\r\n")[0]
            values, self.repeated = index(head.split(b"\r\n"))
            self.values = values
        return values

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field; `name` is lower case and long."""
        return (self.values or self._indexed()).get(name)

    def get_all(self, name: bytes) -> list[bytes]:
        """A value for each line of a field, in order."""
        value = (self.values or self._indexed()).get(name)
        if value is None:
            return []
        if self.repeated is not None and name in self.repeated:
            return list(self.repeated[name])
        return [value]

    def get_list(self, name: bytes) -> list[bytes]:
        """Elements of a comma-separated field, over all its lines; empty ones are left out."""
        return [element for value in self.get_all(name) for element in split_list(value)]

    def option_tags(self, name: bytes) -> frozenset[bytes]:
        """Option tags of Require, Supported and the like, or the methods of Allow; lower case."""
        if name not in self._indexed():
            return _NO_TAGS
        return frozenset(tag.lower() for tag in self.get_list(name))

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
        value = (self.values or self._indexed()).get(name)
        if value is None:
            raise ParseError(f"Missing {name.decode()}")
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID. Raises ParseError, 400."""
        if self._call_id is None:
            value = self._needed(b"call-id")
            if _CALL_ID.fullmatch(value) is None:
                raise ParseError("Malformed Call-ID")
            self._call_id = text(value)
        return self._call_id

    @property
    def cseq(self) -> CSeq:
        """The CSeq. Raises ParseError, 400."""
        if self._cseq is None:
            value = self._needed(b"cseq")
            plain = _PLAIN_CSEQ.fullmatch(value)
            if plain is not None:
                self._cseq = CSeq(int(plain[1]), plain[2].decode("ascii"))
            else:
                self._cseq = CSeq.parse(value)
        return self._cseq

    @property
    def from_(self) -> NameAddr:
        """The From field. Raises ParseError, 400."""
        if self._from is None:
            self._from = NameAddr.parse(self._needed(b"from"))
        return self._from

    @property
    def to(self) -> NameAddr:
        """The To field. Raises ParseError, 400."""
        if self._to is None:
            self._to = NameAddr.parse(self._needed(b"to"))
        return self._to

    @property
    def from_tag(self) -> str | None:
        """The tag of From. Reading it proves the field sound."""
        if self._from_tag == "":
            plain = plain_name_addr(self._needed(b"from"))
            self._from_tag = self.from_.tag if plain is None else _text_of(plain[6])
        return self._from_tag

    @property
    def to_tag(self) -> str | None:
        """The tag of To. Reading it proves the field sound."""
        if self._to_tag == "":
            plain = plain_name_addr(self._needed(b"to"))
            self._to_tag = self.to.tag if plain is None else _text_of(plain[6])
        return self._to_tag

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            self._via = Via.parse(self._top_via())
        return self._via

    def _top_via(self) -> bytes:
        elements = split_list(self._needed(b"via"))
        if not elements:
            raise ParseError("Malformed Via")
        return elements[0]

    @property
    def branch(self) -> str | None:
        """The branch of the topmost Via."""
        if self._branch is None:
            plain = _PLAIN_VIA_BRANCH.fullmatch(self._needed(b"via"))
            self._branch = plain[1].decode("ascii") if plain else self.via.branch
        return self._branch

    @property
    def sent_by(self) -> tuple[str, int | None]:
        """Host and port of the topmost Via. Reading it proves the field sound."""
        return self.via.host, self.via.port

    @property
    def contact_star(self) -> bool:
        """True if the Contact is "*" (section 10.2.2)."""
        return self.get_list(b"contact") == [b"*"]

    @property
    def plain_target(self) -> bytes | None:
        """The URI of the Contact as it stands on the wire, where one plain URI is all that there
        is; :attr:`contacts` has the others."""
        value = self.get(b"contact")
        if value is None or len(value) > MAX_URI_BYTES:
            return None
        plain = _PLAIN_TARGET.fullmatch(value)
        if plain is None or (self.repeated is not None and b"contact" in self.repeated):
            return None
        return plain[1]

    @property
    def contacts(self) -> list[NameAddr]:
        """Contact values; "*" gives none."""
        if self._contacts is None:
            elements = self.get_list(b"contact")
            if len(elements) > MAX_CONTACTS:
                raise ParseError("Too many contacts")
            self._contacts = [] if elements == [b"*"] else NameAddr.parse_list(elements)
        return self._contacts

    def _number(self, name: bytes, limit: int = 2**32 - 1) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        number = grammar.number(value, limit)
        if number is None:
            raise ParseError(f"Malformed {name.decode()}")
        return number

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255; None if it is missing. Raises ParseError, 400."""
        return self._number(b"max-forwards", 255)

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
        content_type = self.get(b"content-type")
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
        values, repeated = self._indexed(), self.repeated
        if not values.keys() >= _NEEDED:
            missing = next(name for name in _ONCE if name not in values)
            raise ParseError(f"Missing {missing.decode()}")
        if repeated is not None:
            for name in (*_ONCE, *_AT_MOST_ONCE):
                if name in repeated:
                    raise ParseError(f"Duplicate {name.decode()}")
        if self.cseq.number >= 2**31:
            raise ParseError("CSeq out of range")
        _ = (self.call_id, self.from_tag, self.to_tag, self.branch)

    # The wire

    def __bytes__(self) -> bytes:
        return self.raw

    def _join(self, lines: list[bytes], fields: Iterable[Field], body: bytes) -> None:
        """Write the message from its first lines and further fields; nothing in it may begin a
        line of its own."""
        lines += [name + b": " + value for name, value in fields]
        lines.append(b"Content-Length: %d" % len(body))
        if breaks(lines):
            raise ValueError("a header field can't hold CR or LF")
        self.body = body
        self.raw = b"%s\r\n\r\n%s" % (b"\r\n".join(lines), body)


def _reason(status: int, reason: str | None) -> str:
    return REASONS.get(status, "") if reason is None else reason


def _text_of(group: bytes | None) -> str | None:
    return None if group is None else group.decode("ascii")


class Request(Message):
    """A request; `raw_uri` is the Request-URI as it stands on the wire."""

    __slots__ = ("_sent_by", "_uri", "method", "raw_uri")

    def __init__(self, method: str, raw_uri: bytes) -> None:
        super().__init__()
        self.method = method
        self.raw_uri = raw_uri
        self._uri: Uri | None = None
        self._sent_by: tuple[str, int | None] | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises ParseError, 400 or 414."""
        if self._uri is None:
            self._uri = Uri.parse(self.raw_uri)
        return self._uri

    @classmethod
    def build(cls, method: str, uri: bytes, fields: Sequence[Field], body: bytes = b"") -> Request:
        """Make a request; Content-Length is added.

        Raises:
            ValueError: a field or the URI holds CR or LF.
        """
        request = cls(method, uri)
        request._join([b"%s %s SIP/2.0" % (method.encode("ascii"), uri)], fields, body)
        if fields and fields[0][0] == b"Via":
            plain = _PLAIN_VIA_BRANCH.fullmatch(fields[0][1])
            if plain is not None:  # its transaction will ask for it at once
                request._branch = plain[1].decode("ascii")
        return request

    def validate(self) -> None:
        """Check the request as every message, its CSeq against its method, and its Request-URI."""
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
        if self.raw_uri[:4].lower() == b"sip:" or self.raw_uri[:5].lower() == b"sips:":
            if self.uri.headers is not None:
                raise ParseError("Request-URI with headers")
        elif self.raw_uri[:1] == b"<" or b":" not in self.raw_uri:
            raise ParseError("Malformed Request-URI")
        elif self.uri.scheme != "tel" and not self.uri.is_emergency:
            raise ParseError(status=416)

    @property
    def sent_by(self) -> tuple[str, int | None]:
        """Host and port of the topmost Via. Reading it proves the field sound."""
        found = self._sent_by
        if found is None:
            plain = _PLAIN_VIA.fullmatch(self._needed(b"via"))
            found = super().sent_by if plain is None else self._read_via(plain)
            self._sent_by = found
        return found

    def _read_via(self, plain: re.Match[bytes]) -> tuple[str, int | None]:
        """Sent-by, and on the way the branch."""
        self._branch = plain[5].decode("ascii")
        return plain[2].decode("ascii").lower(), None if plain[3] is None else int(plain[3])

    def stamp_source(self, host: str, port: int) -> None:
        """Note where the request came from in its topmost Via (section 18.2.1, RFC 3581)."""
        value = self._needed(b"via")
        plain = _PLAIN_VIA.fullmatch(value)
        if plain is None or ":" in host:
            self._stamp_any(host, port)
            return
        self._sent_by = self._read_via(plain)
        stamp = b";received=" + octets(host)
        if plain[4] or plain[6]:
            value = value.replace(b";rport", b";rport=%d" % port) + stamp
        elif self._sent_by[0] != host:
            value += stamp
        self._replace_via(value)

    def _stamp_any(self, host: str, port: int) -> None:
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
        self._indexed()[b"via"] = value
        if self.repeated is not None and b"via" in self.repeated:
            self.repeated[b"via"][0] = value

    def send_by(self, via: bytes) -> None:
        """Give a request of ours another topmost Via, with the same branch: it goes by another
        transport (RFC 3261 section 18.1.1)."""
        old = self._needed(b"via")
        self.raw = self.raw.replace(b"\r\nVia: " + old, b"\r\nVia: " + via, 1)
        self._replace_via(via)
        self._via = None

    def respond(
        self,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        fields: Iterable[Field] = (),
        body: bytes = b"",
    ) -> Response:
        """A response with what section 8.2.6.2 copies; `to_tag` is added if To has none.

        Raises:
            ValueError: a field or the reason holds CR or LF.
        """
        values = self._indexed()
        lines = [b"SIP/2.0 %d %s" % (status, octets(_reason(status, reason)))]
        lines += [b"Via: " + value for value in self.get_all(b"via")]
        if 100 < status < 300:
            lines += [b"Record-Route: " + value for value in self.get_all(b"record-route")]
        copied = [start + values[key] for start, key in _COPIED_ONCE if key in values]
        if to_tag is not None and b"to" in values and self._untagged(values[b"to"]):
            place = 1 if b"from" in values else 0
            copied[place] += b";tag=" + to_tag.encode("ascii")
        lines += copied
        if status == 100 and b"timestamp" in values:
            lines.append(b"Timestamp: " + values[b"timestamp"])
        response = Response(status, _reason(status, reason))
        response._join(lines, fields, body)
        return response

    def _untagged(self, to: bytes) -> bool:
        try:
            return self.to_tag is None
        except ParseError:
            return b"tag=" not in to  # answering a request that can't be read


class RequestError(ParseError):
    """A request that can't be read but answered: `request` has what the response copies."""

    def __init__(self, error: ParseError, request: Request) -> None:
        super().__init__(error.reason, error.status)
        self.headers = error.headers
        self.request = request


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str) -> None:
        super().__init__()
        self.status = status
        self.reason = reason

    @classmethod
    def build(
        cls, status: int, reason: str, fields: Iterable[Field], body: bytes = b""
    ) -> Response:
        """Make a response; Content-Length is added.

        Raises:
            ValueError: a field or the reason holds CR or LF.
        """
        response = cls(status, reason)
        response._join([b"SIP/2.0 %d %s" % (status, octets(reason))], fields, body)
        return response

    def validate(self) -> None:
        """Check the response as every message, and all that a session reads of it: a response
        takes effect whole or not at all."""
        super().validate()
        if self.cseq.method == "INVITE" and self.status < 400 and self.plain_target is None:
            _ = self.contacts
