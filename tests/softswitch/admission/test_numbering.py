"""What is dialled becomes E.164, an emergency number or a code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.admission.numbering import Dialled, NumberError, NumberPlan

GEORGIA = NumberPlan("GE", area_code="32", emergency=("112",), codes=("1111", "*97"))
PLANS = {country: NumberPlan(country) for country in ("RU", "KZ", "US", "IT", "DE", "AR", "GB")}


@pytest.mark.parametrize(
    "dialled",
    [
        "+995322123456",
        "00995322123456",
        "0322123456",
        "322123456",
        "995322123456",
        "2123456",
        "+995 (32) 212-34-56",
        "+995-32-212.34.56",
        "+995322123456;phone-context=x",
    ],
)
def test_every_way_to_dial_one_georgian_number(dialled: str) -> None:
    assert GEORGIA.read(dialled) == Dialled("e164", "+995322123456")


@pytest.mark.parametrize(
    ("country", "dialled", "number"),
    [
        ("RU", "84951234567", "+74951234567"),
        ("RU", "9161234567", "+79161234567"),
        ("RU", "81037412345678", "+37412345678"),
        ("KZ", "87011234567", "+77011234567"),
        ("US", "2025550123", "+12025550123"),
        ("US", "12025550123", "+12025550123"),
        ("US", "011442079460018", "+442079460018"),
        ("IT", "0612345678", "+390612345678"),
        ("DE", "030123456", "+4930123456"),
        ("DE", "4930123456", "+4930123456"),
        ("AR", "01115 2345 6789", "+5491123456789"),
        ("GB", "02079460018", "+442079460018"),
    ],
)
def test_each_country_dials_its_own_way(country: str, dialled: str, number: str) -> None:
    assert PLANS[country].read(dialled).number == number


def test_a_foreign_number_without_plus() -> None:
    assert GEORGIA.read("79161234567").number == "+79161234567"


def test_codes_and_emergency_numbers_stand_above_numbers() -> None:
    assert GEORGIA.read("112") == Dialled("emergency", "112")
    assert GEORGIA.read("1-1-2").kind == "emergency"
    assert GEORGIA.read("1111") == Dialled("code", "1111")
    assert GEORGIA.read("*97") == Dialled("code", "*97")


def test_the_digits_of_a_line_are_its_number() -> None:
    with pytest.raises(NumberError):
        GEORGIA.read("88800100")
    assert GEORGIA.read("88800100", {"+88800100"}.__contains__).number == "+88800100"


@pytest.mark.parametrize(
    ("dialled", "status"),
    [
        ("+", 404),
        ("", 404),
        ("+9", 484),
        ("+995", 484),
        ("+99532", 484),
        ("00", 484),
        ("12", 484),
        ("80012345", 484),
        ("+2100000000", 404),
        ("+9953221234567890", 404),
        ("alice", 404),
        ("+99532x123456", 404),
        ("٣٢٢١٢٣٤٥٦", 404),
        ("²²²²²²²²²", 404),
        ("*98", 404),
        ("9" * 65, 404),
        ("9" * 5000, 404),
    ],
)
def test_what_is_no_number(dialled: str, status: int) -> None:
    with pytest.raises(NumberError) as caught:
        GEORGIA.read(dialled)
    assert caught.value.status == status
    assert caught.value.reason


@given(st.text(max_size=80))
def test_nothing_but_number_errors(dialled: str) -> None:
    try:
        read = GEORGIA.read(dialled)
    except NumberError:
        return
    assert read.kind != "e164" or (read.number.isascii() and read.number[1:].isdecimal())


@given(st.from_regex(r"\A\+?[0-9*#]{1,20}\Z"))
def test_reading_twice_changes_nothing(dialled: str) -> None:
    try:
        number = GEORGIA.read(dialled).number
    except NumberError:
        return
    assert GEORGIA.read(number).number == number


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+995322123456", "local"),
        ("+995431212345", "national"),
        ("+995599123456", "mobile"),
        ("+995800123456", "special"),
        ("+79161234567", "international"),
        ("112", "special"),
        ("*97", "special"),
    ],
)
def test_types_as_georgia_sees_them(number: str, kind: str) -> None:
    assert GEORGIA.type_of(number) == kind


@pytest.mark.parametrize(
    ("country", "number", "kind"),
    [
        ("RU", "+77011234567", "international"),
        ("RU", "+79161234567", "mobile"),
        ("KZ", "+77011234567", "mobile"),
        ("KZ", "+74951234567", "international"),
        ("US", "+16045550123", "international"),
        ("US", "+12025550123", "national"),
        ("GB", "+441481960194", "international"),
        ("GB", "+442079460018", "national"),
    ],
)
def test_countries_that_share_a_code(country: str, number: str, kind: str) -> None:
    assert PLANS[country].type_of(number) == kind


def test_an_unknown_country_has_no_plan() -> None:
    with pytest.raises(ValueError, match="no numbering plan"):
        NumberPlan("XX")


def test_a_number_of_premium_rate_is_known_where_the_plan_tells_of_it() -> None:
    russia = PLANS["RU"]
    assert russia.is_premium("+78091234567")
    assert not russia.is_premium("+74951234567")
    assert not russia.is_premium("+441234567890")
    assert not GEORGIA.is_premium("+995900123456")
