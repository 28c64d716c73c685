"""Numbers in words, held against ICU's rule-based number format."""

import re

import icu_rbnf
import pytest

from ivr_prompts.languages import LANGUAGES, spelled, texts
from ivr_prompts.numbers import LIMIT, number, ordinal, ordinal_of_year

NUMBERS = [
    *range(130),
    *range(130, 3000, 13),
    *range(9_990, 10_020),
    *range(99_000, 101_000, 97),
    *range(999_000, 1_002_000, 191),
    123_456_789,
    10**9,
    2_000_000_001,
    987_654_321_012,
]
ICU_FAULT, RIGHT = "თრვამეტი", "თვრამეტი"
"""ICU misspells the Georgian 18."""


def written(text: str) -> str:
    """ICU joins some words by a soft hyphen, a hyphen or nothing."""
    return re.sub("[ \xad-]", "", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_are_spelled_as_icu_spells_them(language):
    for value in NUMBERS:
        oracle = icu_rbnf.spellout(value, language).replace(ICU_FAULT, RIGHT)
        assert written(spelled(language, number(language, value))) == written(oracle), value


def test_icu_still_misspells_the_georgian_18():
    assert icu_rbnf.spellout(18, "ka") == ICU_FAULT
    assert spelled("ka", number("ka", 18)) == RIGHT


@pytest.mark.parametrize(
    ("value", "tokens", "text"),
    [
        (34, ["20-and", "14"], "ოცდათოთხმეტი"),
        (40, ["40"], "ორმოცი"),
        (134, ["100-and", "20-and", "14"], "ას ოცდათოთხმეტი"),
        (1000, ["thousand"], "ათასი"),
        (2026, ["2", "thousand-and", "20-and", "6"], "ორი ათას ოცდაექვსი"),
        (400_000, ["400", "thousand"], "ოთხასი ათასი"),
    ],
)
def test_georgian_counts_by_twenties(value, tokens, text):
    assert number("ka", value) == tokens
    assert spelled("ka", tokens) == text


@pytest.mark.parametrize(
    ("value", "gender", "text"),
    [
        (1, "f", "одна"),
        (1, "n", "одно"),
        (2, "f", "две"),
        (2, "n", "два"),
        (21, "f", "двадцать одна"),
        (112, "f", "сто двенадцать"),
        (1_001, "f", "одна тысяча одна"),
        (2_000_002, "f", "два миллиона две"),
    ],
)
def test_russian_one_and_two_have_genders(value, gender, text):
    assert spelled("ru", number("ru", value, gender)) == text


@pytest.mark.parametrize("language", ["en", "kk"])
def test_ordinals_are_spelled_as_icu_spells_them(language):
    for value in range(1, 32):
        oracle = icu_rbnf.spellout_ordinal(value, language)
        assert written(spelled(language, ordinal(language, value))) == written(oracle)


def test_days_of_the_month_in_the_other_languages():
    said = {lang: spelled(lang, ordinal(lang, 23)) for lang in ("ka", "ru", "fa")}
    assert said == {"ka": "ოცდასამი", "ru": "двадцать третье", "fa": "بیست و سوم"}
    assert spelled("ka", ordinal("ka", 1)) == "პირველი"
    assert spelled("ru", ordinal("ru", 30)) == "тридцатое"
    assert spelled("fa", ordinal("fa", 30)) == "سی‌ام"


def test_a_russian_year_is_in_the_genitive():
    assert spelled("ru", ordinal_of_year(2026)) == "две тысячи двадцать шестого"
    assert spelled("ru", ordinal_of_year(2040)) == "две тысячи сорокового"
    with pytest.raises(ValueError, match="2100"):
        ordinal_of_year(2100)


@pytest.mark.parametrize("language", LANGUAGES)
def test_negative_numbers_and_numbers_too_great(language):
    assert number(language, -5) == ["minus", "5"]
    with pytest.raises(ValueError, match="too great"):
        number(language, LIMIT)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_token_of_a_number_has_a_text(language):
    used = {token for value in NUMBERS for token in number(language, value)}
    used |= {token for day in range(1, 32) for token in ordinal(language, day)}
    assert used <= set(texts(language))
