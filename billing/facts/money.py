"""Money: integers of a millionth of the currency unit, and one way to round.

No float ever holds an amount. Decimal text is only at the edges: what people type, and what is
shown to them.
"""

from __future__ import annotations

import re

MICROS = 1_000_000
"""Micros in a currency unit."""
MAX_MICROS = 2**62
"""Amounts stay well inside a BIGINT, so that sums of them do too."""

_AMOUNT = re.compile(r"([+-]?)([0-9]{1,12})(?:\.([0-9]{1,6}))?", re.ASCII)


class MoneyError(ValueError):
    """A text that is no amount; one line that says what an amount looks like."""


def parse_amount(text: str) -> int:
    """ "12.34" to 12340000 micros: sign, digits and up to six decimals, nothing else.

    Raises:
        MoneyError: it is no amount.
    """
    found = _AMOUNT.fullmatch(text.strip(" "))
    if found is None:
        raise MoneyError(f"{text!r} is no amount: write it like 12.34, with at most 6 decimals")
    micros = int(found[2]) * MICROS + int((found[3] or "").ljust(6, "0"))
    return -micros if found[1] == "-" else micros


def format_amount(micros: int) -> str:
    """12340000 micros to "12.34": at least two decimals, more where they say something."""
    whole, part = divmod(abs(micros), MICROS)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"


def round_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two integers, the numerator not negative, rounded half up.

    The only rounding of the whole product; it happens once in a charge.
    """
    return (2 * numerator + denominator) // (2 * denominator)
