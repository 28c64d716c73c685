"""The settings of mailboxes in the database: a line is loaded together with its own.

Messages and greetings are in :mod:`softswitch.voicemail.store`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, select

from billing.stores.schema import metadata
from softswitch.database.rows import DbRow, among
from softswitch.subscribers.mailbox import CONDITIONS, VoiceMailbox
from softswitch.subscribers.supplementary import ForwardKind

mailboxes_table = Table(
    "mailboxes",
    metadata,
    Column("line_id", Integer, ForeignKey("lines.id"), primary_key=True),
    Column("takes", String(64), nullable=False),
    Column("pin", String(128)),
    Column("greeting", String(64)),
    Column("email", String(254)),
    Column("max_seconds", Integer),
    Column("max_messages", Integer),
    Column("days_kept", Integer),
    Column("ring_seconds", Integer),
)


def mailboxes_of(
    connection: Connection, line_ids: Iterable[int] | None = None
) -> dict[int, VoiceMailbox]:
    """The settings of mailboxes by line id; None means all lines."""
    query = select(mailboxes_table)
    if line_ids is not None:
        query = query.where(among(mailboxes_table.c.line_id, line_ids))
    return {row.line_id: _mailbox(row) for row in connection.execute(query)}


def _mailbox(row: DbRow) -> VoiceMailbox:
    takes: tuple[ForwardKind, ...] = tuple(name for name in CONDITIONS if name in row.takes.split())
    return VoiceMailbox(
        takes=takes,
        pin=row.pin,
        greeting=row.greeting,
        email=row.email,
        max_seconds=row.max_seconds,
        max_messages=row.max_messages,
        days_kept=row.days_kept,
        ring_seconds=row.ring_seconds,
    )


def mailbox_row(mailbox: VoiceMailbox) -> dict[str, str | int | None]:
    """The columns of the table for a mailbox's settings."""
    return {
        "takes": " ".join(mailbox.takes),
        "pin": mailbox.pin,
        "greeting": mailbox.greeting,
        "email": mailbox.email,
        "max_seconds": mailbox.max_seconds,
        "max_messages": mailbox.max_messages,
        "days_kept": mailbox.days_kept,
        "ring_seconds": mailbox.ring_seconds,
    }
