"""Secret numbers that are typed into a phone: which ones are taken, and how they are kept.

A PIN has few digits, so what protects it is that tries are counted; the slow hash only delays who
has stolen the database.
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
"""In a row: four digits are guessed once in 2,000 times."""
LOCKED_SECONDS = 900.0
_RUNS = "01234567890", "09876543210"


class WeakPin(CodedError):
    """A PIN that must not be chosen."""


def check_strength(pin: str, number: str) -> None:
    """Whether a PIN may be chosen for a line of this number.

    Raises:
        WeakPin: it may not.
    """
    if re.fullmatch(rf"[0-9]{{{MIN_DIGITS},{MAX_DIGITS}}}", pin) is None:
        raise WeakPin("pin_length", least=MIN_DIGITS, most=MAX_DIGITS)
    if len(set(pin)) == 1 or any(pin in run for run in _RUNS):
        raise WeakPin("pin_guessable")
    if number.endswith(pin):
        raise WeakPin("pin_is_number")


def hashed(pin: str, salt: bytes) -> str:
    """A PIN as it is kept."""
    return f"{salt.hex()}${_derived(pin, salt)}"


def fits(pin: str, kept: str) -> bool:
    """Whether it is the PIN that is kept so."""
    salt, _, derived = kept.partition("$")
    return hmac.compare_digest(_derived(pin, bytes.fromhex(salt)), derived)


def _derived(pin: str, salt: bytes) -> str:
    return hashlib.scrypt(pin.encode("utf-8"), salt=salt, **_COST, dklen=32).hex()


class Locked(Exception):
    """Too many wrong PINs; `seconds` until the next is heard."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong PINs: wait {round(seconds)} s")
        self.seconds = seconds
