"""Mailboxes, messages and greetings in the database.

A message's row is written before the first sound is recorded, and hidden until its file is
complete. The numbers of new and saved messages are kept in the line's own row, in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Executable,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    column,
    delete,
    func,
    insert,
    select,
    table,
    update,
)

from billing.stores.schema import metadata, storable
from softswitch.database.news import tell_of_lines
from softswitch.database.rows import DbRow
from softswitch.mail.letter import Mail
from softswitch.mail.outbox import queue
from softswitch.subscribers.directory import Waiting
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.mailbox_store import mailbox_row, mailboxes_table
from softswitch.subscribers.pin_tries import Secret, forget_tries

State = Literal["recording", "new", "saved"]

MAX_CALLING = 64

messages_table = Table(
    "voice_messages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("line_id", Integer, ForeignKey("lines.id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("calling", String(MAX_CALLING), nullable=False),
    Column("withheld", Boolean, nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("node", String(64), nullable=False, server_default=""),
    Index("voice_messages_by_line", "line_id", "received_at"),
    Index("voice_messages_by_expiry", "expires_at"),
)

greetings_table = Table(
    "greetings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("line_id", Integer, ForeignKey("lines.id"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

_LINES = table("lines", column("id"), column("waiting_new"), column("waiting_old"))
"""The two columns of the line that this module writes; the line's table imports this module, not
the other way."""


class MailboxFull(Exception):
    """The mailbox holds as many messages as it may."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a caller. Stamps are epoch milliseconds.

    Args:
        calling: the caller's number, as far as the line may see it; "" if withheld or unknown.
    """

    id: str
    line_id: int
    state: State
    calling: str
    received_at: int
    duration_ms: int
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Greeting:
    """A greeting of a line."""

    id: str
    line_id: int
    name: str
    duration_ms: int
    created_at: int


def forget_mailbox(connection: Connection, line_id: int) -> None:
    """Delete the mailbox of a line with all that is in it."""
    for each in (messages_table, greetings_table, mailboxes_table):
        connection.execute(delete(each).where(each.c.line_id == line_id))
    forget_tries(connection, Secret("mailbox", str(line_id)))


class VoicemailStore:
    """The mailboxes of a database. Each method is a transaction. Errors of the database come as
    SQLAlchemy raises them.

    Args:
        node: the switch that records, among several on one database.
    """

    def __init__(self, engine: Engine, node: str = "") -> None:
        self._engine = engine
        self._node = node
        self._reader = engine.execution_options(reading=True)

    # Mailboxes

    def save(self, line_id: int, mailbox: VoiceMailbox) -> None:
        """Open a mailbox, or change its settings; a new PIN unlocks it."""
        row = mailbox_row(mailbox)
        mine = mailboxes_table.c.line_id == line_id
        with self._engine.begin() as connection:
            known = connection.execute(select(mailboxes_table.c.pin).where(mine)).first()
            if known is None:
                connection.execute(insert(mailboxes_table).values(row | {"line_id": line_id}))
                _count(connection, line_id)
                return
            if known.pin != mailbox.pin:
                forget_tries(connection, Secret("mailbox", str(line_id)))
            connection.execute(update(mailboxes_table).where(mine).values(row))
            tell_of_lines(connection, [line_id])

    def close(self, line_id: int) -> list[str]:
        """Delete a mailbox with all that is in it; returns the ids of its files."""
        with self._engine.begin() as connection:
            sounds = _sounds(connection, line_id)
            forget_mailbox(connection, line_id)
            mine = _LINES.c.id == line_id
            connection.execute(
                update(_LINES).where(mine).values(waiting_new=None, waiting_old=None)
            )
        return sounds

    def sounds(self, line_id: int | None = None) -> list[str]:
        """The ids of all files of a line, or of all lines."""
        with self._reader.connect() as connection:
            return _sounds(connection, line_id)

    # Messages

    def begin(self, message: Message, withheld: bool, expires_at: int, most: int) -> None:
        """Record that a message is about to be recorded.

        Raises:
            MailboxFull: there are `most` already, those being recorded among them.
        """
        with self._engine.begin() as connection:
            count = select(func.count()).where(messages_table.c.line_id == message.line_id)
            if connection.execute(count).scalar_one() >= most:
                raise MailboxFull
            connection.execute(
                insert(messages_table).values(
                    id=message.id,
                    line_id=message.line_id,
                    state="recording",
                    calling=storable(message.calling, MAX_CALLING),
                    withheld=withheld,
                    call_id=storable(message.call_id, 64),
                    received_at=message.received_at,
                    node=self._node,
                    duration_ms=0,
                    expires_at=expires_at,
                )
            )

    def arrived(
        self, message_id: str, duration_ms: int, mail: Mail | None, now: int
    ) -> tuple[int, Waiting] | None:
        """Publish a recorded message, and queue the mail about it.

        Returns:
            Its line, and the line's message counters; None if the message isn't being recorded (any
                more).
        """
        mine = messages_table.c.id == message_id
        with self._engine.begin() as connection:
            row = connection.execute(
                select(messages_table).where(mine, messages_table.c.state == "recording")
            ).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(messages_table).where(mine).values(state="new", duration_ms=duration_ms)
            )
            if mail is not None:
                queue(connection, mail, now)
            return row.line_id, _count(connection, row.line_id)

    def mark(self, line_id: int, message_id: str, state: State) -> Waiting:
        """Mark a message as new or saved; returns the line's message counters."""
        with self._engine.begin() as connection:
            connection.execute(
                update(messages_table)
                .where(messages_table.c.id == message_id, messages_table.c.state != "recording")
                .values(state=state)
            )
            return _count(connection, line_id)

    def delete(self, line_id: int, message_ids: Sequence[str]) -> Waiting:
        """Delete the rows of messages; returns the line's message counters. The files are removed
        afterwards."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(messages_table).where(
                    messages_table.c.line_id == line_id, messages_table.c.id.in_(message_ids)
                )
            )
            return _count(connection, line_id)

    def messages(self, line_id: int, state: State | None = None) -> list[Message]:
        """The messages that can be played, the oldest first."""
        query = select(messages_table).where(
            messages_table.c.line_id == line_id, messages_table.c.state != "recording"
        )
        if state is not None:
            query = query.where(messages_table.c.state == state)
        query = query.order_by(messages_table.c.received_at, messages_table.c.id)
        return self._read(query)

    def unfinished(self) -> list[Message]:
        """The messages of this node that are being recorded, or whose recording a crash broke
        off."""
        own = messages_table.c.node.in_(("", self._node))
        return self._read(select(messages_table).where(messages_table.c.state == "recording", own))

    def expired(self, now: int, limit: int = 500) -> list[Message]:
        """The messages whose time is over, the oldest first."""
        query = select(messages_table).where(
            messages_table.c.expires_at <= now, messages_table.c.state != "recording"
        )
        return self._read(query.order_by(messages_table.c.expires_at).limit(limit))

    def _read(self, query: Executable) -> list[Message]:
        with self._reader.connect() as connection:
            return [_message(row) for row in connection.execute(query)]

    # Greetings

    def add_greeting(self, greeting: Greeting) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                insert(greetings_table).values(
                    id=greeting.id,
                    line_id=greeting.line_id,
                    name=greeting.name,
                    duration_ms=greeting.duration_ms,
                    created_at=greeting.created_at,
                )
            )

    def greetings(self, line_id: int) -> list[Greeting]:
        """The greetings of a line, the oldest first."""
        query = select(greetings_table).where(greetings_table.c.line_id == line_id)
        with self._reader.connect() as connection:
            rows = connection.execute(
                query.order_by(greetings_table.c.created_at, greetings_table.c.id)
            )
            return [Greeting(**row._mapping) for row in rows]

    def choose_greeting(self, line_id: int, greeting_id: str | None) -> None:
        """Set the greeting that is played from now on; None: the switch's own words."""
        with self._engine.begin() as connection:
            connection.execute(
                update(mailboxes_table)
                .where(mailboxes_table.c.line_id == line_id)
                .values(greeting=greeting_id)
            )

    def delete_greeting(self, greeting: Greeting) -> None:
        """Delete a greeting, also if it is the chosen one."""
        with self._engine.begin() as connection:
            connection.execute(delete(greetings_table).where(greetings_table.c.id == greeting.id))
            connection.execute(
                update(mailboxes_table)
                .where(mailboxes_table.c.greeting == greeting.id)
                .values(greeting=None)
            )


def _count(connection: Connection, line_id: int) -> Waiting:
    """Count the messages, and write the counters into the line's row."""
    query = (
        select(messages_table.c.state, func.count())
        .where(messages_table.c.line_id == line_id)
        .group_by(messages_table.c.state)
    )
    counts: Mapping[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    waiting = Waiting(counts.get("new", 0), counts.get("saved", 0))
    connection.execute(
        update(_LINES)
        .where(_LINES.c.id == line_id)
        .values(waiting_new=waiting.new, waiting_old=waiting.old)
    )
    tell_of_lines(connection, [line_id])
    return waiting


def _sounds(connection: Connection, line_id: int | None) -> list[str]:
    found: list[str] = []
    for each in (messages_table, greetings_table):
        query = select(each.c.id)
        if line_id is not None:
            query = query.where(each.c.line_id == line_id)
        found += connection.execute(query).scalars()
    return found


def _message(row: DbRow) -> Message:
    return Message(
        row.id,
        row.line_id,
        row.state,
        "" if row.withheld else row.calling,
        row.received_at,
        row.duration_ms,
        row.call_id,
    )
