"""Masking of secrets in a message.

Each octet of a secret becomes an "x", which is valid wherever secrets are, so that lengths stay
right and programs can still parse the message. Masked are: the proof of a password (response,
cnonce, rspauth, any credentials but Digest's), keys of SRTP (RFC 4568 section 6.1, `k=`, MIKEY),
passwords in URIs, pressed keys, and the words of a text.
"""

from __future__ import annotations

import re

_HEAD_SECRETS = re.compile(
    # Of a quoted value only the first word, so that a missing quotation mark does not mask the
    # rest; the proofs of a password are one word.
    rb"\b(?:response|cnonce|rspauth|password)\s*=\s*\"?((?:\\.|[^\s,;\"\\])+)"
    rb"|authorization[ \t]*:\s*(?!digest\b)[^\s:]+\s+([^\r\n]+)"
    rb"|\bsips?:[^\s@:;<>\"]*:([^\s@:<>\"]+)@",
    re.IGNORECASE,
)
_BODY_SECRETS = re.compile(
    rb"inline:([^\s|;]+)"
    rb"|^k=[^:\r\n]*:?([^\r\n]*)"
    rb"|^a=key-mgmt:\s*\S+\s+([^\r\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNAL = re.compile(rb"^[ \t]*signal[ \t]*=[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_PRINTABLE = re.compile(rb"[^\r\n]")


def mask(message: bytes) -> bytes:
    """The message with its secrets masked; of the same length."""
    head, gap, body = message.partition(b"\r\n\r\n")
    head = _HEAD_SECRETS.sub(_starred, head)
    if body:
        body = _mask_body(message, body)
    return head + gap + body


def _mask_body(message: bytes, body: bytes) -> bytes:
    if message.startswith(b"MESSAGE "):
        return _PRINTABLE.sub(b"x", body)
    if message.startswith(b"INFO "):
        masked = _SIGNAL.sub(_starred, body)
        return masked if masked != body else _PRINTABLE.sub(b"x", body)
    return _BODY_SECRETS.sub(_starred, body)


def _starred(found: re.Match[bytes]) -> bytes:
    """The whole match, with its one group replaced by "x"."""
    start, end = found.span(found.lastindex or 0)
    whole, offset = found[0], found.start()
    start, end = start - offset, end - offset
    return whole[:start] + b"x" * (end - start) + whole[end:]
