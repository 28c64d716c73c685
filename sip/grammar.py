"""ABNF of RFC 3261 section 25.1 as patterns on bytes; the ABNF stands beside each pattern.

Wire data is matched as bytes and only then made text or number: `int`, `strip` and `splitlines` of
text accept far more than SIP does.
"""

from __future__ import annotations

import re

TOKEN = rb"[A-Za-z0-9.!%*_+`'~-]+"
"""token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )"""

QUOTED_STRING = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*"'
"""quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE; a control character only as a pair"""

MAGIC_COOKIE = "z9hG4bK"
"""Begins every branch made by RFC 3261 (section 8.1.1.7)."""

LF, CR, VT, FF, COMMA = b"\n\r\v\f,"
"""Octets by their numbers: a number is found in octets ten times faster than an octet is."""

LWS = b" \t"
"""White space within a line; folding is undone before."""

token = re.compile(TOKEN)
quoted_string = re.compile(QUOTED_STRING)
digits = re.compile(rb"[0-9]{1,10}")
"""1*DIGIT, as long as any number in SIP needs (up to 2**32 - 1)."""

scheme = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
"""scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )"""

host = re.compile(
    rb"\[[0-9A-Fa-f.]{0,4}:[0-9A-Fa-f:.]{1,42}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?"
)
"""host = hostname / IPv4address / IPv6reference; underscores are met in practice."""

hostport = re.compile(rb"(" + host.pattern + rb")(?:[ \t]*:[ \t]*([0-9]{1,5}))?")
"""hostport = host [ ":" port ]"""

parameter = re.compile(
    rb"[ \t]*;[ \t]*(" + TOKEN + rb")(?:[ \t]*=[ \t]*(" + QUOTED_STRING + rb"|\[[0-9A-Fa-f:.]+\]|"
    rb"[^;,\"<>\s=]+))?"
)
"""generic-param = token [ EQUAL gen-value ]; gen-value = token / host / quoted-string"""


# Plain forms: what nearly every URI and address on the wire looks like. Each matches only what the
# full grammar reads as the same, so that one match replaces the reading; all else is read in full.

_USER = rb"[A-Za-z0-9_.!~*'()&=+$,-]+"
_HOST = rb"[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?"
_PORT = rb"[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}"
PLAIN_HOSTPORT = rb"(" + _HOST + rb")(?::(" + _PORT + rb"))?"
"""A name or an IPv4 address, and a port below 65000."""

PLAIN_URI = rb"(sips?):(?:(" + _USER + rb")@)?" + PLAIN_HOSTPORT
"""No password, escapes, parameters or headers."""

UNDIVIDED_URI = rb"sips?:(?:" + _USER + rb"@)?" + _HOST + rb"(?::(?:" + _PORT + rb"))?"
"""The same without groups, each of which costs time."""

DISPLAY_NAME = rb'"[^"\\<>\x00-\x1f\x7f]*" ?'
PLAIN_NAME = rb'(?:"([^"\\<>\x00-\x1f\x7f]*)" ?)?'
PLAIN_TAG = rb"(?:;tag=([0-9A-Za-z._-]+))?"

PLAIN_NAME_ADDR = PLAIN_NAME + rb"<" + PLAIN_URI + rb">" + PLAIN_TAG
"""A plain URI in <>, a quoted display name at most before it and a tag at most behind it."""

PLAIN_VIA = (
    rb"SIP/2\.0/([A-Z]+) " + PLAIN_HOSTPORT + rb"(;rport)?;branch=([0-9A-Za-z._-]+)(?(4)|(;rport)?)"
)
"""One hop as its sender wrote it, before the receiver added to it."""


def number(text: bytes, limit: int = 2**32 - 1) -> int | None:
    """A decimal number on the wire, or None."""
    if digits.fullmatch(text) is None:
        return None
    value = int(text)
    return value if value <= limit else None


def text(data: bytes) -> str:
    """Wire octets as text; nothing is lost on the way back by :func:`octets`."""
    return data.decode("utf-8", "surrogateescape")


def octets(value: str) -> bytes:
    """Text as wire octets."""
    return value.encode("utf-8", "surrogateescape")
