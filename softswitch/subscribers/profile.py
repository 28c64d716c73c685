"""Subscribers' fields by kind of account: names, codes, addresses, and how each is read.

Pure: dates are compared with `today`, which is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from billing.facts.calendar import add_months
from softswitch.errors.coded import CodedError
from softswitch.subscribers.mail_address import is_address

PERSON = "person"
COMPANY = "company"
KINDS = (PERSON, COMPANY)
LANGUAGES = ("ka", "ru", "en", "fa", "kk")
GENDERS = ("female", "male", "unspecified")
SUBSCRIBER_TYPES = ("business", "state", "nonprofit", "embassy", "operator")
MIN_LEASE_MONTHS = 5
"""C20-C21: the months that a tenant's lease must still run when the line is connected."""
EARLIEST = date(1700, 1, 1)
"""The earliest date of a field: no registered company is older."""

NATIONAL_CODES = {"GE": r"[0-9]{11}", "IR": r"[0-9]{10}", "KZ": r"[0-9]{12}"}
"""The form of national codes in known countries; elsewhere any short word passes."""

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{2,31}", re.ASCII)
_NATIONAL = re.compile(r"[A-Za-z0-9-]{5,20}", re.ASCII)
_POSTAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{2,11}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class FieldError(CodedError):
    """A value that its field doesn't take."""


Read = Callable[[str, str, date], str]
"""Reads a field: takes its name, the text and today's date; returns the value to store. Raises
FieldError."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: the kinds of account that have it, True if approval needs it, and the reader of its
    text."""

    kinds: tuple[str, ...]
    required: bool
    read: Read


def _text(limit: int) -> Read:
    def read(field: str, value: str, _: date) -> str:
        if len(value) > limit or _PRINTABLE.fullmatch(value) is None:
            raise FieldError("text_too_long", field=field, longest=limit, value=value)
        return value

    return read


def _letters_or_digits(pattern: re.Pattern[str], least: int, longest: int) -> Read:
    def read(field: str, value: str, _: date) -> str:
        if pattern.fullmatch(value) is None:
            raise FieldError(
                "letters_or_digits", field=field, least=least, longest=longest, value=value
            )
        return value

    return read


def _one_of(*values: str) -> Read:
    def read(field: str, value: str, _: date) -> str:
        if value not in values:
            raise FieldError("not_one_of", field=field, choices=values, value=value)
        return value

    return read


def _country(_field: str, value: str, _: date) -> str:
    if _COUNTRY.fullmatch(value.upper()) is None:
        raise FieldError("country_malformed", value=value)
    return value.upper()


def _past(field: str, value: str, today: date) -> str:
    day = read_date(value, field)
    if not EARLIEST <= day <= today:
        raise FieldError("day_out_of_range", field=field, first=EARLIEST, value=value)
    return day.isoformat()


def _email(_field: str, value: str, _: date) -> str:
    if not is_address(value) or "." not in value.partition("@")[2]:
        raise FieldError("email_malformed", value=value)
    return value


def read_date(value: str, field: str = "date") -> date:
    """The date (ISO 8601) in a field's text. Raises FieldError."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise FieldError("date_malformed", field=field, value=value) from None


_BOTH = KINDS
_NAME = _text(64)
FIELDS: Mapping[str, Field] = {
    "first_name": Field((PERSON,), True, _NAME),
    "surname": Field((PERSON,), True, _NAME),
    "gender": Field((PERSON,), True, _one_of(*GENDERS)),
    "fathers_name": Field((PERSON,), True, _NAME),
    "nationality": Field((PERSON,), True, _country),
    "birth_date": Field((PERSON,), True, _past),
    "identity_document": Field((PERSON,), True, _letters_or_digits(_CODE, 3, 32)),
    "national_code": Field((PERSON,), True, _letters_or_digits(_NATIONAL, 5, 20)),
    "registration_date": Field((COMPANY,), True, _past),
    "registration_number": Field((COMPANY,), True, _letters_or_digits(_CODE, 3, 32)),
    "subscriber_type": Field((COMPANY,), True, _one_of(*SUBSCRIBER_TYPES)),
    "place_of_issue": Field(_BOTH, True, _text(128)),
    "postal_code": Field(_BOTH, True, _letters_or_digits(_POSTAL, 3, 12)),
    "address": Field(_BOTH, False, _text(256)),
    "email": Field(_BOTH, False, _email),
    "language": Field(_BOTH, False, _one_of(*LANGUAGES)),
}
"""The fields by name: C16 and C17 (the company's name is the account's), and contact data."""


def read_field(kind: str, key: str, text: str, country: str, today: date) -> str:
    """The value of a field, as it is stored.

    Args:
        country: the switch's (ISO 3166), for its form of national codes.

    Raises:
        FieldError: this kind of account hasn't got the field, or the text doesn't fit it.
    """
    field = FIELDS[key]
    if kind not in field.kinds:
        raise FieldError("field_of_other_kind", field=key, owner=field.kinds[0], kind=kind)
    value = field.read(key, text.strip(), today)
    if key == "national_code" and country in NATIONAL_CODES:
        pattern = NATIONAL_CODES[country]
        if re.fullmatch(pattern, value, re.ASCII) is None:
            count = pattern.partition("{")[2][:-1]
            raise FieldError("digits_exactly", field=key, count=count, country=country, value=value)
    return value


def missing(kind: str, fields: Mapping[str, str]) -> list[str]:
    """The fields that an account of this kind still needs for approval."""
    return [
        key
        for key, field in FIELDS.items()
        if field.required and kind in field.kinds and key not in fields
    ]


def login_of(kind: str, account_id: int, fields: Mapping[str, str]) -> str | None:
    """C19: a person's login is the national code, a company's the registration number (the
    account's id if that has no digits); None while the code isn't known."""
    if kind == PERSON:
        return fields.get("national_code")
    digits = "".join(filter(str.isdigit, fields.get("registration_number", "")))
    return f"c{digits or account_id}"


def lease_is_long_enough(ends_on: date, today: date) -> bool:
    """True if a lease runs for the months that a connection needs."""
    return add_months(today, MIN_LEASE_MONTHS) <= ends_on
