"""Devices, lines and profiles for tests of provisioning."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from softswitch.provisioning.device import Device, DeviceLine, Holder, Key, Kind
from softswitch.provisioning.settings import Profile, Settings, settings_of
from softswitch.provisioning.zones import zone_of

TOKEN = "abcdefghjkmnpqrstuvwxyz234"
MAC = "0015654aa937"
TBILISI = zone_of("<+04>-4")
LONDON = zone_of("GMT0BST,M3.5.0/1,M10.5.0")

PROFILE = Profile(
    url="https://prov.example.org",
    domain="sip.example.org",
    server="sip1.example.org",
    backup_server="sip2.example.org",
    port=5061,
    transport="tls",
    codecs=("G722", "PCMA", "PCMU"),
    codecs_cellular=("opus", "PCMA"),
    stun="",
    ntp="pool.ntp.org",
    zone=TBILISI,
    country="GE",
    language="en",
    currency="GEL",
    title="Example",
    voicemail="*97",
    refresh_hours=24,
    admin_password="",
    cloud_id="EXAMPLE*",
    needs_certificate=False,
)
NINO = Holder(1, "+995322000001", "995322000001", "Nino", "ka", None, None)
GIO = Holder(2, "+995322000002", "gio", "", None, "required", "info")
KEYS = (Key("blf", "1002", "Gio"), Key("speed", "+995322000009"))


def device(kind: Kind = "yealink", **more: Any) -> Device:
    facts: dict[str, Any] = {
        "id": "d1", "account_id": 1, "kind": kind, "created_at": 0, "mac": MAC, "keys": KEYS,
        "lines": (DeviceLine(1, 1, "dnino"), DeviceLine(2, 2, "dgio")),
    }  # fmt: skip
    return Device(**facts | more)


def settings(
    kind: Kind = "yealink", *, name: str = "Nino", firmware: str | None = None, **profile: Any
) -> Settings:
    holders = {1: replace(NINO, display_name=name), 2: GIO}
    return settings_of(replace(PROFILE, **profile), device(kind), holders, TOKEN, firmware)
