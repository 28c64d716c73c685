"""Star codes: the codes that a subscriber dials to set services (3GPP TS 22.030 section 6.5.2).

    **SC*SI#  register and switch on      *SC*SI#  the same
    *SC#      switch on                   #SC#     switch off
    ##SC#     erase                       *#SC#    interrogate

SC is a service's code, SI up to three pieces of supplementary information between stars: a number,
a basic service (which makes no difference here) and seconds; for barring, the PIN. The prefixes
that show or withhold the number of one call (`#31#NUMBER`, `*67NUMBER`) are read here as well.
Pure: :func:`carry_out` returns the changed services.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from softswitch.subscribers.supplementary import (
    FORWARDS,
    KINDS,
    ServiceError,
    Setting,
    Supplementary,
)

Procedure = Literal["register", "activate", "deactivate", "erase", "ask"]

_CODE = re.compile(
    r"(\*\*|\*\#|\#\#|\*|\#)([0-9]{2,3})(?:\*([^*#]*))?(?:\*([^*#]*))?(?:\*([^*#]*))?\#", re.ASCII
)
_PROCEDURES: Mapping[str, Procedure] = {
    "**": "register",
    "*": "activate",
    "#": "deactivate",
    "##": "erase",
    "*#": "ask",
}
_NUMBER = re.compile(r"\+?[0-9]+")

GROUPS: Mapping[str, tuple[str, ...]] = {
    "forward_all": tuple(f"forward_{kind}" for kind in FORWARDS),
    "forward_conditional": tuple(f"forward_{kind}" for kind in FORWARDS if kind != "always"),
}
"""Codes that stand for several services; 002 and 004 in TS 22.030."""


@dataclass(frozen=True, slots=True)
class StarCode:
    """A parsed star code.

    Args:
        names: the services that it is about; several for a group.
        information: SIA, SIB and SIC; "" where one is missing.
    """

    procedure: Procedure
    names: tuple[str, ...]
    information: tuple[str, str, str] = ("", "", "")

    @property
    def pin(self) -> str | None:
        """The text that must be the line's PIN for the code to be carried out; None: it needs
        none."""
        opens = self.procedure in ("deactivate", "erase")
        return self.information[0] if opens and KINDS[self.names[0]].locked else None


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix that shows or withholds the caller's number for one call."""

    text: str
    withholds: bool


class StarCodes:
    """The codes of one switch.

    Args:
        services: name of a service or group to its code's digits.
        withhold, show: further prefixes beside those of `withhold_number`'s code.
    """

    def __init__(self, services: Mapping[str, str], withhold: str, show: str) -> None:
        self._names = {code: GROUPS.get(name, (name,)) for name, code in services.items() if code}
        clir = services.get("withhold_number")
        self._prefixes = [Prefix(withhold, True), Prefix(show, False)]
        if clir:
            self._prefixes += [Prefix(f"#{clir}#", True), Prefix(f"*{clir}#", False)]

    def parse(self, dialled: str) -> StarCode | None:
        """The parsed star code; None if the digits are none, or name an unknown service."""
        found = _CODE.fullmatch(dialled)
        if found is None or found[2] not in self._names:
            return None
        procedure, information = _PROCEDURES[found[1]], tuple(found[i] or "" for i in (3, 4, 5))
        if procedure == "activate" and found[3] and not KINDS[self._names[found[2]][0]].locked:
            procedure = "register"
        return StarCode(procedure, self._names[found[2]], information)  # type: ignore[arg-type]

    def once(self, dialled: str) -> tuple[str, bool | None]:
        """The number after a prefix, with True if the prefix withholds the caller's number, False
        if it shows it; None without a prefix."""
        for prefix in self._prefixes:
            if dialled.startswith(prefix.text) and prefix.text:
                number = dialled[len(prefix.text) :]
                if _NUMBER.fullmatch(number):
                    return number, prefix.withholds
        return dialled, None


Verdict = Literal[
    "on", "off", "registered", "erased", "not_set",
    "pin_none", "pin_needed", "pin_wrong", "pin_locked", "number_wrong", "seconds_wrong",
    "impossible",
]  # fmt: skip
"""The result for one service, as it is announced."""
REFUSED: frozenset[Verdict] = frozenset(
    {
        "pin_none", "pin_needed", "pin_wrong", "pin_locked", "number_wrong", "seconds_wrong",
        "impossible",
    }
)  # fmt: skip

