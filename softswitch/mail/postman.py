"""The postman: sends due mails from the outbox to the SMTP server of [mail], one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import aiosmtplib

from softswitch.config.mail import MailSection
from softswitch.mail.letter import compose
from softswitch.mail.outbox import Outbox, Queued
from softswitch.trace.log import Log

ROUND = 50
"""Mails of one round; more wait for the next."""
SMTP_SECONDS = 30.0
"""The timeout of the server for each step."""
MAX_ATTACHMENT_BYTES = 32 * 1024 * 1024
"""The limit of attachments: an hour of sound is less, and many servers take no larger mail."""

Outcome = Literal["sent", "refused", "later", "server"]
"""The outcome of an attempt. `later`: this mail can't be sent now; `server`: no mail can."""


class Postman:
    """Sends due mails.

    Args:
        data_dir: the folder of attachments.
        domain: of our Message-IDs.
        wall_ms: epoch milliseconds.
        on_outcome: called with each mail and its outcome.
    """

    def __init__(
        self,
        settings: MailSection,
        outbox: Outbox,
        data_dir: Path,
        domain: str,
        wall_ms: Callable[[], int],
        log: Log,
        on_outcome: Callable[[Queued, Outcome], None],
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._data_dir = data_dir
        self._domain = domain
        self._wall_ms = wall_ms
        self._log = log
        self._on_outcome = on_outcome
        self._server_failed = ""

    async def carry(self) -> int:
        """Try all due mails, unless the server fails; returns how many were taken."""
        sent = 0
        if self._settings.server is None:
            return sent
        for queued in await asyncio.to_thread(self._outbox.due, self._wall_ms(), ROUND):
            outcome = await self._deliver(queued)
            sent += outcome == "sent"
            if outcome == "server":
                break
        if sent:
            await asyncio.to_thread(self._outbox.forget, self._wall_ms())
        return sent

    async def _deliver(self, queued: Queued) -> Outcome:
        await asyncio.to_thread(self._outbox.begin, queued, self._wall_ms())
        outcome, why = await self._send(queued)
        await asyncio.to_thread(self._note, queued, outcome, why)
        self._tell(queued, outcome, why)
        self._on_outcome(queued, outcome)
        return outcome

    def _note(self, queued: Queued, outcome: Outcome, why: str) -> None:
        now = self._wall_ms()
        if outcome == "sent":
            self._outbox.sent(queued, now)
        elif outcome == "refused":
            self._outbox.failed(queued, why, now)
        else:
            self._outbox.postponed(queued, why, now)

    def _tell(self, queued: Queued, outcome: Outcome, why: str) -> None:
        if outcome == "refused":
            self._log.warning("a mail was refused", mail=queued.id, to=queued.mail.to, why=why)
        if outcome == "server" and why != self._server_failed:
            self._log.error("mails wait for the SMTP server", why=why)
        self._server_failed = why if outcome == "server" else ""

    async def _send(self, queued: Queued) -> tuple[Outcome, str]:
        settings, server, mail = self._settings, self._settings.server, queued.mail
        assert server is not None
        try:
            message = await asyncio.to_thread(self._compose, queued)
        except (OSError, ValueError) as error:
            return "refused", f"its attachment can't be read: {error}"
        try:
            await aiosmtplib.send(
                message,
                sender=settings.sender,
                recipients=[mail.to],
                hostname=server.host,
                port=server.port,
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                username=settings.username,
                password=settings.password,
                timeout=SMTP_SECONDS,
                local_hostname=self._domain,
                validate_certs=True,
                cert_bundle=None if settings.trusted_ca is None else str(settings.trusted_ca),
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            return judge(error), " ".join(str(error).split()) or type(error).__name__
        return "sent", ""

    def _compose(self, queued: Queued) -> bytes:
        mail, attached = queued.mail, None
        if mail.attachment is not None:
            path = self._data_dir / mail.attachment.path
            if path.stat().st_size > MAX_ATTACHMENT_BYTES:
                raise ValueError(f"it has more than {MAX_ATTACHMENT_BYTES} octets")
            attached = path.read_bytes()
        return compose(mail, self._settings.sender, self._domain, queued.queued_at, attached)


def judge(error: Exception) -> Outcome:
    """The outcome for an error (RFC 5321 section 4.2.1): 5xx about the recipient or the message is
    permanent; all other failures may pass."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "refused" if all(_is_final(one.code) for one in error.recipients) else "later"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPSenderRefused):
        return "server"
    if isinstance(error, aiosmtplib.SMTPDataError):
        return "refused" if _is_final(error.code) else "later"
    return "server"


def _is_final(code: int) -> bool:
    return 500 <= code < 600
