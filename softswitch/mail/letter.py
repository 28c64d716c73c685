"""A mail as the switch queues it, and as it is handed to an SMTP server (RFC 5322, RFC 2045)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from softswitch.subscribers.mail_address import is_address

MAX_SUBJECT = 200
MAX_KEY = 160


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; it is read when the mail is sent.

    Args:
        path: from the data folder.
        name: as the reader sees it.
        content_type: e.g. "audio/wav".
    """

    path: str
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Mail:
    """The content and the recipient of a mail.

    Args:
        key: what caused it, e.g. "voicemail:8f3a". Queuing the same key again changes nothing,
            and every copy of the mail has the same Message-ID.
        to: one address; see :mod:`softswitch.subscribers.mail_address`.

    Raises:
        ValueError: it can't be mailed like this.
    """

    key: str
    to: str
    subject: str
    text: str
    attachment: Attachment | None = None

    def __post_init__(self) -> None:
        if not is_address(self.to):
            raise ValueError(f"{self.to!r} is no e-mail address")
        if not self.key or len(self.key) > MAX_KEY:
            raise ValueError(f"a mail's key has 1 to {MAX_KEY} characters")
        if len(self.subject) > MAX_SUBJECT or not self.subject.isprintable():
            raise ValueError(f"a subject has at most {MAX_SUBJECT} printable characters")


def compose(
    mail: Mail, sender: str, domain: str, queued_at: int, attached: bytes | None = None
) -> bytes:
    """The message in full.

    Args:
        sender: address of From.
        domain: of the Message-ID; ours.
        queued_at: epoch milliseconds, for Date.
        attached: the octets of the attachment.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(queued_at / 1000, UTC))
    message["Message-ID"] = message_id(mail.key, domain)
    # RFC 3834 section 5: nobody's holiday notice shall answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="quoted-printable")
    if mail.attachment is not None and attached is not None:
        maintype, _, subtype = mail.attachment.content_type.partition("/")
        message.add_attachment(
            attached, maintype=maintype, subtype=subtype, filename=mail.attachment.name
        )
    return message.as_bytes(policy=SMTP)


def message_id(key: str, domain: str) -> str:
    """The same for each copy of a mail, so that a reader's program shows it once."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"
