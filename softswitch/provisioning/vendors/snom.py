"""Snom: `<settings>` with the phone's settings and its function keys (D3, D7, D8 series)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch.provisioning.escaping import xml
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings
from softswitch.provisioning.zones import Change, Summer

_CODECS = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722", "opus": "opus"}
_LANGUAGES = {"en": "English", "ru": "Russian", "fa": "Persian"}
_TONES = {"RU": "RUS", "GB": "GBR", "US": "USA", "DE": "GER"}
_DTMF: Mapping[Dtmf, str] = {"rfc4733": "off", "inband": "off", "info": "sip_info_only"}

IDENTITIES = 12
"""Of the largest phones. A second server takes an identity of its own, behind the account's."""

Setting = tuple[str, int | None, str]
"""Name, index of the account, value."""


def configuration(settings: Settings) -> bytes:
    """The file that `setting_server` leads to."""
    values = "\n".join(
        f'    <{name}{"" if index is None else f" idx={chr(34)}{index}{chr(34)}"} perm="">'
        f"{xml(value)}</{name}>"
        for name, index, value in _settings(settings)
    )
    keys = "\n".join(_keys(settings))
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<settings>\n'
        f'  <phone-settings e="2">\n{values}\n  </phone-settings>\n'
        f'  <functionKeys e="2">\n{keys}\n  </functionKeys>\n'
        f"</settings>\n"
    ).encode()


def _settings(settings: Settings) -> Iterator[Setting]:
    profile = settings.profile
    yield "setting_server", None, f"{settings.url}{{mac}}.xml"
    yield "settings_refresh_timer", None, str(profile.refresh_hours * 3600)
    yield "update_policy", None, "auto_update" if settings.firmware else "settings_only"
    if settings.firmware is not None:
        yield "firmware", None, settings.firmware
    yield "http_user", None, "admin"
    yield "http_pass", None, settings.admin_password
    yield "admin_mode_password", None, settings.admin_password
    yield "admin_mode_password_confirm", None, settings.admin_password
    yield "check_fqdn_against_server_cert", None, "on"
    yield "language", None, _LANGUAGES.get(settings.language, "English")
    yield "tone_scheme", None, _TONES.get(profile.country, "INT")
    yield "ntp_server", None, profile.ntp
    yield "timezone", None, ""  # by offset and rules, not by one of the phone's names
    yield "utc_offset", None, f"{profile.zone.offset_minutes * 60:+d}"
    yield "dst", None, _summer(profile.zone.summer)
    yield "dkey_directory", None, f"url {settings.phone_book}"
    for account in settings.accounts:
        identity = _identity(settings, account)
        for name, value in _account(settings, account, profile.server):
            yield name, identity, value
        if _has_spare(settings):
            yield "user_failover_identity", identity, str(identity + 1)
            for name, value in _account(settings, account, profile.backup_server):
                yield name, identity + 1, value


def _has_spare(settings: Settings) -> bool:
    """True if each account has a second identity, which registers at the backup server and makes
    the calls while the first one isn't registered."""
    last = max(account.position for account in settings.accounts)
    return bool(settings.profile.backup_server) and 2 * last <= IDENTITIES


def _identity(settings: Settings, account: Account) -> int:
    return 2 * account.position - 1 if _has_spare(settings) else account.position


def _summer(summer: Summer | None) -> str:
    """Seconds saved, then month.week.weekday and time of both changes."""
    if summer is None:
        return ""
    return f"{summer.saved_minutes * 60} {_change(summer.start)} {_change(summer.end)}"


def _change(change: Change) -> str:
    hours, minutes = divmod(change.minutes, 60)
    return f"{change.month:02}.{change.week:02}.{change.weekday or 7:02} {hours:02}:{minutes:02}:00"


def _account(settings: Settings, account: Account, server: str) -> Iterator[tuple[str, str]]:
    profile = settings.profile
    proxy = f"sip:{server}:{profile.port};transport={profile.transport}"
    yield "user_active", "on"
    yield "user_realname", account.label
    yield "user_idle_text", account.label
    yield "user_name", account.login
    yield "user_pname", account.username
    yield "user_pass", account.password
    yield "user_host", profile.domain
    yield "user_outbound", proxy
    yield "user_expiry", str(REGISTRATION_SECONDS)
    yield "user_mailbox", profile.voicemail
    yield "user_srtp", "off" if account.srtp == "off" else "on"
    yield "user_auth_tag", "off"  # HMAC-SHA1-80, which every peer has
    yield "user_savp", "mandatory" if account.srtp == "required" else account.srtp
    yield "user_dtmf_info", _DTMF[account.dtmf]
    codecs = [_CODECS[codec] for codec in profile.codecs if codec in _CODECS]
    yield "codec_priority_list", ",".join((*codecs, "telephone-event"))


def _keys(settings: Settings) -> Iterator[str]:
    for place, account in enumerate(settings.accounts):
        yield _key(place, str(_identity(settings, account)), account.label, "line")
    domain = settings.profile.domain
    for place, key in enumerate(settings.keys, len(settings.accounts)):
        target = f"sip:{key.number}@{domain}"
        value = f"blf {target}" if key.kind == "blf" else f"speed {key.number}"
        yield _key(place, "active", key.label or key.number, value)


def _key(place: int, context: str, label: str, value: str) -> str:
    return (
        f'    <fkey idx="{place}" context="{context}" label="{xml(label)}" perm="">'
        f"{xml(value)}</fkey>"
    )
