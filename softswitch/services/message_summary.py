"""Message waiting indication (RFC 3842): the lamp on the phone."""

from __future__ import annotations

from sip.subscription import Package
from softswitch.subscribers.directory import Waiting

PACKAGE = Package(
    b"message-summary",
    b"application/simple-message-summary",
    default_expires=3600,  # section 3.4
    rest_seconds=1.0,  # section 3.9
)


def message_summary(account: str, waiting: Waiting) -> bytes:
    """The body.

    Args:
        account: URI of the mailbox.
    """
    lines = (
        f"Messages-Waiting: {'yes' if waiting.new else 'no'}",
        f"Message-Account: {account}",
        f"Voice-Message: {waiting.new}/{waiting.old} (0/0)",
        "",
    )
    return "\r\n".join(lines).encode("utf-8")
