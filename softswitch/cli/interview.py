"""The questions of `softswitch init` on a terminal. Enter takes the answer in brackets."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable
from dataclasses import dataclass

import typer

from softswitch.config.config import ConfigError
from softswitch.control.errors import OperationError
from softswitch.operations.installation import countries

Check = Callable[[str], str]
"""The answer as it is meant; raises ValueError with what is wrong."""


@dataclass(slots=True)
class Answers:
    """The answers of the interview: the properties of a new switch."""

    domain: str
    address: str
    country: str
    currency: str
    time_zone: str
    language: str
    data: str
    database: str
    """The URL of a PostgreSQL database; "" for SQLite in the data folder."""


def is_possible() -> bool:
    """True if a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def hold(defaults: Answers) -> Answers:
    """Ask for everything, with the defaults proposed."""
    print("A new switch. Enter takes what is in brackets; all of it can be changed later.\n")
    domain = _ask("Domain or IP address that the phones are given", defaults.domain, _domain)
    address = _ask(
        "IP address of this machine to listen on", _address_of(domain, defaults), _address
    )
    country = _ask("Country (two letters)", defaults.country, _country)
    currency = _ask("Currency", countries.CURRENCY_OF[country], _currency)
    zones = countries.time_zones(country)
    return Answers(
        domain=domain,
        address=address,
        country=country,
        currency=currency,
        time_zone=choose_time_zone(country, zones) if zones else "UTC",
        language=_ask(
            "Language of announcements: ka, ru, en, fa or kk",
            countries.LANGUAGE_OF.get(country, "en"),
            _language,
        ),
        data=_ask("Folder for database, secrets and voicemail", defaults.data, str.strip),
        database=_ask("PostgreSQL URL, or - for SQLite", defaults.database or "-", _database),
    )


def choose_time_zone(country: str, zones: list[str]) -> str:
    """The only time zone of a country, or the one that the person chooses."""
    if len(zones) == 1:
        return zones[0]
    for place, zone in enumerate(zones, 1):
        print(f"{place:3} {zone}")
    while True:
        answer = str(typer.prompt(f"Time zone of {country}, 1 to {len(zones)}"))
        if answer.isdecimal() and 1 <= int(answer) <= len(zones):
            return zones[int(answer) - 1]


def _ask(question: str, proposed: str, check: Check) -> str:
    while True:
        answer = str(typer.prompt(question, default=proposed)).strip()
        try:
            return check(answer)
        except (ValueError, OperationError, ConfigError) as error:
            print(f"  {error}")


def _address_of(domain: str, defaults: Answers) -> str:
    """The proposal for the address: the domain itself, if it is an address."""
    try:
        return str(ipaddress.ip_address(domain))
    except ValueError:
        return defaults.address


def _domain(answer: str) -> str:
    if not answer or not all(x.isascii() and (x.isalnum() or x in ".:-") for x in answer):
        raise ValueError(f"{answer!r} is no host name and no IP address")
    return answer.lower()


def _address(answer: str) -> str:
    try:
        return str(ipaddress.ip_address(answer))
    except ValueError:
        raise ValueError(f"{answer!r} is no IP address, such as 192.0.2.10") from None


def _country(answer: str) -> str:
    return countries.checked(answer)


def _currency(answer: str) -> str:
    if len(answer) != 3 or not answer.isascii() or not answer.isalpha():
        raise ValueError(f"{answer!r} isn't three letters, such as GEL (ISO 4217)")
    return answer.upper()


def _language(answer: str) -> str:
    if answer not in ("ka", "ru", "en", "fa", "kk"):
        raise ValueError(f"{answer!r} isn't one of ka, ru, en, fa, kk")
    return answer


def _database(answer: str) -> str:
    if answer == "-":
        return ""
    if not answer.startswith("postgresql://"):
        raise ValueError(f"{answer!r} must look like postgresql://user:password@host/database")
    return answer
