"""Cisco SPA and Linksys: `<flat-profile>` (SPA3xx, SPA5xx, SPA1xx)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch.provisioning.escaping import element
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings
from softswitch.provisioning.zones import Change, Summer, Zone

_CODECS = {"PCMU": "G711u", "PCMA": "G711a", "G722": "G722"}
_PREFERENCES = ("Preferred", "Second_Preferred", "Third_Preferred")
_DTMF: Mapping[Dtmf, str] = {"rfc4733": "AVT", "inband": "InBand", "info": "INFO"}


def configuration(settings: Settings) -> bytes:
    """The file that `Profile_Rule` leads to."""
    values = "\n".join(f"  {element(name, value)}" for name, value in _settings(settings))
    return f"<flat-profile>\n{values}\n</flat-profile>\n".encode()


def _settings(settings: Settings) -> Iterator[tuple[str, str]]:
    profile = settings.profile
    yield "Provision_Enable", "Yes"
    yield "Resync_On_Reset", "Yes"
    yield "Resync_Periodic", str(profile.refresh_hours * 3600)
    yield "Profile_Rule", f"{settings.url}$MA.xml"
    if settings.firmware is not None:
        yield "Upgrade_Enable", "Yes"
        yield "Upgrade_Rule", settings.firmware
    yield "Admin_Passwd", settings.admin_password
    yield "Primary_NTP_Server", profile.ntp
    yield "Time_Zone", _offset(profile.zone)
    yield from _summer(profile.zone.summer)
    yield "XML_Directory_Service_Name", profile.title or profile.domain
    yield "XML_Directory_Service_URL", settings.phone_book
    yield "Voice_Mail_Number", profile.voicemail
    for account in settings.accounts:
        yield from _account(settings, account)
    yield from _keys(settings)


def _offset(zone: Zone) -> str:
    sign = "-" if zone.offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(zone.offset_minutes), 60)
    return f"GMT{sign}{hours:02}:{minutes:02}"


def _summer(summer: Summer | None) -> Iterator[tuple[str, str]]:
    if summer is None:
        yield "Daylight_Saving_Time_Enable", "no"
        return
    yield "Daylight_Saving_Time_Enable", "yes"
    saved = _time(summer.saved_minutes)
    rule = f"start={_change(summer.start)};end={_change(summer.end)};save={saved}"
    yield "Daylight_Saving_Time_Rule", rule


def _change(change: Change) -> str:
    """Month, day from which the weekday is looked for (-1: the last), weekday and time."""
    day = "-1" if change.week == 5 else str(7 * (change.week - 1) + 1)
    return f"{change.month}/{day}/{change.weekday or 7}/{_time(change.minutes)}"


def _time(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest}:0"


def _account(settings: Settings, account: Account) -> Iterator[tuple[str, str]]:
    profile = settings.profile
    end = f"_{account.position}_"
    yield f"Line_Enable{end}", "Yes"
    yield f"Proxy{end}", f"{profile.server}:{profile.port}"
    if profile.backup_server:
        yield f"Alternate_Proxy{end}", f"{profile.backup_server}:{profile.port}"
        yield f"Dual_Registration{end}", "No"
    yield f"Register{end}", "Yes"
    yield f"Register_Expires{end}", str(REGISTRATION_SECONDS)
    yield f"SIP_Transport{end}", profile.transport.upper()
    yield f"Display_Name{end}", account.label
    yield f"User_ID{end}", account.login
    yield f"Use_Auth_ID{end}", "Yes"
    yield f"Auth_ID{end}", account.username
    yield f"Password{end}", account.password
    yield f"Secure_Call_Setting{end}", "No" if account.srtp == "off" else "Yes"
    yield f"Mailbox_ID{end}", account.login
    yield f"Mailbox_Subscribe_Expires{end}", str(REGISTRATION_SECONDS)
    yield f"DTMF_Tx_Method{end}", _DTMF[account.dtmf]
    codecs = [_CODECS[codec] for codec in profile.codecs if codec in _CODECS]
    for name, codec in zip(_PREFERENCES, codecs, strict=False):
        yield f"{name}_Codec{end}", codec


def _keys(settings: Settings) -> Iterator[tuple[str, str]]:
    """The line keys: the accounts first, then the keys that were asked for."""
    for place, account in enumerate(settings.accounts, 1):
        yield f"Extension_{place}_", str(account.position)
        yield f"Short_Name_{place}_", account.label
    for place, key in enumerate(settings.keys, len(settings.accounts) + 1):
        # Fields of a function are parted by semicolons: a label stays out of it.
        function = "fnc=sd+blf+cp;sub=" if key.kind == "blf" else "fnc=sd;ext="
        yield f"Extension_{place}_", "Disabled"
        yield f"Short_Name_{place}_", key.label or key.number
        yield f"Extended_Function_{place}_", f"{function}{key.number}@$PROXY"
