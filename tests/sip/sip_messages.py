"""Requests and responses for tests, written field by field."""

from sip.message import Request, Response

DEFAULTS = {
    "Via": b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport",
    "Max-Forwards": b"70",
    "From": b"<sip:alice@example.org>;tag=1",
    "To": b"<sip:bob@example.org>",
    "Call-ID": b"abc",
}


def request(
    method: str, uri: bytes = b"sip:bob@example.org", body: bytes = b"", **fields: bytes | None
) -> bytes:
    """A request; `Max_Forwards=b"0"` replaces or adds a field, None leaves it out."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    wanted = {**DEFAULTS, "CSeq": b"1 " + method.encode(), **given}
    lines = [(name.encode(), value) for name, value in wanted.items() if value is not None]
    return bytes(Request.build(method, uri, lines, body))


def response(status: int, method: str, body: bytes = b"", **fields: bytes | None) -> bytes:
    """A response to such a request."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    wanted = {**DEFAULTS, "To": b"<sip:bob@example.org>;tag=2", "Max-Forwards": None}
    wanted |= {"CSeq": b"1 " + method.encode(), **given}
    lines = [(name.encode(), value) for name, value in wanted.items() if value is not None]
    return bytes(Response.build(status, "", lines, body))


def raw(start: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """A message line by line, whatever is wrong with it."""
    return b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body
