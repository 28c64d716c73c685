"""Poly and Polycom: a master file that names the phone's file, and attributes in XML (VVX)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch.provisioning.escaping import xml
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Dtmf, Settings, Srtp
from softswitch.provisioning.zones import Change, Summer

_TRANSPORT = {"udp": "UDPOnly", "tcp": "TCPOnly", "tls": "TLS"}
_CODECS = {"PCMU": "G711_Mu", "PCMA": "G711_A", "G722": "G722", "opus": "Opus"}
_LANGUAGES = {"en": "English_United_Kingdom", "ru": "Russian_Russia"}
_OFFER: Mapping[Srtp, str] = {"off": "0", "optional": "1", "required": "1"}
_KEY_KINDS = {"blf": "automata", "speed": "normal"}

Attribute = tuple[str, str]

MASTER = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<APPLICATION APP_FILE_PATH="{firmware}" CONFIG_FILES="phone[PHONE_MAC_ADDRESS].cfg" '
    'MISC_FILES="" LOG_FILE_DIRECTORY="" OVERRIDES_DIRECTORY="" CONTACTS_DIRECTORY="" '
    'LICENSE_DIRECTORY="" USER_PROFILES_DIRECTORY="" CALL_LISTS_DIRECTORY=""/>\n'
)


def master(firmware: str | None) -> bytes:
    """The file `MAC.cfg`, which a phone reads first."""
    return MASTER.format(firmware=xml(firmware or "sip.ld")).encode()


def configuration(settings: Settings) -> bytes:
    """The file `phoneMAC.cfg`."""
    attributes = "\n".join(f'    {name}="{xml(value)}"' for name, value in _settings(settings))
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f"<polycomConfig>\n  <softswitch\n{attributes}\n  />\n</polycomConfig>\n"
    ).encode()


def _settings(settings: Settings) -> Iterator[Attribute]:
    yield from _phone(settings)
    for account in settings.accounts:
        yield from _account(settings, account)
    yield from _keys(settings)


def _phone(settings: Settings) -> Iterator[Attribute]:
    profile = settings.profile
    yield "device.set", "1"
    yield "device.prov.serverType.set", "1"
    yield "device.prov.serverType", "HTTPS"
    yield "device.prov.serverName.set", "1"
    yield "device.prov.serverName", settings.url.rstrip("/")
    yield "device.auth.localAdminPassword.set", "1"
    yield "device.auth.localAdminPassword", settings.admin_password
    yield "prov.polling.enabled", "1"
    yield "prov.polling.mode", "rel"
    yield "prov.polling.period", str(profile.refresh_hours * 3600)
    yield "sec.TLS.prov.strictCertCommonNameValidation", "1"
    yield "lcl.ml.lang", _LANGUAGES.get(settings.language, "")
    yield "tcpIpApp.sntp.address", profile.ntp
    yield "tcpIpApp.sntp.address.overrideDHCP", "1"
    yield "tcpIpApp.sntp.gmtOffset", str(profile.zone.offset_minutes * 60)
    yield "tcpIpApp.sntp.gmtOffset.overrideDHCP", "1"
    yield from _summer(profile.zone.summer)
    yield "feature.urlDialing.enabled", "0"
    used = {_CODECS[codec]: place for place, codec in enumerate(profile.codecs, 1)}
    for name in _CODECS.values():
        yield f"voice.codecPref.{name}", str(used.get(name, 0))


def _summer(summer: Summer | None) -> Iterator[Attribute]:
    name = "tcpIpApp.sntp.daylightSavings"
    if summer is None:
        yield f"{name}.enable", "0"
        return
    yield f"{name}.enable", "1"
    yield f"{name}.fixedDayEnable", "0"
    yield from _change(f"{name}.start", summer.start)
    yield from _change(f"{name}.stop", summer.end)


def _change(name: str, change: Change) -> Iterator[Attribute]:
    """The day of the week counts from 1 (Sunday); `date` is the week's first day of the month."""
    yield f"{name}.month", str(change.month)
    yield f"{name}.dayOfWeek", str(change.weekday + 1)
    yield f"{name}.dayOfWeek.lastInMonth", "1" if change.week == 5 else "0"
    yield f"{name}.date", str(7 * (min(change.week, 4) - 1) + 1)
    yield f"{name}.time", str(change.minutes // 60)


def _account(settings: Settings, account: Account) -> Iterator[Attribute]:
    profile = settings.profile
    name = f"reg.{account.position}"
    yield f"{name}.address", account.login
    yield f"{name}.label", account.label
    yield f"{name}.displayName", account.label
    yield f"{name}.auth.userId", account.username
    yield f"{name}.auth.password", account.password
    servers = [profile.server, *filter(None, [profile.backup_server])]
    for place, server in enumerate(servers, 1):
        yield f"{name}.server.{place}.address", server
        yield f"{name}.server.{place}.port", str(profile.port)
        yield f"{name}.server.{place}.transport", _TRANSPORT[profile.transport]
        yield f"{name}.server.{place}.expires", str(REGISTRATION_SECONDS)
    yield f"{name}.srtp.enable", _OFFER[account.srtp]
    yield f"{name}.srtp.offer", _OFFER[account.srtp]
    yield f"{name}.srtp.require", "1" if account.srtp == "required" else "0"
    if account.position == 1:  # one setting for the whole phone
        yield from _dtmf(account.dtmf)
    yield f"msg.mwi.{account.position}.callBackMode", "contact"
    yield f"msg.mwi.{account.position}.callBack", profile.voicemail
    yield f"msg.mwi.{account.position}.subscribe", account.login


def _dtmf(dtmf: Dtmf) -> Iterator[Attribute]:
    yield "tone.dtmf.viaRtp", "0" if dtmf == "info" else "1"
    yield "tone.dtmf.rfc2833Control", "1" if dtmf == "rfc4733" else "0"
    yield "voIpProt.SIP.dtmfViaSignaling.rfc2976", "1" if dtmf == "info" else "0"


def _keys(settings: Settings) -> Iterator[Attribute]:
    for place, key in enumerate(settings.keys, 1):
        name = f"attendant.resourceList.{place}"
        yield f"{name}.address", key.number
        yield f"{name}.label", key.label or key.number
        yield f"{name}.type", _KEY_KINDS[key.kind]
