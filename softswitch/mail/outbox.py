"""The outbox: mails in the database, from the transaction that caused them until they are sent.

A mail is sent exactly once as far as SMTP allows: it is marked as sent when the server has taken it
(250 after DATA). A crash between the two sends it again, with the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from billing.stores.paging import containing
from billing.stores.schema import metadata
from softswitch.database.rows import DbRow
from softswitch.mail.letter import Attachment, Mail

State = Literal["waiting", "sent", "failed"]

FIRST_RETRY_MS = 60_000
LONGEST_RETRY_MS = 4 * 3_600_000
GIVE_UP_MS = 4 * 86_400_000
"""RFC 5321 section 4.5.4.1: four to five days."""
KEPT_MS = 30 * 86_400_000
"""How long the record of a mail that was sent or failed is kept."""
MAX_ERROR = 300

outbox_table = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(160), nullable=False, unique=True),
    Column("recipient", String(254), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("attachment_path", String(256)),
    Column("attachment_name", String(128)),
    Column("attachment_type", String(64)),
    Column("state", String(8), nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("error", String(300), nullable=False),
    Index("outbox_by_time", "state", "next_try_at"),
)


@dataclass(frozen=True, slots=True)
class Queued:
    """A mail with the state of its delivery. Stamps are epoch milliseconds."""

    id: int
    mail: Mail
    state: State
    queued_at: int
    attempts: int
    next_try_at: int
    done_at: int | None
    error: str


def queue(connection: Connection, mail: Mail, now: int) -> bool:
    """Queue a mail in the transaction that caused it.

    Returns:
        True if it is new; a key that was ever queued isn't queued again.
    """
    known = select(outbox_table.c.id).where(outbox_table.c.key == mail.key)
    if connection.execute(known).first() is not None:
        return False
    attachment = mail.attachment
    connection.execute(
        insert(outbox_table).values(
            key=mail.key,
            recipient=mail.to,
            subject=mail.subject,
            text=mail.text,
            attachment_path=None if attachment is None else attachment.path,
            attachment_name=None if attachment is None else attachment.name,
            attachment_type=None if attachment is None else attachment.content_type,
            state="waiting",
            queued_at=now,
            attempts=0,
            next_try_at=now,
            error="",
        )
    )
    return True


def next_try(attempts: int, now: int) -> int:
    """The time of the next attempt after this many: the pauses grow."""
    return now + min(FIRST_RETRY_MS << min(attempts - 1, 20), LONGEST_RETRY_MS)


class Outbox:
    """The mails of a database; every call is a transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def put(self, mail: Mail, now: int) -> bool:
        """Queue a mail as :func:`queue` does, in a transaction of its own."""
        with self._engine.begin() as connection:
            return queue(connection, mail, now)

    def due(self, now: int, limit: int) -> list[Queued]:
        """The mails that are due, those that wait longest first."""
        query = (
            select(outbox_table)
            .where(outbox_table.c.state == "waiting", outbox_table.c.next_try_at <= now)
            .order_by(outbox_table.c.next_try_at, outbox_table.c.id)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_queued(row) for row in connection.execute(query)]

    def list(
        self,
        state: State | None = None,
        limit: int = 100,
        before: int | None = None,
        search: str | None = None,
    ) -> list[Queued]:
        """The newest mails first.

        Args:
            before: the id of the last mail of the page before.
            search: a part of the recipient's address.
        """
        query = select(outbox_table).order_by(outbox_table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(outbox_table.c.id < before)
        if search is not None:
            query = query.where(containing(search, outbox_table.c.recipient))
        if state is not None:
            query = query.where(outbox_table.c.state == state)
        with self._reader.connect() as connection:
            return [_queued(row) for row in connection.execute(query)]

    def find(self, mail_id: int) -> Queued | None:
        with self._reader.connect() as connection:
            query = select(outbox_table).where(outbox_table.c.id == mail_id)
            row = connection.execute(query).one_or_none()
        return None if row is None else _queued(row)

    def begin(self, queued: Queued, now: int) -> None:
        """Note an attempt before it is made, so that a mail whose attempt is broken off waits its
        time."""
        attempts = queued.attempts + 1
        self._change(queued.id, attempts=attempts, next_try_at=next_try(attempts, now))

    def sent(self, queued: Queued, now: int) -> None:
        """Note that the server has taken a mail."""
        self._change(queued.id, state="sent", done_at=now, error="")

    def postponed(self, queued: Queued, why: str, now: int) -> None:
        """Note that a mail couldn't be sent now; after days of failures it is given up."""
        if now - queued.queued_at >= GIVE_UP_MS:
            self.failed(queued, why, now)
        else:
            self._change(queued.id, error=why[:MAX_ERROR])

    def failed(self, queued: Queued, why: str, now: int) -> None:
        """Note that a mail is refused for good."""
        self._change(queued.id, state="failed", done_at=now, error=why[:MAX_ERROR])

    def again(self, queued: Queued, now: int) -> None:
        """Send a mail again from the start, whatever its state."""
        self._change(
            queued.id,
            state="waiting",
            queued_at=now,
            attempts=0,
            next_try_at=now,
            done_at=None,
            error="",
        )

    def forget(self, now: int) -> int:
        """Delete the records of mails that are long finished; returns how many."""
        old = outbox_table.c.done_at < now - KEPT_MS
        with self._engine.begin() as connection:
            return connection.execute(delete(outbox_table).where(old)).rowcount

    def _change(self, mail_id: int, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(outbox_table).where(outbox_table.c.id == mail_id).values(values)
            )


def _queued(row: DbRow) -> Queued:
    attachment = None
    if row.attachment_path is not None:
        attachment = Attachment(row.attachment_path, row.attachment_name, row.attachment_type)
    return Queued(
        row.id,
        Mail(row.key, row.recipient, row.subject, row.text, attachment),
        row.state,
        row.queued_at,
        row.attempts,
        row.next_try_at,
        row.done_at,
        row.error,
    )
