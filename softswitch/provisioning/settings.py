"""The settings of a phone or app in words of no vendor; `vendors` and `apps` write them down."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from softswitch.provisioning.device import Device, Holder, Key
from softswitch.provisioning.tokens import password_of
from softswitch.provisioning.zones import Zone

Transport = Literal["udp", "tcp", "tls"]
Srtp = Literal["off", "optional", "required"]
Dtmf = Literal["rfc4733", "info", "inband"]

REGISTRATION_SECONDS = 3600


class Profile(Struct, frozen=True):
    """The facts of the switch that every phone is told."""

    url: str
    """By which phones reach the portal, without a slash at its end."""
    domain: str
    server: str
    backup_server: str
    port: int
    transport: Transport
    codecs: tuple[str, ...]
    codecs_cellular: tuple[str, ...]
    stun: str
    ntp: str
    zone: Zone
    country: str
    language: str
    currency: str
    title: str
    """The operator's name, for the title of an app's account."""
    voicemail: str
    """The code of the mailbox menu; "": none."""
    refresh_hours: int
    admin_password: str
    """Of phones' web pages; "": each has a random one of its own."""
    cloud_id: str
    needs_certificate: bool


class Account(Struct, frozen=True):
    """One account of a phone: a line, with the device's own username and password."""

    position: int
    number: str
    """E.164 with "+"."""
    login: str
    """The user of the address of record."""
    display_name: str
    username: str
    """Of the digest."""
    password: str
    srtp: Srtp
    dtmf: Dtmf

    @property
    def label(self) -> str:
        """The account's name on the phone's screen."""
        return self.display_name or self.number


class Settings(Struct, frozen=True):
    """The settings of one device."""

    profile: Profile
    mac: str
    model: str
    url: str
    """The folder of the device's files: the permanent URL, with a slash at its end."""
    language: str
    accounts: tuple[Account, ...]
    keys: tuple[Key, ...]
    admin_password: str
    firmware: str | None
    """The URL of the firmware for its model; None: it keeps the one it has."""

    @property
    def phone_book(self) -> str:
        """The URL of the phone book."""
        return f"{self.url}phonebook.xml"


def settings_of(
    profile: Profile,
    device: Device,
    holders: dict[int, Holder],
    token: str,
    firmware: str | None = None,
) -> Settings:
    """The settings of a device whose permanent URL has this token."""
    accounts = tuple(
        _account(profile, each.position, each.username, holders[each.line_id], token)
        for each in device.lines
        if each.line_id in holders
    )
    first = next((holders[each.line_id] for each in device.lines if each.line_id in holders), None)
    url = f"{profile.url}/d/{token}/"
    return Settings(
        profile=profile,
        mac=device.mac or "",
        model=device.model,
        url=url,
        language=(first.language if first is not None else None) or profile.language,
        accounts=accounts,
        keys=device.keys,
        admin_password=profile.admin_password or password_of(token, "admin"),
        firmware=None if firmware is None else f"{url}firmware/{firmware}",
    )


def _account(profile: Profile, position: int, username: str, holder: Holder, token: str) -> Account:
    return Account(
        position=position,
        number=holder.number,
        login=holder.login,
        display_name=holder.display_name,
        username=username,
        password=password_of(token, username),
        srtp=_srtp(profile, holder.srtp),
        dtmf=_dtmf(holder.dtmf),
    )


def _srtp(profile: Profile, policy: str | None) -> Srtp:
    """The line's policy; without one, SRTP wherever signalling is encrypted: keys that go over the
    wire in clear protect nothing (RFC 4568 section 7)."""
    match policy:
        case "off" | "optional" | "required":
            return policy
        case _:
            return "optional" if profile.transport == "tls" else "off"


def _dtmf(policy: str | None) -> Dtmf:
    match policy:
        case "info" | "inband":
            return policy
        case _:
            return "rfc4733"
