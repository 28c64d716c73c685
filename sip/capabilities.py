"""The stack's methods, extensions and bodies, and the refusal of a request that needs others
(RFC 3261 section 8.2)."""

from __future__ import annotations

from sip.bodies import LOCATION_TYPE, SDP_TYPE, is_multipart
from sip.errors import SipError
from sip.message import Request

METHODS = (
    b"INVITE", b"ACK", b"CANCEL", b"BYE", b"OPTIONS", b"INFO", b"REGISTER", b"PRACK", b"UPDATE",
    b"REFER", b"SUBSCRIBE", b"MESSAGE",
)  # fmt: skip
ALLOW = (b"Allow", b", ".join(METHODS))
OUT_OF_DIALOG = ("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "REFER")
"""Methods of requests outside a dialog that the user agent hands to its user."""
SUPPORTED = frozenset({b"100rel", b"join", b"outbound", b"path", b"replaces", b"timer"})
"""Option tags that a request may require."""
ACCEPT = (b"Accept", b"application/sdp")
ACCEPT_BODIES = (b"Accept", b"application/sdp, multipart/mixed")
"""The Accept of a 415: multipart bodies are read, too (RFC 5621 section 3.1)."""
_DESCRIBED = ("INVITE", "UPDATE", "PRACK")
"""Requests whose body is a session description."""
_KNOWN_PARTS = (SDP_TYPE, LOCATION_TYPE)
"""Bodies beside which nothing is refused, whatever their handling."""


def not_understood(request: Request) -> SipError | None:
    """The refusal of a request that needs an extension or a body which we don't know: 420, 415 or
    406 (RFC 3261 sections 8.2.2.3 and 8.2.3); None if it can be served.

    Raises:
        ParseError: 400, a multipart body that can't be read.
    """
    values = request.values
    if (
        request.layout.asks_by_types
        and values.get(b"content-type", SDP_TYPE) == values.get(b"accept", SDP_TYPE) == SDP_TYPE
    ):
        return None  # as of nearly all INVITEs
    if b"require" in values or b"proxy-require" in values:
        wanted = [*request.get_list(b"require"), *request.get_list(b"proxy-require")]
        unknown = [tag for tag in wanted if tag.lower() not in SUPPORTED]
        if unknown:
            return SipError(420, headers=((b"Unsupported", b", ".join(unknown)),))
    if request.body and request.method in _DESCRIBED and not _readable(request):
        return SipError(415, headers=(ACCEPT_BODIES, (b"Accept-Encoding", b"identity")))
    if request.method != "INVITE" or b"accept" not in values:
        return None
    ranges = [value.partition(b";")[0].rstrip().lower() for value in request.get_list(b"accept")]
    if ranges and not _SDP_RANGES.intersection(ranges):
        return SipError(406, headers=(ACCEPT,))
    return None


_SDP_RANGES = frozenset({b"application/sdp", b"application/*", b"*/*"})


def _readable(request: Request) -> bool:
    """True if the body is a session description, alone or beside parts that may be left out (RFC
    5621 section 8); one without a type is taken for it."""
    values = request.values
    if values.get(b"content-encoding", b"identity").lower() not in (b"", b"identity"):
        return False
    content_type = values.get(b"content-type", b"")
    if content_type == SDP_TYPE:
        return True
    if not is_multipart(content_type):
        return request.content_type in (None, "application/sdp")
    parts = request.parts
    return not any(part.required and part.content_type not in _KNOWN_PARTS for part in parts)
