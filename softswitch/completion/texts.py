"""Texts of call completion, in the languages of lines."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

LAST_RESORT = "en"


class Texts(NamedTuple):
    """The texts in one language."""

    missed: str
    withheld: str
    back: str


TEXTS: Mapping[str, Texts] = MappingProxyType(
    {
        "en": Texts(
            "Missed call from {number}, {when}.",
            "a withheld number",
            "{number} can be reached again. Reply 1 to be connected.",
        ),
        "ka": Texts(
            "გამოტოვებული ზარი: {number}, {when}.",
            "დაფარული ნომერი",
            "{number} ისევ ხელმისაწვდომია. დასაკავშირებლად უპასუხეთ 1.",
        ),
        "ru": Texts(
            "Пропущенный вызов: {number}, {when}.",
            "скрытый номер",
            "{number} снова на связи. Чтобы вас соединили, ответьте 1.",
        ),
        "fa": Texts(
            "تماس بی‌پاسخ: {number}، {when}.",
            "شماره پنهان",
            "{number} دوباره در دسترس است. برای برقراری تماس، 1 را بفرستید.",
        ),
        "kk": Texts(
            "Жауапсыз қоңырау: {number}, {when}.",
            "жасырын нөмір",
            "{number} қайтадан қолжетімді. Қосылу үшін 1 деп жауап беріңіз.",
        ),
    }
)
ACCEPTS = b"1"
"""The reply that accepts an offer by text."""


def missed(language: str | None, number: str | None, at_ms: int, zone: str) -> str:
    """The text about a missed call; `number` is None if it was withheld."""
    texts = _texts(language)
    when = datetime.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    return texts.missed.format(number=number or texts.withheld, when=f"{when:%Y-%m-%d %H:%M}")


def back(language: str | None, number: str) -> str:
    """The text about a line that could not be reached and now can be."""
    return _texts(language).back.format(number=number)


def _texts(language: str | None) -> Texts:
    return TEXTS.get(language or LAST_RESORT) or TEXTS[LAST_RESORT]
