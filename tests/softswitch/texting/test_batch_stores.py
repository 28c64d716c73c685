"""Tables of bulk texts, on both databases: holds, contacts, and the stop list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount
from billing.facts.hold import CaptureCredit, HoldCredit
from billing.facts.wallet import TakeTrial
from billing.stores.paging import Page
from billing.stores.store import Store
from softswitch.database import schema
from softswitch.texting import batch_store, contacts, contracts, stops, store, templates
from softswitch.texting.batch_store import Batch, BatchState
from softswitch.texting.batches import release_of
from softswitch.texting.contacts import Contact
from softswitch.texting.contracts import Contract
from softswitch.texting.message import State, Text
from softswitch.texting.stops import Stop
from softswitch.texting.store import NEVER
from softswitch.texting.templates import Draft, Template

ONE = 1_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Account 1 with the ten messages of the trial."""
    if request.param == "sqlite":
        made = Store(f"sqlite:///{tmp_path}/texts.db")
    else:
        made = Store(request.getfixturevalue("own_database"))
    schema.migrate(made.engine)
    made.apply([AddAccount("Ana", "person", "GEL", 0, "default", 0)])
    made.apply([TakeTrial(account_id=1, at=1, wallet="sms")])
    yield made
    assert made.verify() == []
    made.close()


def batch(books: Store, count: int, state: BatchState = BatchState.PREPARING) -> Batch:
    """A batch with so many texts, that is held."""
    made = Batch(
        id="b1", account_id=1, sender="Shop", text="Hi", state=state, recipients=count,
        segments=count, price_micros=count * ONE, unit="SMS", created_at=1, created_by="ana",
        due_at=5,
    )  # fmt: skip
    held = HoldCredit(
        account_id=1, at=1, hold_id=made.hold_id, wallet="sms", amount_micros=made.price_micros
    )
    (result,) = books.apply([held])
    assert not isinstance(result, Exception)
    with books.engine.begin() as connection:
        batch_store.add(connection, made)
        store.add_new(
            connection,
            [
                Text(
                    origin=f"batch:b1:{n}", kind="out", account_id=1, sender="Shop",
                    recipient=f"+99559900000{n}", body=b"Hi", segments=1, price_micros=ONE,
                    currency="SMS", created_at=1, due_at=NEVER, expires_at=9, batch_id="b1",
                )
                for n in range(count)
            ],
        )  # fmt: skip
    return made


def aligned(books: Store) -> list[int]:
    """Align the batch two texts at a time; how many each time."""
    found: list[int] = []
    while not found or found[-1]:
        with books.engine.begin() as connection:
            current = batch_store.get(connection, "b1")
            assert current is not None
            found.append(batch_store.align(connection, current, 2, 7, 100, lambda _, at: at + 1))
    return found


def test_texts_follow_the_state_of_their_batch_and_the_rest_is_what_wasnt_captured(
    books: Store,
) -> None:
    made = batch(books, 5)
    assert aligned(books) == [0]
    with books.engine.begin() as connection:
        assert not batch_store.move(connection, "b1", [BatchState.PAUSED], BatchState.RUNNING)
        assert batch_store.move(connection, "b1", [BatchState.PREPARING], BatchState.RUNNING)
    assert aligned(books) == [2, 2, 1, 0]
    with books.engine.begin() as connection:
        due = store.due_out(connection, 8, 10)
        assert [(text.text.due_at, text.text.expires_at) for text in due] == [(8, 108)] * 5
        assert store.claim(connection, [due[0].id], "here", 8) == {due[0].id}
        batch_store.move(connection, "b1", [BatchState.RUNNING], BatchState.PAUSED)
    assert aligned(books) == [2, 2, 0]
    with books.engine.begin() as connection:
        assert store.claim(connection, [text.id for text in due], "here", 8) == set()
        assert batch_store.rest(connection, made, "accepted") is None
        store.move(connection, due[0].id, State.SENT, 9, carrier="c")
        batch_store.move(connection, "b1", [BatchState.PAUSED], BatchState.CANCELLED)
    assert aligned(books) == [2, 2, 0]
    with books.engine.begin() as connection:
        cancelled = batch_store.get(connection, "b1")
        assert cancelled is not None
        assert batch_store.rest(connection, cancelled, "delivered") is None
        rest = batch_store.rest(connection, cancelled, "accepted")
        assert rest is not None and rest.uncaptured_micros == ONE
        (paid,) = batch_store.charged(connection, cancelled, "accepted", 0, 10)
    books.apply(
        [
            CaptureCredit(
                account_id=1, at=9, hold_id="batch:b1", capture_id=str(paid.id), amount_micros=ONE
            )
        ]
    )
    with books.engine.begin() as connection:
        rest = batch_store.rest(connection, cancelled, "accepted")
    assert rest is not None and rest.uncaptured_micros == 0
    release = release_of(cancelled, rest, 10)
    assert release is not None
    books.apply([release, release])
    with books.engine.begin() as connection:
        batch_store.settle(connection, "b1", 11)
        after = batch_store.get(connection, "b1")
        assert after is not None
        assert (after.state, after.settled, after.done_at) == (BatchState.CANCELLED, True, 11)
        rest = batch_store.rest(connection, after, "accepted")
        assert rest is not None and rest.hold is not None and rest.hold.held_micros == 0
        assert batch_store.counts(connection, "b1") == {State.CANCELLED: 4, State.SENT: 1}
        assert batch_store.unsettled(connection) == []
        page = batch_store.page(connection, 1, Page(5))
        assert [one.id for one in page] == ["b1"]


