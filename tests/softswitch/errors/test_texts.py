"""The texts of errors for subscribers, in five languages."""

from __future__ import annotations

import re

import pytest

from softswitch.control.errors import OperationError
from softswitch.errors.catalogue import CATALOGUE
from softswitch.errors.texts import LANGUAGES, text_for_subscriber, texts
from softswitch.subscribers.refusal import Refusal
from tests.softswitch.errors.test_catalogue import placeholders, raised

ALPHABETS = {
    "ka": re.compile("[\u10d0-\u10ff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "en": re.compile("[a-z]"),
    "fa": re.compile("[\u0600-\u06ff]"),
    "kk": re.compile("[\u0400-\u04ff]"),
}
INDIRECT = {
    "insufficient_funds", "account_blocked", "number_taken", "product_unknown", "books_refused",
    "subscription_unknown", "payment_conflict", "database_failed",
}  # fmt: skip
"""Codes of the books: their facts are their sentence alone."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_codes_and_placeholders(language: str) -> None:
    english = texts("en")
    assert set(texts(language)) == set(english)
    for code, text in texts(language).items():
        assert placeholders(text) == placeholders(english[code]), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_is_a_sentence_in_its_own_alphabet(language: str) -> None:
    for code, text in texts(language).items():
        assert ALPHABETS[language].search(text), code
        assert text.endswith("."), code
        assert "softswitch" not in text, code


def test_texts_are_of_codes_of_the_catalogue_and_name_facts_that_are_given() -> None:
    english = texts("en")
    assert set(english) <= set(CATALOGUE)
    given: dict[str, set[str]] = {}
    for _, code, facts in raised():
        given[code] = given.get(code, facts) & facts
    for code in set(english) - INDIRECT:
        known = given.get(code, placeholders(CATALOGUE[code].text))
        assert placeholders(english[code]) <= known, code
    assert all(not placeholders(english[code]) for code in INDIRECT)


def test_a_refusal_that_calling_lines_meet_has_a_text() -> None:
    for code, entry in CATALOGUE.items():
        if entry.text.startswith(("routing: the called", "caps:", "services: the c", "credit: t")):
            assert code in texts("en") or code == "trunk_pays_nothing", code


def test_amounts_and_numbers_stand_in_the_text() -> None:
    error = OperationError(
        "order_not_affordable",
        cost_micros=60_000_000,
        available_micros=3_200_000,
        currency="GEL",
        account=1,
    )
    assert text_for_subscriber(error, "ru") == (
        "Это стоит 60.00 GEL; у вас 3.20. Сначала пополните счёт."
    )
    changed = Refusal(410, "callee_number_changed", new="+995322000009")
    assert text_for_subscriber(changed, "ka") == "ნომერი შეიცვალა: +995322000009."


def test_an_error_of_operators_tells_a_subscriber_nothing_about_the_switch() -> None:
    error = OperationError("trunk_not_found", trunk="carrier-7")
    assert text_for_subscriber(error, "en") == (
        "This can't be done now. Please contact us if it stays so."
    )


def test_a_language_without_texts_is_an_error() -> None:
    with pytest.raises(KeyError, match="de"):
        texts("de")
