"""What is known of a subscriber beside his money: fields by kind of account, and how each is read.

Pure: a date is held against `today`, which is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from billing.facts.calendar import add_months
from softswitch.mail.letter import is_address

PERSON = "person"
COMPANY = "company"
KINDS = (PERSON, COMPANY)
LANGUAGES = ("ka", "ru", "en", "fa", "kk")
GENDERS = ("female", "male", "unspecified")
SUBSCRIBER_TYPES = ("business", "state", "nonprofit", "embassy", "operator")
MIN_LEASE_MONTHS = 5
"""C20-C21: how long a tenant's lease must still run when his line is connected."""
EARLIEST = date(1700, 1, 1)
"""No company of ours is older."""

NATIONAL_CODES = {"GE": r"[0-9]{11}", "IR": r"[0-9]{10}", "KZ": r"[0-9]{12}"}
"""How the countries that we know write theirs; elsewhere any short word passes."""

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{2,31}", re.ASCII)
_NATIONAL = re.compile(r"[A-Za-z0-9-]{5,20}", re.ASCII)
_POSTAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{2,11}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class FieldError(ValueError):
    """A value that a field can't have; one line."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: whose it is, whether an account must have it to be approved, and how its text is
    read."""

    kinds: tuple[str, ...]
    required: bool
    read: Callable[[str, date], str]


def _text(limit: int) -> Callable[[str, date], str]:
    def read(value: str, _: date) -> str:
        if len(value) > limit or _PRINTABLE.fullmatch(value) is None:
            raise FieldError(f"must be 1 to {limit} printable characters")
        return value

    return read


def _like(pattern: re.Pattern[str], says: str) -> Callable[[str, date], str]:
    def read(value: str, _: date) -> str:
        if pattern.fullmatch(value) is None:
            raise FieldError(says)
        return value

    return read


def _one_of(*values: str) -> Callable[[str, date], str]:
    def read(value: str, _: date) -> str:
        if value not in values:
            raise FieldError(f"must be {', '.join(values[:-1])} or {values[-1]}")
        return value

    return read


def _country(value: str, _: date) -> str:
    if _COUNTRY.fullmatch(value.upper()) is None:
        raise FieldError("must be two letters (ISO 3166)")
    return value.upper()


def _past(value: str, today: date) -> str:
    day = read_date(value)
    if not EARLIEST <= day <= today:
        raise FieldError(f"must be from {EARLIEST} to today")
    return day.isoformat()


def _email(value: str, _: date) -> str:
    if not is_address(value) or "." not in value.partition("@")[2]:
        raise FieldError("must look like name@example.org")
    return value


def read_date(value: str) -> date:
    """ISO 8601. Raises FieldError."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise FieldError("must be a date like 2026-05-31") from None


_BOTH = KINDS
_NAME = _text(64)
FIELDS: Mapping[str, Field] = {
    "first_name": Field((PERSON,), True, _NAME),
    "surname": Field((PERSON,), True, _NAME),
    "gender": Field((PERSON,), True, _one_of(*GENDERS)),
    "fathers_name": Field((PERSON,), True, _NAME),
    "nationality": Field((PERSON,), True, _country),
    "birth_date": Field((PERSON,), True, _past),
    "identity_document": Field((PERSON,), True, _like(_CODE, "must be 3 to 32 letters or digits")),
    "national_code": Field((PERSON,), True, _like(_NATIONAL, "must be 5 to 20 letters or digits")),
    "registration_date": Field((COMPANY,), True, _past),
    "registration_number": Field(
        (COMPANY,), True, _like(_CODE, "must be 3 to 32 letters or digits")
    ),
    "subscriber_type": Field((COMPANY,), True, _one_of(*SUBSCRIBER_TYPES)),
    "place_of_issue": Field(_BOTH, True, _text(128)),
    "postal_code": Field(_BOTH, True, _like(_POSTAL, "must be 3 to 12 letters or digits")),
    "address": Field(_BOTH, False, _text(256)),
    "email": Field(_BOTH, False, _email),
    "language": Field(_BOTH, False, _one_of(*LANGUAGES)),
}
"""C16 and C17 (the company's name is the account's), and how to reach the subscriber."""


def read_field(kind: str, key: str, text: str, country: str, today: date) -> str:
    """A field's value as it is kept.

    Args:
        country: the switch's, whose national codes are known (ISO 3166).

    Raises:
        FieldError: this kind of account hasn't got the field, or it can't be that.
    """
    field = FIELDS[key]
    if kind not in field.kinds:
        raise FieldError(f"{key} is a field of a {field.kinds[0]}; this account is a {kind}")
    value = text.strip()
    try:
        value = field.read(value, today)
        if key == "national_code" and country in NATIONAL_CODES:
            _like(re.compile(NATIONAL_CODES[country], re.ASCII), _digits(country))(value, today)
    except FieldError as error:
        raise FieldError(f"{key} {error}, not {text!r}") from None
    return value


def _digits(country: str) -> str:
    return f"must be {NATIONAL_CODES[country].partition('{')[2][:-1]} digits ({country})"


def missing(kind: str, fields: Mapping[str, str]) -> list[str]:
    """Fields that an account of this kind lacks to be approved."""
    return [
        key
        for key, field in FIELDS.items()
        if field.required and kind in field.kinds and key not in fields
    ]


def login_of(kind: str, account_id: int, fields: Mapping[str, str]) -> str | None:
    """C19: a person's login is his national code, a company's its registration number (its
    account's id if that has no digits); None while the code isn't known."""
    if kind == PERSON:
        return fields.get("national_code")
    digits = "".join(filter(str.isdigit, fields.get("registration_number", "")))
    return f"c{digits or account_id}"


def lease_is_long_enough(ends_on: date, today: date) -> bool:
    """Whether a lease has the months left that a connection needs."""
    return add_months(today, MIN_LEASE_MONTHS) <= ends_on
