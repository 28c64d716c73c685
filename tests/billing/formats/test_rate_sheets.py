"""Carriers' rate sheets: their headers, their cells, and what is refused in them."""

import pytest
from books import RATE, one, store

from billing.facts.authorization import BillingError, ReplaceTariff, UndoTariff
from billing.facts.rate import Rate
from billing.facts.tariff import Terms, diff
from billing.formats.rate_sheet import read_csv
from billing.stores import tariff_store

ASTPP = (
    "Code,Destination,Connection Cost,Grace Time,Cost/Min,Initial Increment,Increment,Priority,"
    "Effective Date\n"
)
CGRATES = "#Prefix,Destination,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\n"


def read(text: str, zone: str = "UTC"):
    found = read_csv(text, "t", "GEL", zone)
    assert found.errors == ()
    return found.rates


def refused(text: str) -> str:
    found = read_csv(text, "t", "GEL")
    assert found.errors
    return str(found.errors[0])


def test_a_sheet_with_the_headers_of_astpp():
    (first, second, other) = read(
        ASTPP
        + '"61 38,39",Australia Melbourne,0.0100000,3,0.0220000,60,6,0,2027-01-31 00:00:00\n'
        + "+44,UK,0,0,0.01,1,1,0,\n"
    )
    assert (first.prefix, second.prefix, other.prefix) == ("6138", "6139", "44")
    assert first.connect_fee_micros == 10_000 and first.per_minute_micros == 22_000
    assert (first.initial_increment_seconds, first.increment_seconds) == (60, 6)
    assert first.grace_seconds == 3 and first.effective_from == 1_801_353_600_000


@pytest.mark.parametrize(
    ("cell", "prefixes"),
    [
        ("61 38,39", ["6138", "6139"]),
        ("61 38", ["6138"]),
        ("38,39", ["38", "39"]),
        ("38; 39", ["38", "39"]),
        ("380-383", ["380", "381", "382", "383"]),
        ("1 242,246-247", ["1242", "1246", "1247"]),
    ],
)
def test_cells_with_several_prefixes(cell, prefixes):
    rates = read(f'Code,Cost/Min,Billing Increment\n"{cell}",0.1,60/1\n')
    assert [rate.prefix for rate in rates] == prefixes


def test_a_country_code_in_a_column_of_its_own():
    rates = read('Country Code,Area Code,Rate,Billing Increment\n44,"7,20",0.1,1/1\n44,,0.1,1/1\n')
    assert [rate.prefix for rate in rates] == ["447", "4420", "44"]


def test_rows_with_the_headers_of_cgrates_60_1_and_60_60_and_a_price_of_a_second():
    steps = read(
        CGRATES
        + "49,Germany,0.1,0.6,60s,60s,0s\n49,Germany,0.1,0.6,60s,1s,60s\n"
        + "43,Austria,0,0.6,60s,60s,0s\n41,Switzerland,0,0.01,1s,1s,0s\n"
    )
    facts = [
        (r.prefix, r.per_minute_micros, r.initial_increment_seconds, r.increment_seconds)
        for r in steps
    ]
    assert facts == [("49", 600_000, 60, 1), ("43", 600_000, 60, 60), ("41", 600_000, 1, 1)]


def test_a_sheet_of_semicolons_and_decimal_commas():
    (rate,) = read("Prefix;Destination;Connect fee;Per minute;Initial increment;Increment\n"
                   "49;Germany;0;0,0125;1;1\n")  # fmt: skip
    assert rate.per_minute_micros == 12_500


