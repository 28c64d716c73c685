"""Texts of the switch's own: notices to accounts, and to lines about calls.

They cost nothing, are stored like texts between lines, and go to the line's phones at once or when
one registers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from softswitch.mail.letter import MAX_KEY, MAX_SUBJECT, Mail
from softswitch.mail.outbox import queue
from softswitch.subscribers import notice_ways
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import lines_table
from softswitch.subscribers.subscriber_store import fields_table
from softswitch.texting import store
from softswitch.texting.message import StoredText, Text
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

DAY_MS = 86_400_000
MAX_SENDER = 32


class CallNotice(Struct, frozen=True):
    """A notice to a line about a call.

    Args:
        origin: its cause; the same origin again is the same notice.
        sender: the number that the text shows; empty: withheld.
        words: the text.
        kept_ms: how long it waits for a phone; None: as long as any text.
        by_mail: False if an e-mail would be of no use, since the text asks for an answer.
    """

    origin: str
    sender: str
    words: str
    kept_ms: int | None = None
    by_mail: bool = True


class OwnTexts:
    """Stores the switch's own texts.

    Args:
        operator: the sender of notices to accounts, and of mails.
        arrived: told of each text to a line about a call, once it is stored.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        writer: TextWriter,
        operator: str,
        log: Log,
        *,
        arrived: Callable[[StoredText], None],
        kept_days: int,
        max_kept: int,
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._operator = operator
        self._log = log
        self._arrived = arrived
        self._kept_ms = kept_days * DAY_MS
        self._max_kept = max_kept
        self._wall_ms = wall_ms

    def leave(
        self, connection: Connection, line_id: int, origin: str, words: str, at: int, /
    ) -> bool:
        """Store a notice to an account for a line, in the transaction of its cause; False if the
        line is gone, or as many texts wait for it as are kept for one.

        Args:
            at: epoch milliseconds.
        """
        number = select(lines_table.c.number).where(lines_table.c.id == line_id)
        recipient = connection.execute(number).scalar()
        if recipient is None:
            return False
        now = self._wall_ms()
        made = self._text(line_id, recipient, origin, self._operator, words, max(at, now))
        return store.keep(connection, made, self._max_kept) is not None

    def send(self, line: Line, notice: CallNotice, told: Callable[[bool], None]) -> None:
        """Send a notice about a call by the ways that its line has chosen.

        Args:
            told: called once, with True if it is on its way or isn't wanted; False: it is to be
                sent again later.
        """
        self._writer.submit(partial(self._keep, line=line, notice=notice)).add_done_callback(
            lambda done: self._kept(done, told)
        )

    def _keep(
        self, connection: Connection, line: Line, notice: CallNotice
    ) -> tuple[bool, StoredText | None]:
        way = notice_ways.ways_of(connection, line.account_id, line.id)["calls"]
        now = self._wall_ms()
        stored = None
        if notice_ways.by_text(way):
            made = self._text(line.id, line.number, notice.origin, notice.sender, notice.words, now)
            if notice.kept_ms is not None:
                until = min(made.expires_at, now + notice.kept_ms)
                made = replace(made, expires_at=until)
            stored = store.keep(connection, made, self._max_kept)
            if stored is None:
                return False, None
        if notice_ways.by_mail(way) and notice.by_mail:
            self._mail(connection, line.account_id, notice, now)
        return True, stored

    def _kept(
        self,
        done: asyncio.Future[tuple[bool, StoredText | None]],
        told: Callable[[bool], None],
    ) -> None:
        error = done.exception()
        if error is not None:
            self._log.error("a notice can't be kept", why=str(error))
            told(False)
            return
        is_sent, stored = done.result()
        told(is_sent)
        if stored is not None:
            self._arrived(stored)

    def _mail(self, connection: Connection, account_id: int, notice: CallNotice, now: int) -> None:
        fields = fields_table.c
        query = select(fields.value).where(fields.account_id == account_id, fields.name == "email")
        email = connection.execute(query).scalar()
        if email:
            subject = f"{self._operator}: {notice.words}"[:MAX_SUBJECT]
            body = f"{notice.words}\n\n{self._operator}\n"
            queue(connection, Mail(notice.origin[:MAX_KEY], email, subject, body), now)

    def _text(
        self, line_id: int, number: str, origin: str, sender: str, words: str, at: int
    ) -> Text:
        return Text(
            origin=origin,
            kind="line",
            to_line=line_id,
            sender=sender[:MAX_SENDER],
            recipient=number,
            body=words.encode("utf-8"),
            created_at=at,
            due_at=at,
            expires_at=at + self._kept_ms,
        )
