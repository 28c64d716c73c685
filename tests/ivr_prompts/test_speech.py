"""Money, durations, dates, times and digits, and that every language can say everything."""

import datetime

import pytest

from ivr_prompts.languages import LANGUAGES, UnknownLanguage, spelled, texts, voiced
from ivr_prompts.phrase import Clock, Count, Date, Digits, Duration, Money, Number, spoken
from ivr_prompts.speech import (
    CURRENCIES,
    UnknownCurrency,
    clock,
    counted,
    date,
    digits,
    duration,
    money,
)

TWELVE_LARI = 12_340_000


def test_an_amount_is_tokens_of_one_recording_each():
    assert money("ka", TWELVE_LARI, "GEL") == ["12", "lari", "and", "20-and", "14", "tetri"]


@pytest.mark.parametrize(
    ("language", "micros", "currency", "text"),
    [
        ("ka", TWELVE_LARI, "GEL", "თორმეტი ლარი და ოცდათოთხმეტი თეთრი"),
        ("ru", TWELVE_LARI, "GEL", "двенадцать лари тридцать четыре тетри"),
        ("en", TWELVE_LARI, "GEL", "twelve lari and thirty four tetri"),
        ("fa", TWELVE_LARI, "GEL", "دوازده لاری و سی و چهار تتری"),
        ("kk", TWELVE_LARI, "GEL", "он екі лари отыз төрт тетри"),
        ("ru", 1_000_000, "RUB", "один рубль"),
        ("ru", 2_020_000, "RUB", "два рубля две копейки"),
        ("ru", 11_210_000, "RUB", "одиннадцать рублей двадцать одна копейка"),
        ("ru", 5_000_000, "USD", "пять долларов"),
        ("en", 1_010_000, "USD", "one dollar and one cent"),
        ("en", 200_000, "EUR", "twenty cents"),
        ("kk", 1_500_000, "KZT", "бір теңге елу тиын"),
        ("ka", 0, "GEL", "ნული ლარი"),
        ("en", -3_500_000, "GEL", "minus three lari and fifty tetri"),
    ],
)
def test_amounts_in_words(language, micros, currency, text):
    assert spelled(language, money(language, micros, currency)) == text


def test_what_is_less_than_a_hundredth_is_not_said():
    assert spelled("en", money("en", 1_999_999, "GEL")) == "one lari and ninety nine tetri"
    assert spelled("en", money("en", -9_999, "GEL")) == "zero lari"


def test_rials_are_spoken_as_tomans_of_ten():
    assert spelled("fa", money("fa", 25_000 * 10**6, "IRR")) == "دو هزار و پانصد تومان"
    assert spelled("en", money("en", 12_345 * 10**6, "IRR")) == (
        "one thousand two hundred thirty four tomans and five rials"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_currency_is_never_spoken_as_another(language):
    with pytest.raises(UnknownCurrency, match="CHF"):
        money(language, TWELVE_LARI, "CHF")
    with pytest.raises(UnknownCurrency):
        Money(TWELVE_LARI, "CHF")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "zero seconds"),
        (59, "fifty nine seconds"),
        (60, "one minute"),
        (3_661, "one hour one minute"),
        (86_400 * 29 + 3_600 * 5 + 59, "twenty nine days five hours"),
        (86_400 * 30 + 59 * 60, "thirty days"),
        (-5, "zero seconds"),
    ],
)
def test_durations_are_their_two_largest_units(seconds, text):
    assert spelled("en", duration("en", seconds)) == text


def test_a_russian_minute_is_feminine():
    assert spelled("ru", duration("ru", 61)) == "одна минута одна секунда"
    assert spelled("ru", duration("ru", 2 * 86_400 + 5 * 3_600)) == "два дня пять часов"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ka", "ორი ათას ოცდაექვსი წლის ოცდახუთი ნოემბერი"),
        ("ru", "двадцать пятое ноября две тысячи двадцать шестого года"),
        ("en", "November twenty fifth two thousand twenty six"),
        ("fa", "چهارم آذر یک هزار و چهارصد و پنج"),
        ("kk", "екі мың жиырма алтыншы жылғы жиырма бесінші қараша"),
    ],
)
def test_dates(language, text):
    assert spelled(language, date(language, datetime.date(2026, 11, 25), year=True)) == text


def test_the_persian_year_begins_at_the_equinox():
    assert spelled("fa", date("fa", datetime.date(2026, 3, 20))) == "بیست و نهم اسفند"
    assert spelled("fa", date("fa", datetime.date(2026, 3, 21))) == "یکم فروردین"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_day_of_many_years_can_be_said(language):
    day = datetime.date(2024, 1, 1)
    known = set(texts(language))
    while day.year < 2061:
        assert known.issuperset(date(language, day, year=True)), day
        day += datetime.timedelta(days=1)


def test_times_of_day():
    assert spelled("ru", clock("ru", 21, 2)) == "двадцать один час две минуты"
    assert spelled("en", clock("en", 1, 0)) == "one hour"


def test_a_number_is_said_key_by_key():
    assert digits("+995 32-2*#") == ["plus", "9", "9", "5", "3", "2", "2", "star", "hash"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_words_for_everything_that_is_counted(language):
    nouns = [noun for c in CURRENCIES.values() for noun in (c.unit, c.part)]
    nouns += ["day", "hour", "minute", "second", "new-message", "old-message", "participant"]
    known = set(texts(language))
    for noun in nouns:
        for count in (0, 1, 2, 5, 11, 21, 22, 25, 111):
            assert known.issuperset(counted(language, count, noun)), (noun, count)
    assert known.issuperset(digits("+0123456789*#"))


def test_prompts_are_the_same_in_all_languages():
    """Only numbers, nouns and the calendar have tokens of their own in a language."""
    own = {"ka": 0, "ru": 0, "en": 0, "fa": 0, "kk": 0}
    prompts = {
        language: {token for token in texts(language) if token.count("-") and token[0].isalpha()}
        for language in own
    }
    common = set.intersection(*prompts.values())
    for language, tokens in prompts.items():
        grammar = ("-and", "-few", "-many", "month-", "of-year")
        extra = {t for t in tokens - common if not any(part in t for part in grammar)}
        assert extra == set(), language


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokens_are_names_of_files_and_texts_are_not_empty(language):
    for token, text in texts(language).items():
        assert token.isascii() and token.replace("-", "").isalnum() and token == token.lower()
        assert text.strip() == text and voiced(language, token)


def test_there_are_no_texts_in_other_languages():
    with pytest.raises(UnknownLanguage, match="ka, ru, en, fa, kk"):
        texts("de")


def test_a_phrase_becomes_tokens_when_its_language_is_known():
    phrase = ["balance-is", Money(TWELVE_LARI, "GEL"), Count(2, "new-message"), Number(21)]
    assert spoken("ru", phrase) == [
        "balance-is", "12", "lari", "30", "4", "tetri", "2", "new-message-few", "20", "1",
    ]  # fmt: skip
    more = [Duration(60), Date(datetime.date(2026, 1, 1)), Clock(datetime.time(8, 5)), Digits("1#")]
    assert spoken("en", more) == [
        "1", "minute", "month-1", "1th", "8", "hour-many", "5", "minute-many", "1", "hash",
    ]  # fmt: skip
