"""The ways by which subscribers get notices: by e-mail, as texts to a line, both, or not at all.

An account chooses for each topic. A line chooses for calls that it missed; without a choice of its
own its account's counts. Notices stand in the cabinet in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from billing.facts.account import CLOSED
from billing.stores.schema import metadata
from softswitch.subscribers.directory_store import lines_table

Way = Literal["none", "email", "text", "both"]
WAYS: tuple[Way, ...] = get_args(Way)
Topic = Literal["calls", "money", "packages", "numbers", "requests", "texts"]
"""Missed calls and offers to complete them; debts, rents and bills; packages; numbers and their
orders; documents and requests; texts that came to rented and one-time numbers."""
TOPICS: tuple[Topic, ...] = get_args(Topic)
DEFAULTS: Mapping[Topic, Way] = MappingProxyType(
    {
        "calls": "text",
        "money": "email",
        "packages": "email",
        "numbers": "email",
        "requests": "email",
        "texts": "email",
    }
)
WHOLE_ACCOUNT = 0
"""Stands for the line in what the account as a whole has chosen."""

ways_table = Table(
    "notice_ways",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("line_id", Integer, primary_key=True, autoincrement=False),
    Column("topic", String(16), primary_key=True),
    Column("way", String(8), nullable=False),
)
notice_lines_table = Table(
    "notice_lines",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("line_id", Integer, nullable=False),
)


def by_text(way: Way) -> bool:
    """True if notices go as texts."""
    return way in ("text", "both")


def by_mail(way: Way) -> bool:
    """True if notices go by e-mail."""
    return way in ("email", "both")


def ways_of(
    connection: Connection, account_id: int, line_id: int = WHOLE_ACCOUNT
) -> dict[Topic, Way]:
    """The ways of an account, or of one of its lines, by topic."""
    c = ways_table.c
    query = select(c.topic, c.way).where(
        c.account_id == account_id, c.line_id.in_((WHOLE_ACCOUNT, line_id))
    )
    found: dict[Topic, Way] = dict(DEFAULTS)
    for topic, way in connection.execute(query.order_by(c.line_id)):
        found[topic] = way
    return found


def choose(
    connection: Connection, account_id: int, topic: Topic, way: Way | None, line_id: int
) -> None:
    """Choose the way of a topic; None: forget what was chosen."""
    c = ways_table.c
    connection.execute(
        delete(ways_table).where(c.account_id == account_id, c.line_id == line_id, c.topic == topic)
    )
    if way is not None:
        connection.execute(
            insert(ways_table).values(account_id=account_id, line_id=line_id, topic=topic, way=way)
        )


def line_of(connection: Connection, account_id: int) -> int | None:
    """The line that an account's notices go to: the chosen one, or else its oldest; None: it has
    no line."""
    lines = lines_table.c
    chosen = (
        select(lines.id)
        .join(notice_lines_table, notice_lines_table.c.line_id == lines.id)
        .where(notice_lines_table.c.account_id == account_id, lines.account_id == account_id)
    )
    found = connection.execute(chosen).scalar()
    if found is None:
        own = (lines.account_id == account_id) & (lines.status != CLOSED)
        found = connection.execute(select(lines.id).where(own).order_by(lines.id).limit(1)).scalar()
    return None if found is None else int(found)


def choose_line(connection: Connection, account_id: int, line_id: int | None) -> None:
    """Choose the line that an account's notices go to; None: its oldest."""
    own = notice_lines_table.c.account_id == account_id
    connection.execute(delete(notice_lines_table).where(own))
    if line_id is not None:
        connection.execute(
            insert(notice_lines_table).values(account_id=account_id, line_id=line_id)
        )


def forget_ways(connection: Connection, line_id: int) -> None:
    """Forget what was chosen for a line that is being removed."""
    connection.execute(delete(ways_table).where(ways_table.c.line_id == line_id))
    lines = notice_lines_table
    connection.execute(delete(lines).where(lines.c.line_id == line_id))
