"""Configurations of apps: Linphone's remote provisioning, and Zoiper's."""

from __future__ import annotations

from collections.abc import Iterator

from softswitch.provisioning.escaping import element, xml
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Settings

_LPCONFIG = "http://www.linphone.org/xsds/lpconfig.xsd"
_MEDIA_ENCRYPTION = {"off": "none", "optional": "srtp", "required": "srtp"}


def linphone(settings: Settings) -> bytes:
    """Sections of Linphone's settings, as XML (lpconfig). The next fetch goes to the permanent
    URL."""
    sections = [
        _section("misc", _misc(settings)),
        *(_section(f"proxy_{account.position - 1}", _proxy(settings, account))
          for account in settings.accounts),
        *(_section(f"auth_info_{account.position - 1}", _auth_info(settings, account))
          for account in settings.accounts),
        _section("sip", _sip(settings)),
    ]  # fmt: skip
    body = "\n".join(sections)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<config xmlns="{_LPCONFIG}">\n{body}\n</config>\n'
    ).encode()


def _section(name: str, entries: Iterator[tuple[str, str]]) -> str:
    lines = "\n".join(
        f'    <entry name="{key}" overwrite="true">{xml(value)}</entry>' for key, value in entries
    )
    return f'  <section name="{name}">\n{lines}\n  </section>'


def _misc(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "config-uri", f"{settings.url}linphone.xml"
    yield "transient_provisioning", "0"


def _proxy(settings: Settings, account: Account) -> Iterator[tuple[str, str]]:
    profile = settings.profile
    server = f"<sip:{profile.server}:{profile.port};transport={profile.transport}>"
    yield "reg_proxy", server
    yield "reg_route", server
    yield "reg_identity", f'"{_quoted(account.label)}" <sip:{account.login}@{profile.domain}>'
    yield "reg_expires", str(REGISTRATION_SECONDS)
    yield "reg_sendregister", "1"
    yield "publish", "0"


def _auth_info(settings: Settings, account: Account) -> Iterator[tuple[str, str]]:
    yield "username", account.login
    yield "userid", account.username
    yield "passwd", account.password
    yield "domain", settings.profile.domain


def _sip(settings: Settings) -> Iterator[tuple[str, str]]:
    srtp = settings.accounts[0].srtp if settings.accounts else "off"
    yield "media_encryption", _MEDIA_ENCRYPTION[srtp]
    yield "media_encryption_mandatory", "1" if srtp == "required" else "0"
    yield "default_proxy", "0"
    yield "use_info", "1" if settings.accounts and settings.accounts[0].dtmf == "info" else "0"


def _quoted(text: str) -> str:
    """A display name inside quotes (RFC 3261 section 25.1)."""
    return text.replace("\\", "").replace('"', "")


def zoiper(settings: Settings) -> bytes:
    """Accounts as Zoiper takes them from a provisioning URL."""
    accounts = "\n".join(_zoiper_account(settings, account) for account in settings.accounts)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<options>\n<accounts>\n'
        f"{accounts}\n</accounts>\n</options>\n"
    ).encode()


def _zoiper_account(settings: Settings, account: Account) -> str:
    profile = settings.profile
    fields = {
        "name": account.label,
        "username": account.login,
        "authentication_username": account.username,
        "password": account.password,
        "SIP_domain": profile.domain,
        "SIP_use_outbound_proxy": "true",
        "SIP_outbound_proxy": f"{profile.server}:{profile.port}",
        "SIP_transport_type": profile.transport,
        "SIP_callerId": account.label,
        "SIP_voicemail_check_extension": profile.voicemail,
        "SIP_srtp_mode": "none" if account.srtp == "off" else "sdes",
        "protocol": "sip",
        "register_on_startup": "true",
        "reregistration_time": str(REGISTRATION_SECONDS),
    }
    body = "".join(element(name, value) for name, value in fields.items())
    return f"<account>{body}</account>"
