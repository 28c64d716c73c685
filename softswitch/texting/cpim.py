"""Common presence and instant messaging, the envelope of a text (RFC 3862).

Desktop apps ask for delivery reports inside this envelope (RFC 5438). It names a sender of its own,
which is not authenticated: the switch passes it on only after it has put the caller's own
address there::

    From: <sip:+995322000101@example.org>
    To: <sip:+995322000102@example.org>
    DateTime: 2026-11-29T20:00:00Z
    NS: imdn <urn:ietf:params:imdn>
    imdn.Message-ID: 34jk324j
    imdn.Disposition-Notification: positive-delivery
                                                          <- blank line: the content's own header
    Content-Type: text/plain; charset=utf-8
                                                          <- blank line: the content
    Hello
"""

from __future__ import annotations

import re

from msgspec import Struct

CONTENT_TYPE = "message/cpim"
IMDN_NAMESPACE = "urn:ietf:params:imdn"
MAX_HEADER_LINES = 40
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_NAMESPACE = re.compile(r"([A-Za-z0-9-]{0,32}) ?<([^<>\s]{1,128})>")


class CpimError(ValueError):
    """An envelope that can't be read."""


class Envelope(Struct, frozen=True):
    """A text in its envelope.

    Args:
        headers: names and values of the message's header in their order, as written.
        content_type: of the content, with its parameters.
        content: octets of the text itself.
    """

    headers: tuple[tuple[str, str], ...]
    content_type: str
    content: bytes

    def get(self, name: str) -> str | None:
        """The first value of a header, by its name in any case."""
        wanted = name.lower()
        return next((value for found, value in self.headers if found.lower() == wanted), None)

    @property
    def message_id(self) -> str | None:
        """The id that delivery reports name (RFC 5438 section 6.3), or None."""
        return self._imdn("Message-ID")

    @property
    def wants(self) -> frozenset[str]:
        """Which reports the sender asks for: positive-delivery, negative-delivery, processing,
        display."""
        asked = self._imdn("Disposition-Notification") or ""
        return frozenset(part.strip().lower() for part in asked.split(",") if part.strip())

    def addressed(self, sender: str, recipient: str) -> Envelope:
        """The same text with these SIP URIs as its parties, whatever it said before."""
        kept = tuple(
            (name, value) for name, value in self.headers if name.lower() not in ("from", "to")
        )
        parties = (("From", f"<{sender}>"), ("To", f"<{recipient}>"))
        return Envelope(parties + kept, self.content_type, self.content)

    def _imdn(self, name: str) -> str | None:
        """A header of the namespace of delivery reports, under the prefix that stands for it."""
        for found, value in self.headers:
            match = _NAMESPACE.fullmatch(value) if found.lower() == "ns" else None
            if match is not None and match[2] == IMDN_NAMESPACE:
                return self.get(f"{match[1]}.{name}" if match[1] else name)
        return None


def parse(body: bytes) -> Envelope:
    """Read an envelope. Raises CpimError."""
    text = body.replace(b"\r\n", b"\n")
    header, blank, rest = text.partition(b"\n\n")
    inner, second_blank, _ = rest.partition(b"\n\n")
    if not blank or not second_blank:
        raise CpimError("a blank line is missing")
    # The content keeps its own line ends: it begins after the second blank line of the octets.
    content = _after_blank_line(_after_blank_line(body))
    content_type = dict(_fields(inner.lower())).get("content-type")
    if content_type is None:
        raise CpimError("the content has no Content-Type")
    written = next(value for name, value in _fields(inner) if name.lower() == "content-type")
    return Envelope(tuple(_fields(header)), written, content)


def write(envelope: Envelope) -> bytes:
    """Octets of an envelope."""
    lines = [f"{name}: {value}" for name, value in envelope.headers]
    lines += ["", f"Content-Type: {envelope.content_type}", "", ""]
    return "\r\n".join(lines).encode("utf-8") + envelope.content


def _fields(octets: bytes) -> list[tuple[str, str]]:
    try:
        lines = octets.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise CpimError("the header isn't UTF-8") from None
    if len(lines) > MAX_HEADER_LINES:
        raise CpimError("the header has too many lines")
    found = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or "\r" in value or "\0" in value:
            raise CpimError(f"{line[:40]!r} is no header field")
        found.append((name, value.strip()))
    return found


def _after_blank_line(octets: bytes) -> bytes:
    ends = [
        (octets.find(mark), len(mark))
        for mark in (b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n")
        if mark in octets
    ]
    if not ends:
        raise CpimError("a blank line is missing")
    position, length = min(ends)
    return octets[position + length :]