PinCheck = Literal["fits", "wrong", "locked", "none"]
"""The result of a PIN check; "none": the line has no PIN."""
_PIN_REFUSED: Mapping[PinCheck, Verdict] = {
    "wrong": "pin_wrong",
    "locked": "pin_locked",
    "none": "pin_none",
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The result of a star code for one service, for the announcement.

    Args:
        setting: of the service as it stands now.
    """

    name: str
    verdict: Verdict
    setting: Setting


@dataclass(frozen=True, slots=True)
class Outcome:
    """The line's services after a star code, and the announcement."""

    services: Supplementary
    confirmations: tuple[Confirmation, ...]

    @property
    def refused(self) -> bool:
        return any(item.verdict in REFUSED for item in self.confirmations)


def carry_out(
    code: StarCode,
    services: Supplementary,
    read_number: Callable[[str], str | None],
    pin: PinCheck,
) -> Outcome:
    """Carry out a star code on a line's services; a group of services is changed as a whole or not
    at all.

    Args:
        read_number: to E.164; None if it is no number.
        pin: the result of the check of the code's PIN, where it has one.
    """
    before = services
    said: list[Confirmation] = []
    for name in code.names:
        services, verdict = _one(code, name, services, read_number, pin)
        if verdict in REFUSED:
            return Outcome(before, (Confirmation(name, verdict, before[name]),))
        said.append(Confirmation(name, verdict, services[name]))
    return Outcome(services, tuple(said))


def _one(
    code: StarCode,
    name: str,
    services: Supplementary,
    read_number: Callable[[str], str | None],
    pin: PinCheck,
) -> tuple[Supplementary, Verdict]:
    if KINDS[name].locked and code.procedure in ("deactivate", "erase"):
        if not code.information[0]:
            return services, "pin_needed"
        if pin in _PIN_REFUSED:
            return services, _PIN_REFUSED[pin]
    match code.procedure:
        case "ask":
            return services, _standing(services, name)
        case "register":
            return _register(code, name, services, read_number)
        case "erase":
            if name == "call_filter" and code.information[0]:
                return _unfilter(code.information[0], services, read_number)
            return services.put(name, None), "erased"
        case "deactivate" if name == "call_filter" and code.information[0]:
            return _unfilter(code.information[0], services, read_number)
        case "activate" | "deactivate":
            active = code.procedure == "activate"
            try:
                return services.switched(name, active), "on" if active else "off"
            except ServiceError:
                return services, "not_set"


def _standing(services: Supplementary, name: str) -> Verdict:
    setting = services[name]
    if KINDS[name].needs != "nothing" and not setting.numbers:
        return "not_set"
    return "on" if setting.active else "off"


def _register(
    code: StarCode,
    name: str,
    services: Supplementary,
    read_number: Callable[[str], str | None],
) -> tuple[Supplementary, Verdict]:
    text, _, seconds = code.information
    if KINDS[name].needs == "nothing":
        # Barring may be closed with the PIN or without it; other services take nothing.
        if text and not KINDS[name].locked:
            return services, "impossible"
        return services.switched(name, True), "on"
    number = read_number(text)
    if number is None:
        return services, "number_wrong"
    numbers: tuple[str, ...] = (number,)
    if KINDS[name].needs == "numbers":
        numbers = (*services[name].numbers, number)
    if seconds and not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 3):
        return services, "seconds_wrong"
    wanted = int(seconds) if seconds and name == "forward_no_answer" else None
    try:
        return services.given(name, numbers, wanted), "registered"
    except ServiceError:
        return services, "seconds_wrong" if wanted is not None else "impossible"


def _unfilter(
    text: str, services: Supplementary, read_number: Callable[[str], str | None]
) -> tuple[Supplementary, Verdict]:
    """Take one number out of the call filter."""
    number = read_number(text)
    setting = services["call_filter"]
    if number not in setting.numbers:
        return services, "number_wrong"
    left = tuple(item for item in setting.numbers if item != number)
    return services.put("call_filter", Setting(setting.active and bool(left), left)), "erased"
