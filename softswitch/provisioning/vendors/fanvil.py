"""Fanvil: `<sysConf>` (X, V and H series)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch.provisioning.escaping import element
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings, Srtp
from softswitch.provisioning.zones import Change, Summer

_TRANSPORT = {"udp": "0", "tcp": "1", "tls": "3"}
_SRTP: Mapping[Srtp, str] = {"off": "0", "optional": "2", "required": "1"}
_DTMF: Mapping[Dtmf, str] = {"inband": "0", "rfc4733": "1", "info": "2"}
_CODECS = {"PCMU": "PCMU", "PCMA": "PCMA", "G722": "G722", "opus": "opus"}
_LANGUAGES = {"en": "en", "ru": "ru", "fa": "fa"}
_QUARTER_HOUR_MINUTES = 15
_HTTPS = "5"
_LINE_KEY, _MEMORY_KEY, _URL_KEY = "2", "1", "21"


def configuration(settings: Settings) -> bytes:
    """The file `MAC.cfg`."""
    parts = (*_phone(settings), *_sip(settings), *_keys(settings))
    body = "\n".join(parts)
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<sysConf>\n'
        f"<Version>2.0000000000</Version>\n{body}\n</sysConf>\n"
    ).encode()


def _phone(settings: Settings) -> Iterator[str]:
    profile = settings.profile
    yield "<phone>"
    yield element("MenuPassword", settings.admin_password)
    yield "<date>"
    yield element("EnableSNTP", "1")
    yield element("SNTPServer", profile.ntp)
    yield element("TimeZone", str(profile.zone.offset_minutes // _QUARTER_HOUR_MINUTES))
    yield element(
        "TimeZoneName", f"UTC{profile.zone.hours}" if profile.zone.hours != "0" else "UTC"
    )
    yield from _summer(profile.zone.summer)
    yield "</date><display>"
    yield element("DefaultLanguage", _LANGUAGES.get(settings.language, "en"))
    yield "</display></phone>"
    yield '<web><account index="1">'
    yield element("Name", "admin")
    yield element("Password", settings.admin_password)
    yield element("Level", "10")
    yield "</account></web>"
    yield "<ap>"
    yield element("DownloadCommonConf", "0")
    yield element("DownloadDeviceConf", "1")
    yield element("SaveProvisionInfo", "1")
    yield element("FlashServerIP", settings.url.rstrip("/"))
    yield element("FlashFileName", "$mac.cfg")
    yield element("FlashProtocol", _HTTPS)
    yield element("FlashMode", "1")  # at each start
    yield element("FlashInterval", str(profile.refresh_hours))
    yield "</ap>"
    if settings.firmware is not None:
        yield "<fwCheck>"
        yield element("EnableAutoUpgrade", "1")
        yield element("UpgradeServer1", settings.firmware)
        yield "</fwCheck>"


def _summer(summer: Summer | None) -> Iterator[str]:
    if summer is None:
        yield element("EnableDST", "0")
        return
    yield element("EnableDST", "2")
    yield element("DSTFixedType", "2")  # by week
    yield element("DSTMinOffset", str(summer.saved_minutes))
    yield from _change("Start", summer.start)
    yield from _change("End", summer.end)


def _change(name: str, change: Change) -> Iterator[str]:
    """Week -1 is the last, weekday 1 Sunday."""
    yield element(f"DST{name}Mon", str(change.month))
    yield element(f"DST{name}Week", "-1" if change.week == 5 else str(change.week))
    yield element(f"DST{name}Wday", str(change.weekday + 1))
    yield element(f"DST{name}Hour", str(change.minutes // 60))


def _sip(settings: Settings) -> Iterator[str]:
    yield "<sip>"
    for account in settings.accounts:
        yield from _account(settings, account)
    yield "</sip>"


def _account(settings: Settings, account: Account) -> Iterator[str]:
    profile = settings.profile
    transport = _TRANSPORT[profile.transport]
    yield f'<line index="{account.position}">'
    yield element("PhoneNumber", account.login)
    yield element("DisplayName", account.label)
    yield element("SipName", profile.domain)
    yield element("RegisterAddr", profile.server)
    yield element("RegisterPort", str(profile.port))
    yield element("RegisterUser", account.username)
    yield element("RegisterPswd", account.password)
    yield element("RegisterTTL", str(REGISTRATION_SECONDS))
    yield element("EnableReg", "1")
    yield element("Transport", transport)
    if profile.backup_server:
        yield element("BackupAddr", profile.backup_server)
        yield element("BackupPort", str(profile.port))
        yield element("BackupTransport", transport)
    yield element("MWINum", profile.voicemail)
    yield element("SubscribeMWI", "1")
    yield element("EncryptionType", _SRTP[account.srtp])
    yield element("DTMFMode", _DTMF[account.dtmf])
    codecs = ",".join(_CODECS[codec] for codec in profile.codecs if codec in _CODECS)
    yield element("VoiceCodecMap", codecs)
    yield "</line>"


def _keys(settings: Settings) -> Iterator[str]:
    yield '<dsskey><internal index="1">'
    for place, account in enumerate(settings.accounts, 1):
        yield _key(place, _LINE_KEY, f"SIP{account.position}", account.label)
    for place, key in enumerate(settings.keys, len(settings.accounts) + 1):
        # /ba: busy lamp that also calls and picks up; /f: speed dial; at account 1.
        yield _key(
            place,
            _MEMORY_KEY,
            f"{key.number}@1/{'ba' if key.kind == 'blf' else 'f'}",
            key.label or key.number,
        )
    yield '</internal><dssSoft index="1">'
    yield element("Type", _URL_KEY)
    yield element("Value", settings.phone_book)
    yield element("Title", settings.profile.title or settings.profile.domain)
    yield "</dssSoft></dsskey>"


def _key(place: int, kind: str, value: str, title: str) -> str:
    return (
        f'<Fkey index="{place}">{element("Type", kind)}{element("Value", value)}'
        f"{element('Title', title)}</Fkey>"
    )
