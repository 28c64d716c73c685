"""What the stack can do, and what a request wants that it can't (RFC 3261 section 8.2)."""

from __future__ import annotations

from sip.errors import SipError
from sip.message import Request

METHODS = (
    b"INVITE", b"ACK", b"CANCEL", b"BYE", b"OPTIONS", b"INFO", b"REGISTER", b"PRACK", b"UPDATE",
    b"REFER", b"SUBSCRIBE", b"MESSAGE",
)  # fmt: skip
ALLOW = (b"Allow", b", ".join(METHODS))
OUT_OF_DIALOG = ("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "REFER")
"""What the user is asked about when it comes outside any dialog."""
SUPPORTED = frozenset({b"100rel", b"join", b"outbound", b"path", b"replaces", b"timer"})
"""Option tags that a request may require."""
ACCEPT = (b"Accept", b"application/sdp")


def not_understood(request: Request) -> SipError | None:
    """What a request needs of us that we don't have (RFC 3261 sections 8.2.2.3 and 8.2.3)."""
    wanted = [*request.get_list(b"require"), *request.get_list(b"proxy-require")]
    unknown = [tag for tag in wanted if tag.lower() not in SUPPORTED]
    if unknown:
        return SipError(420, headers=((b"Unsupported", b", ".join(unknown)),))
    if request.method != "INVITE":
        return None
    if request.body and not _readable(request):
        return SipError(415, headers=(ACCEPT, (b"Accept-Encoding", b"identity")))
    ranges = [value.partition(b";")[0].rstrip().lower() for value in request.get_list(b"accept")]
    if ranges and not _SDP_RANGES.intersection(ranges):
        return SipError(406, headers=(ACCEPT,))
    return None


_SDP_RANGES = frozenset({b"application/sdp", b"application/*", b"*/*"})


def _readable(request: Request) -> bool:
    """Whether the body of an INVITE is a description; one without a type is taken for it."""
    encoding = request.get(b"content-encoding") or b"identity"
    return request.content_type in (None, "application/sdp") and encoding.lower() == b"identity"
