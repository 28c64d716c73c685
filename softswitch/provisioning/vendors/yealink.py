"""Yealink: `KEY = VALUE` lines below a version (SIP-T2, T3, T4, T5, W series)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch.provisioning.escaping import yealink as escaped
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings, Srtp
from softswitch.provisioning.zones import Change, Summer

_TRANSPORT = {"udp": "0", "tcp": "1", "tls": "2"}
_SRTP: Mapping[Srtp, str] = {"off": "0", "optional": "1", "required": "2"}
_DTMF: Mapping[Dtmf, str] = {"inband": "0", "rfc4733": "1", "info": "2"}
_CODECS = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722", "opus": "opus"}
_LANGUAGES = {"en": "English", "ru": "Russian", "fa": "Persian"}
"""Languages that its screens have; others see English."""
_TONES = {"RU": "Russia", "GB": "Great Britain", "US": "United States", "DE": "Germany"}
_LINE_KEY, _SPEED_KEY, _BLF_KEY = "15", "13", "16"

Setting = tuple[str, str]


def configuration(settings: Settings) -> bytes:
    """The file `MAC.cfg`."""
    lines = [f"{key} = {escaped(value)}".rstrip() for key, value in _settings(settings)]
    return "\n".join(("#!version:1.0.0.1", *lines, "")).encode("utf-8")


def _settings(settings: Settings) -> Iterator[Setting]:
    yield from _phone(settings)
    for account in settings.accounts:
        yield from _account(settings, account)
    yield from _keys(settings)


def _phone(settings: Settings) -> Iterator[Setting]:
    profile = settings.profile
    yield "static.auto_provision.server.url", settings.url
    yield "static.auto_provision.custom.protect", "1"
    yield "static.auto_provision.power_on", "1"
    yield "static.auto_provision.repeat.enable", "1"
    yield "static.auto_provision.repeat.minutes", str(profile.refresh_hours * 60)
    yield "static.security.user_password", f"admin:{settings.admin_password}"
    # The server's certificate is checked: a configuration holds passwords.
    yield "static.security.trust_certificates", "1"
    yield "static.security.cn_validation", "1"
    if settings.firmware is not None:
        yield "static.firmware.url", settings.firmware
    yield "lang.gui", _LANGUAGES.get(settings.language, "English")
    yield "voice.tone.country", _TONES.get(profile.country, "Custom")
    yield "local_time.ntp_server1", profile.ntp
    yield "local_time.time_zone", profile.zone.hours
    yield from _summer(profile.zone.summer)
    yield "remote_phonebook.data.1.url", settings.phone_book
    yield "remote_phonebook.data.1.name", profile.title or profile.domain


def _summer(summer: Summer | None) -> Iterator[Setting]:
    if summer is None:
        yield "local_time.summer_time", "0"
        return
    yield "local_time.summer_time", "1"
    yield "local_time.dst_time_type", "1"
    yield "local_time.start_time", _change(summer.start)
    yield "local_time.end_time", _change(summer.end)
    yield "local_time.offset_time", str(summer.saved_minutes)


def _change(change: Change) -> str:
    """Month, week, weekday (7: Sunday) and hour."""
    return f"{change.month}/{change.week}/{change.weekday or 7}/{change.minutes // 60}"


def _account(settings: Settings, account: Account) -> Iterator[Setting]:
    profile = settings.profile
    name = f"account.{account.position}"
    yield f"{name}.enable", "1"
    yield f"{name}.label", account.label
    yield f"{name}.display_name", account.label
    yield f"{name}.auth_name", account.username
    yield f"{name}.user_name", account.login
    yield f"{name}.password", account.password
    servers = [profile.server, *filter(None, [profile.backup_server])]
    for place, server in enumerate(servers, 1):
        yield f"{name}.sip_server.{place}.address", server
        yield f"{name}.sip_server.{place}.port", str(profile.port)
        yield f"{name}.sip_server.{place}.transport_type", _TRANSPORT[profile.transport]
        yield f"{name}.sip_server.{place}.expires", str(REGISTRATION_SECONDS)
    yield f"{name}.fallback.redundancy_type", "1"
    yield f"{name}.srtp_encryption", _SRTP[account.srtp]
    yield f"{name}.dtmf.type", _DTMF[account.dtmf]
    yield f"{name}.nat.rport", "1"
    yield f"{name}.subscribe_mwi", "1"
    yield f"voice_mail.number.{account.position}", profile.voicemail
    for codec, key in _CODECS.items():
        used = codec in profile.codecs
        yield f"{name}.codec.{key}.enable", "1" if used else "0"
        if used:
            yield f"{name}.codec.{key}.priority", str(profile.codecs.index(codec) + 1)


def _keys(settings: Settings) -> Iterator[Setting]:
    """The line keys: the accounts first, then the keys that were asked for."""
    for place, account in enumerate(settings.accounts, 1):
        yield f"linekey.{place}.type", _LINE_KEY
        yield f"linekey.{place}.line", str(account.position)
        yield f"linekey.{place}.label", account.label
    for place, key in enumerate(settings.keys, len(settings.accounts) + 1):
        yield f"linekey.{place}.type", _BLF_KEY if key.kind == "blf" else _SPEED_KEY
        yield f"linekey.{place}.line", "1"
        yield f"linekey.{place}.value", key.number
        yield f"linekey.{place}.label", key.label or key.number
