"""Nights, weekends and holidays by the clock of the tariff's zone, and calls that cross them."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from books import RATE, account, cdr, one, store
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from billing.facts.authorization import AnswerCall, CloseCall, ExtendCall, OpenCall
from billing.facts.coverage import Cover, Coverage, affordable_covered_ms, charge_covered
from billing.facts.intervals import Interval, Timetable, read_holiday
from billing.facts.money import round_half_up
from billing.facts.product import Destinations
from billing.facts.rate import Change, Rate
from billing.facts.rating import affordable_seconds, charge, parts
from billing.facts.tariff import Tariff, Terms

NIGHT = Interval.parse("night mon-fri 22:00-06:00")
WEEKEND = Interval.parse("weekend sat,sun 00:00-24:00")
FEAST = Interval.parse("feast holiday 00:00-24:00")
HOUR = 3_600_000


def at(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_an_interval_is_written_and_read_back():
    for text in ("night mon,tue,wed,thu,fri 22:00-06:00", "x sat,holiday 00:00-24:00"):
        assert str(Interval.parse(text)) == text
    assert Interval.parse("w fri-mon 00:00-24:00").days == (0, 4, 5, 6)


@pytest.mark.parametrize(
    "text", ["", "night", "night mon 22-6", "n xyz 01:00-02:00", "n mon 01:00-24:01", "n mon-x 1"]
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError, match=r"is no|ends at"):
        Interval.parse(text)


def test_what_is_no_holiday_is_refused():
    assert read_holiday("01-07") == "01-07" and read_holiday("02-29") == "02-29"
    for text in ("2027-02-29", "13-01", "tomorrow"):
        with pytest.raises(ValueError, match="no holiday"):
            read_holiday(text)


def test_a_night_belongs_to_the_day_on_which_it_begins():
    table = Timetable("UTC", (NIGHT, WEEKEND))
    assert table.name_at(at("2026-11-20T23:00")) == "night"  # a Friday
    assert table.name_at(at("2026-11-21T05:59")) == "night"
    assert table.name_at(at("2026-11-21T06:00")) == "weekend"
    assert table.name_at(at("2026-11-23T05:00")) == ""  # Sunday's night isn't one
    assert table.name_at(at("2026-11-23T22:00")) == "night"


def test_a_holiday_counts_before_the_weekday_when_it_stands_first():
    table = Timetable("Asia/Tbilisi", (FEAST, NIGHT), ("01-07", "2027-04-30"))
    assert table.name_at(at("2030-01-07T23:00", "Asia/Tbilisi")) == "feast"
    assert table.name_at(at("2027-04-30T12:00", "Asia/Tbilisi")) == "feast"
    assert table.name_at(at("2028-04-30T12:00", "Asia/Tbilisi")) == ""


ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tbilisi", "Australia/Lord_Howe", "Asia/Tehran")
STARTS = st.integers(at("2026-01-01") // 60_000, at("2028-12-31") // 60_000)
NEAR_A_JUMP = st.sampled_from(
    [at("2026-03-28T23:30"), at("2026-10-24T23:30"), at("2026-11-01T04:00"), at("2026-03-08T05:00")]
).map(lambda ms: ms // 60_000)
CLOCKS = st.integers(0, 95).map(lambda quarter: quarter * 15)


@st.composite
def timetables(draw):
    intervals = [
        Interval(
            f"i{number}",
            tuple(sorted(draw(st.sets(st.integers(0, 6), max_size=7)))),
            draw(st.booleans()),
            draw(CLOCKS),
            draw(CLOCKS | st.just(1440)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    return draw(st.sampled_from(ZONES)), intervals, ("10-25", "2026-03-29")


def shown(zone, intervals, holidays, ms):
    """The rule again, by the clock on the wall alone."""
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    days = [local.date(), datetime.fromordinal(local.toordinal() - 1).date()]

    def on(interval, day):
        feast = day.isoformat() in holidays or day.isoformat()[5:] in holidays
        return day.weekday() in interval.days or (interval.holidays and feast)

    for interval in intervals:
        ends = interval.end + (1440 if interval.end <= interval.start else 0)
        for back, day in enumerate(days):
            if interval.start <= minute + 1440 * back < ends and on(interval, day):
                return interval.name
    return ""


@given(timetables(), STARTS | NEAR_A_JUMP)
def test_switches_are_where_the_clock_on_the_wall_shows_them_also_when_clocks_are_set(
    made, start_minute
):
    zone, intervals, holidays = made
    table = Timetable(zone, intervals, holidays)
    start, minutes = start_minute * 60_000, 24 * 60
    name = shown(zone, intervals, holidays, start)
    expected = []
    for minute in range(1, minutes + 1):
        other = shown(zone, intervals, holidays, start + minute * 60_000)
        if other != name:
            expected.append((start + minute * 60_000, other))
            name = other
    assert table.switches(start, start + minutes * 60_000) == expected


@pytest.mark.parametrize(
    ("start", "hours"),
    [("2026-03-28T22:00", 7), ("2026-10-24T22:00", 9), ("2026-06-24T22:00", 8)],
)
def test_a_night_is_an_hour_shorter_or_longer_when_clocks_are_set(start, hours):
    night = Interval.parse("night mon-sun 22:00-06:00")
    begins = at(start, "Europe/Berlin")
    (switch, *_) = Timetable("Europe/Berlin", (night,)).switches(begins, begins + 12 * HOUR)
    assert switch == (begins + hours * HOUR, "")


# Rates that change while a call runs

INCREMENTS = [(60, 60), (60, 1), (6, 6), (1, 1), (30, 6), (1, 60)]
FEES = st.sampled_from([0, 0, 1, 100_000]) | st.integers(0, 2_000_000)
PRICES = st.sampled_from([0, 0, 1, 60_000]) | st.integers(0, 5_000_000)


@st.composite
def split_rates(draw):
    changes, moment = [], 0
    for number in range(draw(st.integers(0, 4))):
        moment += draw(st.integers(1, 200_000))
        initial, increment = draw(st.sampled_from(INCREMENTS))
        grace, least = draw(st.sampled_from([0, 0, 5])), draw(st.sampled_from([0, 0, 250_000]))
        changes.append(
            Change(moment, f"i{number}", draw(FEES), draw(PRICES), initial, increment, grace, least)
        )
    initial, increment = draw(st.sampled_from(INCREMENTS))
    return Rate(
        "t", "995", "", draw(FEES), draw(PRICES), initial, increment, 0,
        draw(st.sampled_from([0, 0, 5])), "GEL", draw(st.sampled_from([0, 0, 250_000])), "",
        tuple(changes),
    )  # fmt: skip


ANSWERED = st.integers(0, 300_000)


def oracle(rate, duration_ms, answered_at):
    """Block by block, and each second by the millisecond."""
    now = rate
    steps = [(rate, 0), *((change, change.at) for change in rate.changes)]
    for step, begins in steps:
        if begins <= answered_at:
            now = step
    if duration_ms <= 0 or duration_ms <= now.grace_seconds * 1000:
        return 0, 0

    def step_at(moment):
        return [step for step, begins in steps if begins <= moment][-1]

    blocks = [now.initial_increment_seconds * 1000]
    while sum(blocks) < duration_ms:
        blocks.append(step_at(answered_at + sum(blocks)).increment_seconds * 1000)
    end = answered_at + sum(blocks)
    edges = [answered_at, *(b for _, b in steps if answered_at < b < end), end]
    cost = sum(step_at(a).per_minute_micros * (b - a) for a, b in itertools.pairwise(edges))
    price = now.connect_fee_micros + round_half_up(cost, 60_000)
    return sum(blocks) // 1000, max(now.minimum_micros, price)


@given(split_rates(), st.integers(0, 900_000), ANSWERED)
def test_a_call_is_charged_by_parts_split_at_the_very_instant(rate, duration_ms, answered_at):
    found = charge(rate, duration_ms, answered_at)
    assert (found.billed_seconds, found.price_micros) == oracle(rate, duration_ms, answered_at)
    shown_parts = parts(rate, duration_ms, answered_at)
    if found.billed_seconds:
        assert shown_parts[0].start_ms == 0
        assert shown_parts[-1].end_ms == found.billed_seconds * 1000
        assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(shown_parts))


@given(split_rates(), st.integers(0, 20_000_000), ANSWERED)
def test_affordable_seconds_is_the_inverse_of_charge_for_every_split(rate, budget, answered_at):
    seconds = affordable_seconds(rate, budget, answered_at)
    if seconds is None:
        assert charge(rate, 10**10, answered_at).price_micros <= budget
        return
    assert charge(rate, seconds * 1000, answered_at).price_micros <= budget
    assert charge(rate, seconds * 1000 + 1, answered_at).price_micros > budget


@given(
    split_rates(),
    st.lists(st.integers(1, 90_000), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 20_000_000),
    ANSWERED,
)
def test_it_is_the_inverse_under_packages_too(rate, spans, waived, budget, answered_at):
    covers = tuple(Cover(f"s{n}", 0, "day", span, waived) for n, span in enumerate(spans))
    coverage = Coverage((), covers)
    longest = affordable_covered_ms(rate, coverage, budget, answered_at)
    if longest is None:
        assert charge_covered(rate, coverage, 10**10, answered_at).price_micros <= budget
        return
    assert charge_covered(rate, coverage, longest, answered_at).price_micros <= budget
    assert charge_covered(rate, coverage, longest + 1, answered_at).price_micros > budget


def test_a_minimum_is_the_least_that_a_call_costs_and_no_fee_beside_it():
    rate = structs.replace(RATE, minimum_micros=100_000)
    assert [charge(rate, ms).price_micros for ms in (0, 1, 100_000, 101_000)] == [
        0, 100_000, 100_000, 101_000,
    ]  # fmt: skip
    tariff = Tariff(
        "t", "GEL", [structs.replace(RATE, connect_fee_micros=100_000)], Terms(fee_deductible=True)
    )
    found = tariff.find("995", 0)
    assert [charge(found, ms).price_micros for ms in (1, 100_000, 101_000)] == [
        100_000, 100_000, 101_000,
    ]  # fmt: skip


def split_tariff():
    night = structs.replace(RATE, per_minute_micros=30_000, interval="night")
    return Tariff("default", "GEL", [RATE, night], Terms("UTC", (NIGHT,)))


def test_a_tariff_gives_a_call_the_changes_to_come():
    tariff = split_tariff()
    rate = tariff.find("995", at("2026-11-23T21:59:30"))
    assert (rate.interval, rate.per_minute_micros) == ("", 60_000)
    assert [(change.at, change.per_minute_micros) for change in rate.changes[:2]] == [
        (at("2026-11-23T22:00"), 30_000),
        (at("2026-11-24T06:00"), 60_000),
    ]
    assert charge(rate, 60_000, at("2026-11-23T21:59:30")).price_micros == 45_000
    assert tariff.find("995", at("2026-11-23T23:00")).interval == "night"


def test_a_prefix_without_a_price_of_the_interval_keeps_its_own():
    tariff = Tariff("t", "GEL", [RATE], Terms("UTC", (NIGHT,)))
    assert tariff.find("995", at("2026-11-23T23:00")) == RATE


def test_a_destination_set_prices_its_prefixes_and_longer_ones_of_the_tariff_win():
    sets = Destinations({"mobile": ["4915", "4916", "!49155"]})
    rates = [
        structs.replace(RATE, prefix="49"),
        structs.replace(RATE, prefix="@mobile", per_minute_micros=9),
    ]
    tariff = Tariff(
        "t", "GEL", [*rates, structs.replace(RATE, prefix="491601", per_minute_micros=5)]
    )

    def found(number):
        rate = tariff.find(number, 0, sets)
        return rate.prefix, rate.per_minute_micros

    assert found("4915222") == ("4915", 9)
    assert found("4915522") == ("49", 60_000)
    assert found("4916011") == ("491601", 5)
    assert found("4930") == ("49", 60_000)
    assert tariff.find("44", 0, sets) is None


def test_a_call_that_rings_into_the_night_is_reserved_and_charged_by_its_answer(database):
    books, opened = store(), at("2026-11-23T21:59:00")
    who = account(books, 60_000)
    rate = split_tariff().find("995", opened)
    draft = cdr("c", who, 0, None).to_json()
    first = one(books, OpenCall("c", who, rate, draft, opened, 60))
    assert (first.reserved_micros, first.paid_seconds) == (60_000, 60)
    answered = opened + 30_000  # 30 s by day, then the night at half the price
    held = one(books, AnswerCall("c", answered))
    assert (held.reserved_micros, held.paid_seconds) == (45_000, 60)
    more = one(books, ExtendCall("c", answered, 60))
    assert (more.reserved_micros, more.paid_seconds, more.final) == (60_000, 90, True)
    over = structs.replace(cdr("c", who, 75_000), answered_at=answered, ended_at=answered + 75_000)
    assert one(books, CloseCall("c", over)).cdr.price_micros == 30_000 + 22_500
    assert books.verify() == []


@given(split_rates(), st.integers(0, 3_000_000), st.integers(0, 100_000), st.integers(0, 250_000))
def test_what_a_split_call_costs_never_exceeds_what_it_reserved(rate, balance, rang, duration):
    books = store("sqlite://")
    who = account(books, balance)
    draft = cdr("c", who, 0, None).to_json()
    (opened,) = books.apply([OpenCall("c", who, rate, draft, 0, 60)])
    if not isinstance(opened, Exception):
        books.apply([AnswerCall("c", rang), ExtendCall("c", rang, 60)])
        (call,) = books.live_calls()
        assert 0 <= call.reserved_micros <= balance
        over = structs.replace(cdr("c", who, duration), answered_at=rang, ended_at=rang + duration)
        assert one(books, CloseCall("c", over)).cdr.price_micros <= call.reserved_micros
    assert books.verify() == []
    books.close()
