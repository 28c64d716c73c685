"""Whose number it is, held against the library's own answer where that is known to be right."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.admission.countries import country_of


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12125550123", "US"),
        ("+14165550123", "CA"),
        ("+18765550123", "JM"),
        ("+17875550123", "PR"),
        ("+74951234567", "RU"),
        ("+77011234567", "KZ"),
        ("+77272345678", "KZ"),
        ("+442079460000", "GB"),
        ("+441534456789", "JE"),
        ("+441481256789", "GG"),
        ("+441624756789", "IM"),
        ("+390612345678", "IT"),
        ("+390669812345", "VA"),
        ("+995322123456", "GE"),
        ("+493012345678", "DE"),
        ("+4312345678", "AT"),
        ("+88310001234", "001"),
        ("+10005550123", None),
        ("+2101234567", None),
        ("112", None),
    ],
)
def test_e9_countries_that_share_a_code_are_told_apart(number: str, country: str | None) -> None:
    assert country_of(number) == country


REGIONS = sorted(
    region
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    if len(regions) > 1 and code != 1
    for region in regions
)


@pytest.mark.parametrize("region", REGIONS)
def test_each_such_countrys_example_numbers_are_its_own(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert country_of(number) == phonenumbers.region_code_for_number(example)


@given(st.sampled_from(["1", "7", "44", "39"]), st.integers(10**9, 10**10 - 1))
def test_no_two_readings_of_a_number_with_a_shared_code(code: str, national: int) -> None:
    number = f"+{code}{national}"
    theirs = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    ours = country_of(number)
    assert ours == theirs or None in (ours, theirs)
