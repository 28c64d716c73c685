"""Delivery reports of texts (IMDN, RFC 5438) that the switch itself sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from softswitch.services.markup import characters, document, element
from softswitch.texting.cpim import IMDN_NAMESPACE, Envelope, write

REPORT_TYPE = "message/imdn+xml"
Status = Literal["stored", "delivered", "failed"]
_KINDS: dict[Status, str] = {
    "stored": "processing-notification",
    "delivered": "delivery-notification",
    "failed": "delivery-notification",
}
_ASKED: dict[Status, str] = {
    "stored": "processing",
    "delivered": "positive-delivery",
    "failed": "negative-delivery",
}


def is_wanted(status: Status, text: Envelope) -> bool:
    """True if the sender of a text asked for a report of this status, and named the text."""
    return text.message_id is not None and _ASKED[status] in text.wants


def report(status: Status, text: Envelope, sender: str, recipient: str, at: float) -> bytes:
    """A report of a text's outcome, in an envelope of its own.

    Args:
        text: the reported text; it has a message id.
        sender: SIP URI of the text's sender, to whom the report goes.
        recipient: SIP URI of the text's recipient, in whose name the report is.
        at: epoch seconds of the outcome.
    """
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = _KINDS[status]
    body = document(
        element(
            "imdn",
            {"xmlns": "urn:ietf:params:xml:ns:imdn"},
            element("message-id", {}, characters(text.message_id or "")),
            element("datetime", {}, when),
            element("recipient-uri", {}, characters(recipient)),
            element(kind, {}, element("status", {}, element(status, {}))),
        )
    )
    headers = (
        ("From", f"<{recipient}>"),
        ("To", f"<{sender}>"),
        ("DateTime", when),
        ("NS", f"imdn <{IMDN_NAMESPACE}>"),
    )
    return write(Envelope(headers, f"{REPORT_TYPE}; charset=utf-8", body))
