"""The bonus of incoming calls (A16): counted from CDRs, posted once, at the operator's midnight."""

from datetime import datetime

import pytest
from books import account, cdr, one, store
from fresh_books import next_due
from msgspec import structs

from billing.decisions import bonus
from billing.facts.authorization import WriteCdr
from billing.facts.calendar import day_start, local_day
from billing.facts.sales import DefineBonus
from softswitch.scheduled.due import run_due

BERLIN = "Europe/Berlin"
TBILISI = "Asia/Tbilisi"
TETRI = 10_000

pytestmark = pytest.mark.usefixtures("database")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def incoming(books, key, who, ended: int, duration_ms: int, direction="incoming"):
    record = structs.replace(
        cdr(key, who),
        direction=direction,
        setup_at=ended - duration_ms - 5000,
        answered_at=ended - duration_ms,
        ended_at=ended,
        duration_ms=duration_ms,
    )
    one(books, WriteCdr(record))


def with_bonus(zone: str, now: int):
    books = store()
    day = local_day(now, zone).isoformat()
    one(books, DefineBonus("GEL", day, TETRI, bonus.first_work(now, zone)))
    return books, account(books, 0)


def test_A16_whole_minutes_from_other_networks_are_posted_at_the_next_midnight():
    books, who = with_bonus(TBILISI, at("2027-05-05T10:00+04:00"))
    incoming(books, "a", who, at("2027-05-05T12:00+04:00"), 179_999)  # 2 whole minutes
    incoming(books, "b", who, at("2027-05-05T13:00+04:00"), 59_999)  # none
    incoming(books, "c", who, at("2027-05-05T14:00+04:00"), 600_000, "internal")  # on-net
    incoming(books, "d", who, at("2027-05-05T15:00+04:00"), 600_000, "outgoing")
    midnight = at("2027-05-06T00:00+04:00")
    assert next_due(books) == midnight
    assert run_due(books, books.apply, midnight - 1, TBILISI).done == 0
    assert books.account(who).balance_micros == 0
    run_due(books, books.apply, midnight, TBILISI)
    assert books.account(who).balance_micros == 2 * TETRI
    (entry,) = books.ledger(who)
    assert (entry.kind, entry.at) == ("bonus", midnight)
    assert next_due(books) == at("2027-05-07T00:00+04:00")
    assert books.verify() == []


def test_A16_a_call_over_midnight_accrues_on_the_day_it_ends():
    books, who = with_bonus(TBILISI, at("2027-05-05T10:00+04:00"))
    incoming(books, "a", who, at("2027-05-06T00:05+04:00"), 600_000)
    run_due(books, books.apply, at("2027-05-06T00:10+04:00"), TBILISI)
    assert books.account(who).balance_micros == 0
    run_due(books, books.apply, at("2027-05-07T00:00+04:00"), TBILISI)
    assert books.account(who).balance_micros == 10 * TETRI


def test_A16_is_posted_exactly_once_however_often_and_by_whomever_it_is_run():
    books, who = with_bonus(TBILISI, at("2027-05-05T10:00+04:00"))
    incoming(books, "a", who, at("2027-05-05T12:00+04:00"), 300_000)
    midnight = at("2027-05-06T00:00+04:00")
    work = bonus.first_work(at("2027-05-05T10:00+04:00"), TBILISI)
    for _ in range(3):  # as if the process died between the posting and moving the row
        commands = bonus.commands(
            work,
            lambda start, end: minutes(books, start, end),
            [("GEL", "2027-05-05", TETRI)],
            TBILISI,
        )
        books.apply(commands[:-1])
    for _ in range(3):
        run_due(books, books.apply, midnight, TBILISI)
    assert books.account(who).balance_micros == 5 * TETRI
    assert len(books.ledger(who)) == 1


def minutes(books, start, end):
    from billing.stores import sales_store

    with books.reading() as connection:
        return sales_store.incoming_minutes(connection, start, end)


def test_A16_after_days_of_downtime_each_day_is_posted_with_its_own_date():
    books, who = with_bonus(BERLIN, at("2027-03-26T10:00+01:00"))
    # The 28th has 23 hours.
    for day, offset in ((26, 1), (27, 1), (28, 2), (29, 2)):
        ended = at(f"2027-03-{day}T23:59:30+0{offset}:00")
        incoming(books, f"d{day}", who, ended, 60_000 * day)
    run_due(books, books.apply, at("2027-04-02T09:00+02:00"), BERLIN)
    assert [(entry.at, entry.amount_micros) for entry in books.ledger(who)] == [
        (at("2027-03-27T00:00+01:00"), 26 * TETRI),
        (at("2027-03-28T00:00+01:00"), 27 * TETRI),
        (at("2027-03-29T00:00+02:00"), 28 * TETRI),
        (at("2027-03-30T00:00+02:00"), 29 * TETRI),
    ]
    assert next_due(books) == at("2027-04-03T00:00+02:00")


def test_A16_a_record_that_came_late_is_made_up_for_the_next_night():
    books, who = with_bonus(TBILISI, at("2027-05-05T10:00+04:00"))
    incoming(books, "a", who, at("2027-05-05T12:00+04:00"), 60_000)
    run_due(books, books.apply, at("2027-05-06T00:00+04:00"), TBILISI)
    incoming(books, "late", who, at("2027-05-05T23:59:59+04:00"), 120_000)
    run_due(books, books.apply, at("2027-05-07T00:00+04:00"), TBILISI)
    assert [entry.amount_micros for entry in books.ledger(who)] == [TETRI, 2 * TETRI]
    assert books.verify() == []


def test_A16_a_new_rate_counts_from_its_day_on():
    rates = [("GEL", "2027-01-01", 10), ("GEL", "2027-02-01", 20), ("EUR", "2027-01-01", 7)]
    days = {day: bonus.rate_on(rates, "GEL", local_day(day_start_of(day), "UTC")) for day in
            ("2026-12-31", "2027-01-31", "2027-02-01")}  # fmt: skip
    assert list(days.values()) == [0, 10, 20]


def day_start_of(day: str) -> int:
    from datetime import date

    return day_start(date.fromisoformat(day), "UTC")
