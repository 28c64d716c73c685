"""Notices to subscribers on their ways: by e-mail, and as texts to a line of the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Connection, select

from billing.facts.sales import Notice
from softswitch.mail.outbox import queue
from softswitch.scheduled import notices
from softswitch.subscribers import notice_ways
from softswitch.subscribers.notice_ways import Topic
from softswitch.subscribers.subscriber_store import fields_table

_TOPICS: Mapping[str, Topic] = {
    "rent_unpaid": "money",
    "debt_warning": "money",
    "debt_suspended": "money",
    "debt_lifted": "money",
    "bill_ready": "money",
    "balance_low": "money",
    "package_ended": "packages",
    "package_ends_soon": "packages",
    "package_funds_short": "packages",
    "package_unpaid": "packages",
    "operator": "requests",
    "document_approved": "requests",
    "document_refused": "requests",
    "document_expired": "requests",
    "request_done": "requests",
    "request_refused": "requests",
}
"""Topics of notices; all others are of numbers."""


class LeaveText(Protocol):
    """Stores a text of the switch's own for a line, in the transaction of its cause; False if as
    many wait for the line as are kept for one."""

    def __call__(
        self, connection: Connection, line_id: int, origin: str, words: str, at: int, /
    ) -> bool: ...


def no_texts(_connection: Connection, _line_id: int, _origin: str, _words: str, _at: int) -> bool:
    """Store no text: notices go by e-mail."""
    return False


def send(
    connection: Connection,
    notice: Notice,
    at: int,
    *,
    operator: str,
    language: str,
    leave: LeaveText,
) -> None:
    """Send a notice by the ways that its account has chosen; sent again, it changes nothing.

    One that is to go as a text goes by e-mail if the account has no line that it could go to.

    Args:
        at: epoch milliseconds.
        operator: the signature.
        language: of subscribers who chose none.
        leave: stores texts.
    """
    fields = _fields(connection, notice.account_id)
    chosen = fields.get("language", language)
    words = notices.words_of(notice, chosen)
    if words is None:
        return
    topic = _TOPICS.get(notice.what, "numbers")
    way = notice_ways.ways_of(connection, notice.account_id)[topic]
    by_mail = notice_ways.by_mail(way)
    if notice_ways.by_text(way):
        line = notice_ways.line_of(connection, notice.account_id)
        left = line is not None and leave(connection, line, notices.key_of(notice), words, at)
        by_mail = by_mail or not left
    if by_mail:
        mail = notices.mail_of(notice, fields.get("email"), chosen, operator)
        if mail is not None:
            queue(connection, mail, at)


def _fields(connection: Connection, account_id: int) -> dict[str, str]:
    table = fields_table.c
    query = select(table.name, table.value).where(table.account_id == account_id)
    return {row.name: row.value for row in connection.execute(query)}
