"""Conversations of a line: its texts by the other side, how many are unread, and their price before
they are sent."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_asked
from softswitch.operations.texts.texts import text_row
from softswitch.texting import conversations, cpim, raw
from softswitch.texting.conversations import Conversation
from softswitch.texting.line_admission import media_type
from softswitch.texting.message import StoredText

MAX_SNIPPET = 100
MAX_PEER = 32


def sms_conversations(
    context: Context, line: str, limit: int | None = None, before: int | None = None
) -> list[Row]:
    """Conversations of a line, the one with the newest text first.

    Args:
        before: `last_id` of the last one of the page before.
    """
    own = context.line(line)
    asked = page_asked(limit, before)
    with context.billing.reading() as connection:
        found = conversations.page(
            connection,
            own.id,
            context.now_ms(),
            DEFAULT_ROWS if asked is None else asked.limit,
            before,
        )
    return [_conversation_row(one, own.id) for one in found]


def sms_conversation(
    context: Context,
    line: str,
    peer: str,
    limit: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """A line's texts with one other side, the newest first.

    Args:
        peer: as `sms_conversations` names it; empty: those who withhold their number.
        before: the id of the last one of the page before.
    """
    own = context.line(line)
    asked = page_asked(limit, before)
    with context.billing.reading() as connection:
        found = conversations.texts(
            connection,
            own.id,
            _peer(context, peer),
            context.now_ms(),
            DEFAULT_ROWS if asked is None else asked.limit,
            before,
        )
    return [_text_row(text, own.id) for text in found]


def sms_unread(context: Context, line: str | None = None) -> list[Row]:
    """The number of unread texts of a line, or of each of one's own."""
    lines = context.own_lines() if line is None else [context.line(line)]
    now = context.now_ms()
    with context.billing.reading() as connection:
        return [
            {"line": one.number, "unread": conversations.unread(connection, one.id, now)}
            for one in lines
        ]


def sms_mark_read(context: Context, line: str, peer: str, up_to: int | None = None) -> Row:
    """Mark texts of one other side as read.

    Args:
        up_to: the id of the last text that was read; None: all that are there.
    """
    own = context.line(line)
    with context.billing.engine.begin() as connection:
        conversations.mark_read(connection, own.id, _peer(context, peer), up_to)
        left = conversations.unread(connection, own.id, context.now_ms())
    return {"line": own.number, "peer": peer or None, "unread": left}


def words_of(text: StoredText) -> str | None:
    """The words of a text as people read them; None: it is no text, but octets."""
    facts = text.text
    content_type, body = facts.content_type, facts.body
    if media_type(content_type) == cpim.CONTENT_TYPE:
        try:
            envelope = cpim.parse(body)
        except cpim.CpimError:
            return None
        content_type, body = envelope.content_type, envelope.content
    if raw.read(content_type) is not None:
        return None
    return body.decode("utf-8", "replace")


def _peer(context: Context, text: str) -> str:
    """A number as people write it in E.164, or a name as it is."""
    name = text.strip()
    if len(name) > MAX_PEER:
        raise OperationError("text_too_long", field="peer", longest=MAX_PEER, value=text)
    try:
        return context.number(name)
    except OperationError:
        return name


def _conversation_row(one: Conversation, line_id: int) -> Row:
    words = words_of(one.last)
    return {
        "peer": one.peer or None,
        "last_id": one.last.id,
        "last_at": show_stamp(one.last.text.created_at),
        "last_text": None if words is None else words[:MAX_SNIPPET],
        "direction": _direction(one.last, line_id),
        "state": one.last.state.value,
        "texts": one.texts,
        "unread": one.unread,
    }


def _text_row(text: StoredText, line_id: int) -> Row:
    return text_row(text) | {
        "direction": _direction(text, line_id),
        "text": words_of(text),
    }


def _direction(text: StoredText, line_id: int) -> str:
    return "in" if conversations.came(text, line_id) else "out"
