"""Conversations of a line as its cabinet shows them: newest first, by pages, read and unread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import copy_switch
from operating import refused

from softswitch.control.actor import Actor
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.lines import lines
from softswitch.operations.texts import conversations, texts
from softswitch.texting import store
from softswitch.texting.message import State, Text

ANA, BEKA, GIO = "+995322000001", "+995322000002", "+995322000003"


@pytest.fixture
def office(tmp_path: Path, empty_switch: Path) -> Iterator[Context]:
    """Three accounts with a line each."""
    copy_switch(empty_switch, tmp_path)
    with setup.opened(setup.load(tmp_path / "softswitch.toml")) as opened:
        for number, owner in ((ANA, "Ana"), (BEKA, "Beka"), (GIO, "Gio")):
            accounts.account_add(opened, owner)
            lines.line_add(opened, number, owner)
        yield opened


def send(office: Context, sender: str, to: str, text: str, **named: str) -> int:
    return int(str(texts.sms_send(office, sender, to, text, **named)["id"]))


def keep(office: Context, line: str, body: bytes, sender: str = "Bank", **facts: object) -> int:
    """Store a text that came to a line."""
    now = office.now_ms()
    number = f"test:{body!r}{sender}"
    made = Text(
        origin=number, kind="in", to_line=office.line(line).id, sender=sender, recipient=line,
        body=body, created_at=now, due_at=now, expires_at=now + 1000, **facts,
    )  # fmt: skip
    with office.billing.engine.begin() as connection:
        return store.add(connection, [made])[0].id


def peers(office: Context, line: str = ANA, **named: int) -> list[tuple[object, ...]]:
    return [
        (row["peer"], row["direction"], row["last_text"], row["texts"], row["unread"])
        for row in conversations.sms_conversations(office, line, **named)
    ]


def test_conversations_stand_by_their_newest_text_with_what_is_unread(office: Context) -> None:
    send(office, BEKA, ANA, "Hi Ana")
    send(office, GIO, ANA, "Ana?")
    keep(office, ANA, "კოდი 1234".encode())
    keep(office, ANA, b"who am I", sender="")
    last = send(office, ANA, BEKA, "Hi Beka")
    assert peers(office) == [
        (BEKA, "out", "Hi Beka", 2, 1),
        (None, "in", "who am I", 1, 1),
        ("Bank", "in", "კოდი 1234", 1, 1),
        (GIO, "in", "Ana?", 1, 1),
    ]
    assert peers(office, BEKA) == [(ANA, "in", "Hi Beka", 2, 1)]
    assert peers(office, limit=1, before=last)[0][0] is None
    assert conversations.sms_unread(office, ANA) == [{"line": ANA, "unread": 4}]


def test_a_conversation_has_its_texts_by_pages_and_is_read_up_to_one(office: Context) -> None:
    ids = [send(office, BEKA, ANA, f"text {number}") for number in range(5)]
    ids.append(send(office, ANA, BEKA, "answer"))
    rows = conversations.sms_conversation(office, ANA, BEKA, limit=2)
    assert [(row["id"], row["direction"], row["text"]) for row in rows] == [
        (ids[5], "out", "answer"),
        (ids[4], "in", "text 4"),
    ]
    rows = conversations.sms_conversation(office, ANA, "322000002", limit=10, before=ids[4])
    assert [row["text"] for row in rows] == ["text 3", "text 2", "text 1", "text 0"]
    assert conversations.sms_mark_read(office, ANA, BEKA, ids[2])["unread"] == 2
    assert conversations.sms_mark_read(office, ANA, BEKA, ids[0])["unread"] == 2
    assert conversations.sms_mark_read(office, ANA, BEKA)["unread"] == 0
    send(office, BEKA, ANA, "new")
    assert peers(office) == [(BEKA, "in", "new", 7, 1)]


def test_a_text_that_is_to_come_later_or_was_taken_back_is_not_seen_before(office: Context) -> None:
    later = send(office, BEKA, ANA, "surprise", at="2099-01-01")
    assert (peers(office), texts.sms_list(office, line=ANA)) == ([], [])
    assert conversations.sms_unread(office, ANA)[0]["unread"] == 0
    assert peers(office, BEKA) == [(ANA, "out", "surprise", 1, 0)]
    texts.sms_cancel(office, later)
    assert peers(office) == []
    assert conversations.sms_conversation(office, BEKA, ANA)[0]["state"] == "cancelled"


def test_words_stand_without_their_envelope_and_reports_not_at_all(office: Context) -> None:
    envelope = (
        b"From: <sip:x@y>\r\nTo: <sip:z@y>\r\n\r\nContent-Type: text/plain\r\n\r\nin an envelope"
    )
    keep(office, ANA, envelope, content_type="message/cpim")
    keep(office, ANA, b"<imdn/>", content_type="message/imdn+xml", is_report=True)
    assert [row[2] for row in peers(office)] == ["in an envelope"]
    assert len(texts.sms_list(office, line=ANA)) == 1


def test_a_text_to_oneself_is_one_conversation_and_is_not_unread(office: Context) -> None:
    send(office, ANA, ANA, "milk")
    assert peers(office) == [(ANA, "out", "milk", 1, 0)]


def test_an_account_finds_what_came_to_a_number_without_a_line(office: Context) -> None:
    now = office.now_ms()
    made = Text(
        origin="one-time:1", kind="in", account_id=1, sender="Mail", recipient="+447700000001",
        body=b"Code 1", created_at=now, due_at=now, expires_at=now + 1000,
    )  # fmt: skip
    with office.billing.engine.begin() as connection:
        (stored,) = store.add(connection, [made])
    office.actor = Actor("ana", "subscriber", 1)
    assert [row["id"] for row in texts.sms_list(office)] == [stored.id]
    office.actor = Actor("beka", "subscriber", 2)
    assert texts.sms_list(office) == []


def test_a_quote_sends_nothing(office: Context) -> None:
    quote = texts.sms_quote(office, ANA, BEKA, "Hi")
    assert (quote["state"], quote["price"]) == ("dry_run", "0.00")
    assert texts.sms_list(office) == []
    assert "1 to 10080" in refused(texts.sms_send, office, ANA, BEKA, "Hi", valid_minutes=0)
    assert State.WAITING.value == texts.sms_send(office, ANA, BEKA, "Hi", valid_minutes=5)["state"]