def test_a_header_with_a_slip_of_the_pen_is_understood_and_a_strange_one_named():
    assert read("Prefix,Destinaton,Conect Fee,Per Minute,Initial Increment,Incremnt\n1,a,0,1,1,1\n")
    assert "unknown column 'Colour'" in refused("Colour,Prefix\n")
    assert "names per_minute twice" in refused("Code,Cost/Min,Price,Increments\n")
    assert "lacks initial_increment, increment" in refused("Code,Rate\n44,1\n")


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2027-01-31", "2027-01-31"),
        ("31.01.2027", "2027-01-31"),
        ("2027/01/31", "2027-01-31"),
        ("31/01/2027", "2027-01-31"),
        ("01/31/2027", "2027-01-31"),
        ("31-Jan-2027", "2027-01-31"),
        ('"Jan 31, 2027"', "2027-01-31"),
    ],
)
def test_dates_as_carriers_write_them_begin_at_the_midnight_of_the_zone(cell, day):
    (rate,) = read(f"Code,Rate,Increments,Effective Date\n44,1,1/1,{cell}\n", "Asia/Tbilisi")
    assert rate.effective_from == 1_801_353_600_000 - 4 * 3_600_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ASTPP + "44,UK,0,0,0.1,1,1,0,01/02/2027\n", "may mean two days"),
        (ASTPP + "44,UK,0,0,0.1,1,1,0,32/13/2027\n", "effective_from '32/13/2027'"),
        ("Code,Rate,Increments\n380-3900,1,1/1\n", "is no range"),
        ("Code,Rate,Increments\n1-9999999,1,1/1\n", "is no range"),
        ("Code,Rate,Increments\n44,1,60\n", "must be like 60/1"),
        (CGRATES + "49,G,0,0.6,60s,1s,60s\n", "no row from 0s"),
        (CGRATES + "49,G,0,0.6,60s,60s,0s\n49,G,0,0.5,60s,1s,60s\n", "another price after 60 s"),
    ],
)
def test_what_can_not_be_read_is_named_with_its_line(text, says):
    found = refused(text)
    assert says in found and found.startswith("line ")


def test_nothing_of_a_sheet_with_a_bad_row_is_used_though_all_bad_rows_are_named():
    found = read_csv(
        ASTPP + "44,UK,0,0,x,1,1,0,\n45,DK,0,0,0.1,1,1,0,\n46,SE,0,0,y,1,1,0,\n", "t", "GEL"
    )
    assert [error.line for error in found.errors] == [2, 4]


def test_a_later_date_is_compared_with_what_is_in_force_by_then():
    old = [RATE, Rate("t", "7", "", 0, 10, 1, 1)]
    new = [
        *old,
        Rate("t", "995", "", 0, 70_000, 1, 1, effective_from=5),
        Rate("t", "7", "", 0, 9, 1, 1, 5),
    ]
    found = diff(old, new)
    assert [len(part) for part in (found.new, found.up, found.down, found.closed)] == [0, 1, 1, 0]
    assert found.unchanged == 2


# Versions


def listed(books, name="t"):
    tariff = books.tariff(name)
    return [(rate.prefix, rate.per_minute_micros) for rate in tariff.rates]


def rates(**prices):
    return [Rate("t", key[1:], "", 0, price, 1, 1) for key, price in prices.items()]


def test_undoing_goes_back_a_version_at_a_time_and_nothing_is_lost(database):
    books = store()
    one(books, ReplaceTariff("t", "GEL", rates(p1=10, p2=20), None, 1, "first"))
    one(books, ReplaceTariff("t", "GEL", rates(p1=11, p3=30), Terms("Asia/Tbilisi"), 2, "second"))
    one(books, ReplaceTariff("t", "GEL", rates(p1=11, p2=20, p3=31), None, 3, "third"))
    assert one(books, UndoTariff("t", 3, 4)).note == "third"
    assert listed(books) == [("1", 11), ("3", 30)]
    assert books.tariff("t").terms.zone == "Asia/Tbilisi"
    assert one(books, UndoTariff("t", 2, 5)).note == "second"
    assert listed(books) == [("1", 10), ("2", 20)]
    assert books.tariff("t").terms == Terms()
    with pytest.raises(BillingError, match="nothing to undo"):
        one(books, UndoTariff("t", 1, 6))
    one(books, ReplaceTariff("t", "GEL", rates(p9=1), None, 7, "fourth"))
    with pytest.raises(BillingError, match="changed meanwhile"):
        one(books, UndoTariff("t", 3, 8))
    one(books, ReplaceTariff("t", "GEL", rates(p9=1), None, 7, "the same again"))  # no version
    one(books, UndoTariff("t", 6, 8))
    assert listed(books) == [("1", 10), ("2", 20)]
    with books.reading() as connection:
        made = tariff_store.versions(connection, "t")
        assert [version.version for version in made] == [1, 2, 3, 4, 5, 6, 7]
        for version, expected in (
            (1, {("1", 10), ("2", 20)}),
            (3, {("1", 11), ("2", 20), ("3", 31)}),
        ):
            kept = tariff_store.rates_of(connection, "t", version)
            assert {(rate.prefix, rate.per_minute_micros) for rate in kept} == expected
