"""Grandstream: P-values in XML (GXP, GRP, HT, WP series)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from softswitch.provisioning.device import Key
from softswitch.provisioning.escaping import xml
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings, Srtp

_TRANSPORT = {"udp": "0", "tcp": "1", "tls": "2"}
_SRTP: Mapping[Srtp, str] = {"off": "0", "optional": "1", "required": "2"}
_DTMF: Mapping[Dtmf, str] = {"rfc4733": "101", "inband": "100", "info": "102"}
"""Of adapters (HT), which have one account."""
_DTMF_WAYS: tuple[Dtmf, ...] = ("inband", "rfc4733", "info")
"""Of phones: a value for each way, from P2301 on for account 1 and P2401 for account 2."""
_CODECS = {"PCMU": "0", "PCMA": "8", "G722": "9", "opus": "123"}
_LANGUAGES = {"en": "en", "ru": "ru", "fa": "fa"}
_HTTPS = "2"
_FIRST = {
    "active": 271, "name": 270, "server": 47, "user": 35, "auth": 36,
    "password": 34, "display": 3, "voicemail": 33, "transport": 130, "expires": 32, "srtp": 183,
    "dtmf": 850, "mwi": 99,
}  # fmt: skip
"""P-values of account 1."""
_OTHERS = {
    "active": "01", "server": "02", "user": "04", "auth": "05", "password": "06", "display": "07",
    "name": "17", "voicemail": "26", "transport": "48", "expires": "12", "srtp": "43",
    "mwi": "15",
}  # fmt: skip
_BACKUP = 2312
"""Of account 1, and 2412 of account 2."""
"""Ends of the P-values of the accounts after it, behind the account's digit: P401 is account 2."""
_KEY_KINDS = {"speed": "0", "blf": "1"}
_OLD_KEYS = 7

Setting = tuple[str, str]


def configuration(settings: Settings) -> bytes:
    """The file `cfgMAC.xml`."""
    values = "\n".join(f"    <{name}>{xml(value)}</{name}>" for name, value in _settings(settings))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<gs_provision version="1">\n'
        f"  <mac>{xml(settings.mac)}</mac>\n"
        f'  <config version="1">\n{values}\n  </config>\n</gs_provision>\n'
    ).encode()


def _settings(settings: Settings) -> Iterator[Setting]:
    profile = settings.profile
    yield "P212", _HTTPS
    yield "P237", _path(settings.url)  # configuration server
    yield "P192", _path(settings.firmware.rpartition("/")[0] if settings.firmware else settings.url)
    yield "P194", "1" if settings.firmware else "2"  # 2: never look for firmware
    yield "P193", str(profile.refresh_hours * 60)
    yield "P285", "60"
    yield "P2", settings.admin_password
    yield "P196", settings.admin_password  # of the end user
    yield "P30", profile.ntp
    yield "P64", "customize"
    yield "P246", profile.zone.posix
    yield "P1362", _LANGUAGES.get(settings.language, "en")
    yield "P330", "3"  # phone book: by HTTPS
    yield "P331", _path(settings.url)
    yield "P332", str(profile.refresh_hours * 60)
    for account in settings.accounts:
        yield from _account(settings, account)
    for place, key in enumerate(settings.keys):
        yield from _key(place, key)


def _path(url: str) -> str:
    """A URL as the server paths have it: without the scheme and the slash at the end."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".rstrip("/")


def _account(settings: Settings, account: Account) -> Iterator[Setting]:
    profile = settings.profile
    server = f"{profile.server}:{profile.port}"
    values = {
        "active": "1",
        "name": account.label,
        "server": server,
        "user": account.login,
        "auth": account.username,
        "password": account.password,
        "display": account.label,
        "voicemail": profile.voicemail,
        "transport": _TRANSPORT[profile.transport],
        "expires": str(REGISTRATION_SECONDS // 60),
        "srtp": _SRTP[account.srtp],
        "dtmf": _DTMF[account.dtmf],
        "mwi": "1",
    }
    further = 100 * (account.position - 1)
    if profile.backup_server:
        yield f"P{_BACKUP + further}", f"{profile.backup_server}:{profile.port}"
    for place, way in enumerate(_DTMF_WAYS):
        yield f"P{2301 + place + further}", "1" if way == account.dtmf else "0"
    for name, value in values.items():
        if (number := _number(account.position, name)) is not None:
            yield f"P{number}", value
    first = 57 if account.position == 1 else int(f"{account.position + 2}51")
    for place, codec in enumerate(profile.codecs):
        yield f"P{first + place}", _CODECS[codec]


def _number(position: int, name: str) -> str | None:
    if position == 1:
        return str(_FIRST[name])
    ending = _OTHERS.get(name)
    return None if ending is None else f"{position + 2}{ending}"


def _key(place: int, key: Key) -> Iterator[Setting]:
    """A multi-purpose key: mode, account, label and number. Older models have seven, in a table of
    their own; newer ones read P23000 and so on."""
    values = (_KEY_KINDS[key.kind], "0", key.label or key.number, key.number)
    if place < _OLD_KEYS:
        first = 301 + 3 * place
        yield from zip(
            (f"P{323 + place}", *(f"P{first + at}" for at in range(3))), values, strict=True
        )
    first = 23_000 + 5 * place
    yield from zip((f"P{first + at}" for at in range(4)), values, strict=True)