def test_a_running_batch_waits_while_it_is_quiet(books: Store) -> None:
    made = batch(books, 2, BatchState.RUNNING)
    aligned(books)
    with books.engine.begin() as connection:
        assert batch_store.defer(connection, made, 8, 100, lambda _, at: at + 50) == 2
        assert batch_store.defer(connection, made, 9, 100, lambda _, at: at) == 0
        assert store.next_due_out(connection, 9) == 58


def test_contacts_are_replaced_by_phone_and_are_in_groups(books: Store) -> None:
    def contact(last: int, name: str) -> Contact:
        return Contact(account_id=1, phone=f"+99559900000{last}", name=name, created_at=1,
                       fields={"n": name})  # fmt: skip

    with books.engine.begin() as connection:
        assert contacts.put(connection, [contact(1, "Nino"), contact(2, "Gio")]) == (2, 0)
        assert contacts.put(connection, [contact(2, "Giorgi"), contact(3, "Eka")]) == (1, 1)
        group = contacts.add_group(connection, 1, "friends")
        ids = contacts.ids_by_phone(connection, 1, ["+995599000002", "+995599000003", "+1"])
        assert contacts.put_into_group(connection, group.id, list(ids.values())) == 2
        assert contacts.put_into_group(connection, group.id, list(ids.values())) == 0
        found = [one.name for one in contacts.every(connection, 1, [group.id])]
        assert found == ["Giorgi", "Eka"]
        assert [one.name for one in contacts.page(connection, 1, Page(9), "GIO")] == ["Giorgi"]
        contacts.remove(connection, ids["+995599000002"])
        assert contacts.groups(connection)[0].members == 1
        templates.put_template(connection, Template(1, "t", "{n}", 1))
        templates.put_draft(connection, Draft(1, "d", "Shop", "Hi", ("friends",), 1))
        assert templates.drafts(connection, 1, ["d"])[0].groups == ("friends",)
        assert templates.templates(connection, 1)[0].text == "{n}"


def test_a_number_that_wants_no_more_is_stopped_once_until_it_says_start(books: Store) -> None:
    batch(books, 2, BatchState.RUNNING)
    aligned(books)

    def came(words: str, at: int) -> Text:
        return Text(
            origin=words, kind="in", account_id=1, sender="+995599000000", recipient="+995322",
            body=words.encode(), created_at=at, due_at=at, expires_at=at,
        )  # fmt: skip

    with books.engine.begin() as connection:
        stops.heard(connection, came("Don't stop me", 3))
        assert stops.page(connection, 1, Page(5)) == []
        for words in ("STOP", "სტოპ.", " стоп"):
            stops.heard(connection, came(words, 4))
        assert stops.page(connection, 1, Page(5)) == [Stop(1, "+995599000000", 4, "text")]
        assert batch_store.counts(connection, "b1") == {State.CANCELLED: 1, State.WAITING: 1}
        stops.heard(connection, came("Start", 5))
        assert stops.numbers(connection, 1) == set()


def test_the_first_acceptance_of_conditions_stays(books: Store) -> None:
    first = Contract(1, "1", 5, "ana", "203.0.113.7")
    with books.engine.begin() as connection:
        assert contracts.accept(connection, first) == first
        assert contracts.accept(connection, Contract(1, "1", 6, "beka", "")) == first
        assert contracts.accepted(connection, 1, "2") is None
