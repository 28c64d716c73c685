"""Conversations, figures, imports and ways of notices in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount
from billing.stores.store import Store
from softswitch.subscribers import notice_ways
from softswitch.texting import contacts, conversations, imports, store, text_figures
from softswitch.texting.contacts import Contact
from softswitch.texting.imports import Import, Undone
from softswitch.texting.message import State, Text

NOW = 1_780_000_000_000
ANA, BEKA, GIO = "+995322000001", "+995322000002", "+995322000003"


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Books with one account."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/books.db"
    else:
        url = request.getfixturevalue("own_database")
    made = Store(url)
    made.create()
    made.apply([AddAccount("Ana", "person", "GEL", 0, "default", NOW)])
    yield made
    made.close()


def text(origin: str, sender: str, to: str, **facts: object) -> Text:
    """A text between the lines 1 to 3."""
    lines = {ANA: 1, BEKA: 2, GIO: 3}
    known: dict[str, object] = {
        "origin": origin, "kind": "line", "from_line": lines.get(sender), "to_line": lines.get(to),
        "sender": sender, "recipient": to, "body": origin.encode(), "created_at": NOW,
        "due_at": NOW, "expires_at": NOW + 1000,
    }  # fmt: skip
    return Text(**(known | facts))


def test_conversations_are_counted_paged_and_read(books: Store):
    with books.engine.begin() as connection:
        ids = [
            one.id
            for one in store.add(
                connection,
                [
                    text("a", BEKA, ANA),
                    text("b", ANA, BEKA),
                    text("c", GIO, ANA),
                    text("d", "Bank", ANA, from_line=None),
                    text("e", BEKA, ANA),
                    text("f", BEKA, ANA, due_at=NOW + 1),
                    text("g", GIO, ANA, is_report=True),
                ],
            )
        ]

    def page(**named: int) -> list[tuple[str, int, int, int]]:
        with books.reading() as connection:
            found = conversations.page(connection, 1, NOW, **{"limit": 10} | named)
        return [(one.peer, one.last.id, one.texts, one.unread) for one in found]

    assert page() == [(BEKA, ids[4], 3, 2), ("Bank", ids[3], 1, 1), (GIO, ids[2], 1, 1)]
    assert page(limit=1, before=ids[4]) == [("Bank", ids[3], 1, 1)]
    with books.engine.begin() as connection:
        found = conversations.texts(connection, 1, BEKA, NOW, 2, ids[4])
        assert [one.id for one in found] == [ids[1], ids[0]]
        conversations.mark_read(connection, 1, BEKA, ids[0])
        assert conversations.unread(connection, 1, NOW) == 3
        conversations.mark_read(connection, 1, BEKA, None)
        conversations.mark_read(connection, 1, BEKA, ids[0])
        assert conversations.unread(connection, 1, NOW) == 2
        assert conversations.unread(connection, 2, NOW) == 1


def test_figures_count_what_waits_and_time_what_arrived(books: Store):
    with books.engine.begin() as connection:
        ids = [
            one.id
            for one in store.add(
                connection,
                [text(name, ANA, "+995599000001", kind="out") for name in "abc"]
                + [text("d", ANA, BEKA), text("e", ANA, "+1", kind="out", due_at=NOW + 9)],
            )
        ]
        for state, at in ((State.SENDING, 0), (State.SENT, 0), (State.DELIVERED, 1_500)):
            store.move(connection, ids[0], state, NOW + at, carrier="alpha")
        store.move(connection, ids[1], State.SENDING, NOW)
        waiting = text_figures.waiting(connection, NOW)
        assert (waiting.for_carriers, waiting.scheduled, waiting.sending) == (1, 1, 1)
        assert (waiting.for_receipts, waiting.for_phones) == (0, 1)
        assert waiting.oldest_due_at == NOW
        (one,) = text_figures.deliveries(connection, NOW)
        assert (one.carrier, one.states, one.milliseconds) == (
            "alpha", {State.DELIVERED: 1}, [1_500],
        )  # fmt: skip


def test_an_import_is_undone_by_contact(books: Store):
    def contact(phone: str, name: str) -> Contact:
        return Contact(account_id=1, phone=phone, name=name, created_at=NOW)

    made = Import(id="i", account_id=1, at=NOW, by="ana")
    with books.engine.begin() as connection:
        contacts.put(connection, [contact("+1", "old")])
        imports.begin(connection, made)
        imports.put(connection, made, [contact("+1", "new"), contact("+2", "b")])
        (kept,) = imports.of_account(connection, 1, NOW)
        assert (kept.added, kept.replaced) == (1, 1)
        done = Undone()
        assert imports.undo_some(connection, made, NOW, done)
        assert not imports.undo_some(connection, made, NOW, done)
        assert (done.removed, done.restored, done.changed) == (1, 1, 0)
        assert [one.name for one in contacts.every(connection, 1)] == ["old"]
        found = imports.get(connection, "i")
        assert found is not None and found.undone_at == NOW


def test_a_lines_way_of_notices_comes_before_its_accounts(books: Store):
    with books.engine.begin() as connection:
        notice_ways.choose(connection, 1, "calls", "email", 0)
        notice_ways.choose(connection, 1, "calls", "both", 7)
        assert notice_ways.ways_of(connection, 1)["calls"] == "email"
        assert notice_ways.ways_of(connection, 1, 7)["calls"] == "both"
        assert notice_ways.ways_of(connection, 1, 8)["calls"] == "email"
        notice_ways.forget_ways(connection, 7)
        assert notice_ways.ways_of(connection, 1, 7)["calls"] == "email"
        assert notice_ways.line_of(connection, 1) is None
