"""Notices: by which way an account and its lines get them."""

from __future__ import annotations

import re

from billing.facts.sales import Notice, Tell
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers import notice_ways
from softswitch.subscribers.directory import Line
from softswitch.subscribers.notice_ways import TOPICS, WAYS, WHOLE_ACCOUNT, Topic, Way

DEFAULT = "default"
MAX_TEXT = 500
_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")


def account_notify(context: Context, account: str, text: str, key: str) -> Row:
    """Tell a subscriber something, by the ways that the account chose for requests.

    Args:
        text: one line.
        key: names the notice: the same again tells nobody.
    """
    owner, words = context.account(account), notice_text(text)
    if _KEY.fullmatch(key) is None:
        raise OperationError("key_malformed", what="a key", longest="64")
    notice = Notice(f"operator:{owner.id}:{key}", owner.id, "operator", words, context.now_ms())
    context.do(Tell(notice))
    return {"account": owner.id, "id": notice.id, "text": words}


def notice_text(text: str) -> str:
    """The text of a notice. Raises OperationError."""
    words = text.strip()
    if not 0 < len(words) <= MAX_TEXT or not words.isprintable():
        raise OperationError("notice_malformed", most=MAX_TEXT)
    return words


def notice_list(context: Context, account: str) -> list[Row]:
    """The ways by which an account gets notices, by topic, and the line of those that go as
    texts."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        ways = notice_ways.ways_of(connection, owner.id)
        line_id = notice_ways.line_of(connection, owner.id)
    line = None if line_id is None else context.line_of(line_id)
    number = None if line is None else line.number
    return [
        {"account": owner.id, "topic": topic, "way": way,
         "line": number if topic != "calls" else None}
        for topic, way in ways.items()
    ]  # fmt: skip


def notice_set(context: Context, account: str, topic: str, way: str) -> list[Row]:
    """Choose the way of a topic's notices: none, email, text, both, or default.

    Args:
        topic: calls, money, packages, numbers, requests or texts; the choice for calls counts for
            lines without a choice of their own.
    """
    owner = context.account(account)
    chosen = _topic(topic), _way(way)
    with context.billing.engine.begin() as connection:
        notice_ways.choose(connection, owner.id, *chosen, WHOLE_ACCOUNT)
    return notice_list(context, str(owner.id))


def notice_line(context: Context, account: str, line: str = "") -> list[Row]:
    """Choose the line that an account's notices go to as texts; without one it is the oldest."""
    owner = context.account(account)
    chosen = context.line(line) if line else None
    if chosen is not None and chosen.account_id != owner.id:
        raise OperationError("line_not_found", line=line)
    with context.billing.engine.begin() as connection:
        notice_ways.choose_line(connection, owner.id, None if chosen is None else chosen.id)
    return notice_list(context, str(owner.id))


def line_notices(context: Context, line: str) -> Row:
    """The way by which a line gets notices of missed calls."""
    found = context.line(line)
    return _line_row(context, found)


def line_notices_set(context: Context, line: str, way: str) -> Row:
    """Choose the way of a line's notices of missed calls: none, email, text, both; default: its
    account's."""
    found = context.line(line)
    chosen = _way(way)
    with context.billing.engine.begin() as connection:
        notice_ways.choose(connection, found.account_id, "calls", chosen, found.id)
    return _line_row(context, found)


def _line_row(context: Context, line: Line) -> Row:
    with context.billing.reading() as connection:
        way = notice_ways.ways_of(connection, line.account_id, line.id)["calls"]
    return {"line": line.number, "topic": "calls", "way": way}


def _topic(text: str) -> Topic:
    for topic in TOPICS:
        if topic == text:
            return topic
    raise OperationError("not_one_of", field="topic", choices=TOPICS, value=text)


def _way(text: str) -> Way | None:
    if text == DEFAULT:
        return None
    for way in WAYS:
        if way == text:
            return way
    raise OperationError("not_one_of", field="way", choices=(*WAYS, DEFAULT), value=text)
