"""Devices: the desk phones and apps of lines, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec import Struct

Phone = Literal["yealink", "grandstream", "snom", "fanvil", "poly", "cisco_spa"]
App = Literal["acrobits", "linphone", "zoiper"]
Kind = Phone | App | Literal["other"]
"""`other`: a phone that is set up by hand, with a username and password of its own."""

PHONES: tuple[Phone, ...] = get_args(Phone)
APPS: tuple[App, ...] = get_args(App)

MAX_LINES = 16
"""Accounts of one device: the largest desk phones have as many."""
MAX_KEYS = 128
"""Programmed keys of one device: a large phone with three key modules."""

KeyKind = Literal["blf", "speed"]
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)

_MAC = re.compile(r"[0-9a-f]{12}")


def mac_of(text: str) -> str | None:
    """A MAC address as twelve lower-case hexadecimal digits; None if the text is none."""
    digits = text.strip().lower().replace(":", "").replace("-", "").replace(".", "")
    return digits if _MAC.fullmatch(digits) else None


class Key(Struct, frozen=True):
    """A programmed key: a busy lamp (RFC 4235) that also calls and picks up, or a speed dial."""

    kind: KeyKind
    number: str
    label: str = ""


class DeviceLine(Struct, frozen=True):
    """An account of a device: which line it is, and the digest username that is its own."""

    position: int
    """The number of the account on the device, from 1."""
    line_id: int
    username: str


@dataclass(frozen=True, slots=True)
class Device:
    """A desk phone or an app; times are epoch milliseconds."""

    id: str
    account_id: int
    kind: Kind
    created_at: int
    name: str = ""
    model: str = ""
    mac: str | None = None
    """None: an app, or a phone that is known by the MAC with which it enrols."""
    keys: tuple[Key, ...] = ()
    lines: tuple[DeviceLine, ...] = ()
    enrolment_ends_at: int | None = None
    """The end of its one-time URL or code; None: none is open."""
    rotating: bool = False
    """True until the device has fetched its next URL and passwords, and used them."""
    enrolled_at: int | None = None
    seen_at: int | None = None
    seen_address: str = ""
    seen_agent: str = ""

    @property
    def is_phone(self) -> bool:
        return self.kind in PHONES

    def state(self, now_ms: int) -> str:
        """new, waiting (for the one-time URL or code to be used), expired, rotating or ready."""
        if self.enrolled_at is None:
            if self.enrolment_ends_at is None:
                return "new"
            return "waiting" if now_ms < self.enrolment_ends_at else "expired"
        return "rotating" if self.rotating else "ready"


Presented = Literal["permanent", "next", "enrolment"]
"""The token by which a device came: the one that it uses, the one that it was handed last, or its
one-time token."""


class Holder(Struct, frozen=True):
    """The facts of a line that its devices are told."""

    id: int
    number: str
    login: str
    display_name: str
    language: str | None
    srtp: str | None
    dtmf: str | None


class Found(Struct, frozen=True):
    """A device, the token by which it was found, and the facts of its lines by their ids."""

    device: Device
    presented: Presented
    holders: dict[int, Holder]


class PushToken(Struct, frozen=True):
    """The addresses by which an app's push service wakes it: for calls, and for all else."""

    device_id: str
    selector: str
    """The app's name for the account."""
    call_token: str
    call_app: str
    other_token: str
    other_app: str
    reported_at: int
