"""PINs: the rules for choosing one, and their hashes.

A PIN has few digits, so the counter of tries protects it; the slow hash only delays a thief of the
database.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from softswitch.errors.coded import CodedError

MIN_DIGITS, MAX_DIGITS = 4, 8
SALT_BYTES = 16
_COST = {"n": 1 << 14, "r": 8, "p": 1}
"""16 MB and about 50 ms (RFC 7914 section 2)."""
MAX_WRONG = 5
"""Wrong tries in a row: a PIN of four digits is then guessed once in 2,000 times."""
LOCKED_SECONDS = 900.0
_RUNS = "01234567890", "09876543210"


class WeakPin(CodedError):
    """A PIN that is too easy to guess."""


def check_strength(pin: str, number: str) -> None:
    """Refuse a PIN that is too easy to guess for a line of this number.

    Raises:
        WeakPin: it may not be chosen.
    """
    if re.fullmatch(rf"[0-9]{{{MIN_DIGITS},{MAX_DIGITS}}}", pin) is None:
        raise WeakPin("pin_length", least=MIN_DIGITS, most=MAX_DIGITS)
    if len(set(pin)) == 1 or any(pin in run for run in _RUNS):
        raise WeakPin("pin_guessable")
    if number.endswith(pin):
        raise WeakPin("pin_is_number")


def hashed(pin: str, salt: bytes) -> str:
    """The hash of a PIN."""
    return f"{salt.hex()}${_derived(pin, salt)}"


def fits(pin: str, kept: str) -> bool:
    """True if a PIN has this hash."""
    salt, _, derived = kept.partition("$")
    return hmac.compare_digest(_derived(pin, bytes.fromhex(salt)), derived)


def _derived(pin: str, salt: bytes) -> str:
    return hashlib.scrypt(pin.encode("utf-8"), salt=salt, **_COST, dklen=32).hex()


class Locked(Exception):
    """Too many wrong PINs; `seconds` until the next try is allowed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong PINs: wait {round(seconds)} s")
        self.seconds = seconds
