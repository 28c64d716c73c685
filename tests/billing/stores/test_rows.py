"""Facts in columns of octets: stored without names, and as older versions stored them."""

import msgspec
import pytest
from books import RATE, account, cdr, store
from msgspec import structs

from billing.facts.authorization import CloseCall, OpenCall
from billing.facts.cdr import Cdr, MediaFigures, SideMedia
from billing.facts.rate import Change, Rate
from billing.stores import schema

CHANGED = Rate(
    "default", "995", "Georgia", 20_000, 100_000, 6, 6, 7, 3, "GEL", 10_000, "night",
    (Change(1_000, "day", 0, 60_000, 1, 1, 0, 0), Change(2_000, "", 0, 50_000, 1, 1, 0, 0)),
)  # fmt: skip
HEARD = MediaFigures(SideMedia(150, 24_000, -1, 800, 439, 2, 21_000, True), SideMedia(149, 23_840))


@pytest.mark.parametrize("rate", [RATE, CHANGED])
def test_a_rate_is_stored_without_names_and_read_back_as_it_was(rate):
    stored = schema.rate_blob(rate)
    assert schema.rate_from_blob(stored) == rate
    assert b"per_minute_micros" not in stored
    assert schema.rate_from_blob(None) is None


def test_a_rate_that_an_older_version_stored_is_read_by_its_names():
    assert schema.rate_from_blob(msgspec.msgpack.encode(CHANGED)) == CHANGED
    older = {
        "tariff": "t",
        "prefix": "44",
        "destination": "",
        "connect_fee_micros": 1,
        "per_minute_micros": 2,
        "initial_increment_seconds": 3,
        "increment_seconds": 4,
    }
    assert schema.rate_from_blob(msgspec.msgpack.encode(older)) == Rate("t", "44", "", 1, 2, 3, 4)


def test_a_draft_is_stored_without_names_and_an_older_version_s_is_read():
    record = structs.replace(cdr("c", 1, 5_000), media=HEARD, decisions='{"s":"a \\"rule\\""}')
    stored = record.to_json()
    assert Cdr.from_json(stored) == record
    assert type(Cdr.from_json(stored)) is Cdr
    assert b"sip_call_id" not in stored
    assert Cdr.from_json(msgspec.json.encode(record)) == record
    with pytest.raises(msgspec.ValidationError):
        Cdr.from_json(b'["c"]')


@pytest.mark.usefixtures("database")
def test_the_books_read_figures_of_sound_that_they_and_an_older_version_stored():
    books = store()
    who = account(books, 10_000_000)
    for key in ("new", "old"):
        books.apply([OpenCall(key, who, RATE, cdr(key, who).to_json(), 0)])
        books.apply([CloseCall(key, structs.replace(cdr(key, who, 5_000), media=HEARD))])
    with books.engine.begin() as connection:
        columns = schema.cdrs.c
        old = {"media": msgspec.msgpack.encode(HEARD), "rate": msgspec.msgpack.encode(RATE)}
        connection.execute(schema.cdrs.update().where(columns.call_id == "old").values(old))
    assert [record.media for record in books.cdrs()] == [HEARD, HEARD]
    assert books.verify() == []
