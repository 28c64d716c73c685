"""What a call costs, and how long an amount lasts: each the inverse of the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.facts.money import MoneyError, format_amount, parse_amount, round_half_up
from billing.facts.rate import Rate
from billing.facts.rating import affordable_seconds, charge, without_excess
from billing.facts.tariff import ON_NET, Tariff, diff
from billing.formats.rate_sheet import read_csv

INCREMENTS = [(60, 60), (60, 1), (6, 6), (1, 1), (30, 6), (1, 60)]


@st.composite
def rates(draw):
    initial, increment = draw(st.sampled_from(INCREMENTS))
    return Rate(
        "default",
        "995",
        "Georgia",
        draw(st.sampled_from([0, 1, 100_000]) | st.integers(0, 2_000_000)),
        draw(st.sampled_from([0, 1, 60_000]) | st.integers(0, 5_000_000)),
        initial,
        increment,
        0,
        draw(st.sampled_from([0, 0, 5])),
        "GEL",
    )


@given(rates(), st.integers(0, 20_000_000))
def test_affordable_seconds_is_the_inverse_of_charge(rate, budget):
    seconds = affordable_seconds(rate, budget)
    if seconds is None:
        assert charge(rate, 10**10).price_micros <= budget
        return
    assert charge(rate, seconds * 1000).price_micros <= budget
    assert charge(rate, (seconds + 1) * 1000).price_micros > budget
    assert charge(rate, seconds * 1000 + 1).price_micros > budget


@given(rates(), st.integers(0, 10**8), st.integers(0, 10**6))
def test_a_longer_call_never_costs_less(rate, duration_ms, more_ms):
    assert (
        charge(rate, duration_ms).price_micros <= charge(rate, duration_ms + more_ms).price_micros
    )


@pytest.mark.parametrize(
    ("initial", "increment", "duration_ms", "billed", "price"),
    [
        (1, 1, 0, 0, 0),
        (1, 1, 1, 1, 1_000),
        (1, 1, 61_000, 61, 61_000),
        (60, 60, 61_000, 120, 120_000),
        (60, 1, 61_001, 62, 62_000),
        (6, 6, 12_001, 18, 18_000),
        (30, 6, 30_000, 30, 30_000),
    ],
)
def test_whole_increments_are_billed(initial, increment, duration_ms, billed, price):
    rate = Rate("t", "1", "", 0, 60_000, initial, increment)
    result = charge(rate, duration_ms)
    assert (result.billed_seconds, result.price_micros) == (billed, price)


def test_the_price_is_rounded_once_and_half_up():
    assert charge(Rate("t", "1", "", 0, 30, 1, 1), 1_000).price_micros == 1  # 0.5 micros
    assert charge(Rate("t", "1", "", 0, 29, 1, 1), 1_000).price_micros == 0
    assert round_half_up(3, 2) == 2


def test_grace_seconds_cost_nothing():
    rate = Rate("t", "1", "", 500_000, 60_000, 60, 60, grace_seconds=5)
    assert charge(rate, 5_000).price_micros == 0
    assert charge(rate, 5_001).price_micros == 560_000


@given(st.integers(-(10**15), 10**15))
def test_amounts_are_written_and_read_back(micros):
    assert parse_amount(format_amount(micros)) == micros


@pytest.mark.parametrize(
    "text", ["", "1_0", "1,5", "٣", "1e3", "1.1234567", " 1\n", "nan", "--1", "9" * 13]
)
def test_what_is_no_amount_is_refused_by_name(text):
    with pytest.raises(MoneyError, match="no amount"):
        parse_amount(text)


@given(
    st.lists(
        st.from_regex(r"[1-9][0-9]{0,5}", fullmatch=True), min_size=1, max_size=30, unique=True
    ),
    st.from_regex(r"[1-9][0-9]{5,9}", fullmatch=True),
)
def test_the_longest_prefix_wins(prefixes, number):
    tariff = Tariff("t", "GEL", [Rate("t", p, "", 0, 1, 1, 1) for p in prefixes])
    expected = max((p for p in prefixes if number.startswith(p)), key=len, default=None)
    found = tariff.find(number, 0)
    assert (found and found.prefix) == expected


def test_effective_dates_and_on_net():
    tariff = Tariff(
        "t",
        "GEL",
        [
            Rate("t", "995", "", 0, 1, 1, 1),
            Rate("t", "995", "", 0, 2, 1, 1, effective_from=1000),
            Rate("t", "9955", "", 0, 3, 1, 1, effective_from=2000),
            Rate("t", ON_NET, "", 0, 4, 1, 1),
        ],
    )
    assert [tariff.find("995555", at).per_minute_micros for at in (999, 1000, 1999, 2000)] == [
        1,
        2,
        2,
        3,
    ]
    assert tariff.find_on_net(0).per_minute_micros == 4
    assert tariff.find("44", 0) is None


HEADER = (
    "prefix,destination,connect_fee,per_minute,initial_increment,increment,"
    "effective_from,grace_seconds\n"
)


def test_a_price_list_is_read():
    read = read_csv(HEADER + '"44 7,4477",UK mobile,0.05,0.12,60,1,2026-01-01,3\n', "t", "GEL")
    assert read.errors == ()
    assert [r.prefix for r in read.rates] == ["44", "7", "4477"]
    assert read.rates[0].connect_fee_micros == 50_000
    assert read.rates[0].effective_from == 1_767_225_600_000


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x44,UK,0,0.1,1,1,,", "prefix 'x44'"),
        ("44,UK,0,abc,1,1,,", "per_minute: 'abc'"),
        ("44,UK,-1,0.1,1,1,,", "connect_fee '-1'"),
        ("44,UK,0,0.1,0,1,,", "initial_increment '0'"),
        ("44,UK,0,0.1,1,1_0,,", "increment '1_0'"),
        ("44,UK,0,0.1,1,1,yesterday,", "effective_from 'yesterday'"),
        ("44,UK,0,0.1", "4 cells under 8 columns"),
        (",UK,0,0.1,1,1,,", "prefix is empty"),
    ],
)
def test_a_broken_line_is_named_with_what_to_do(line, says):
    read = read_csv(HEADER + "1,ok,0,0.1,1,1,,\n" + line + "\n", "t", "GEL")
    (error,) = read.errors
    assert error.line == 3
    assert says in error.message


def test_a_difference_between_price_lists():
    old = [
        Rate("t", "1", "", 0, 10, 1, 1),
        Rate("t", "2", "", 0, 10, 1, 1),
        Rate("t", "3", "", 0, 1, 1, 1),
    ]
    new = [
        Rate("t", "1", "", 0, 11, 1, 1),
        Rate("t", "2", "", 0, 9, 1, 1),
        Rate("t", "4", "", 0, 1, 1, 1),
    ]
    found = diff(old, new)
    assert [len(part) for part in (found.new, found.up, found.down, found.closed)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("measured", "billed"),
    [(0, 0), (4, 4), (250, 250), (999, 999), (1_000, 1_000), (6_000, 6_000), (6_004, 6_000),
     (6_250, 6_000), (6_251, 6_251), (5_990, 5_990), (60_120, 60_000)],
)  # fmt: skip
def test_what_exceeds_a_whole_second_by_the_way_of_the_messages_is_not_billed(measured, billed):
    assert without_excess(measured, 250) == billed
    assert without_excess(measured, 0) == measured
