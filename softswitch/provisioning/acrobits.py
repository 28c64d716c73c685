"""Cloud Softphone (Acrobits): the account in XML, the text in the QR code, and web services.

The app puts `%variables%` into the URLs and bodies of web services. Ours carry the device's token
in their path, so that no password goes with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import msgspec

from softswitch.provisioning.escaping import element
from softswitch.provisioning.settings import REGISTRATION_SECONDS, Account, Settings

BALANCE_SECONDS = 300
AFTER_CALL_SECONDS = 5
"""The app asks for the balance so long after a call; it is final by then."""
RATE_DIGITS = 3
"""The app asks for a price once so many digits were typed."""
_CODECS = {"PCMU": "0", "PCMA": "8", "G722": "9", "opus": "123"}
_JSON = "application/json"


def qr_text(code: str, cloud_id: str) -> str:
    """The text of the QR code: a one-time code at the place of a username, and the id of the
    operator's app. The last "@" parts them."""
    return f"csc:{quote(code, safe='')}@{cloud_id}"


def account_xml(settings: Settings) -> bytes:
    """The answer to external provisioning: the first account of the device."""
    lines = [element(name, value) for name, value in _account(settings)]
    return ("<account>\n" + "\n".join(lines) + "\n</account>\n").encode()


def _account(settings: Settings) -> Iterator[tuple[str, str]]:
    profile = settings.profile
    account = settings.accounts[0]
    yield "title", profile.title or profile.domain
    yield "username", account.login
    yield "authUsername", account.username
    yield "password", account.password
    yield "userDisplayName", account.label
    # The subscriber finds the own number in the app's account settings (A10).
    yield "userCallerId", account.number
    yield "host", profile.domain
    yield "proxy", f"{profile.server}:{profile.port}"
    yield "transport", profile.transport
    yield "expires", str(REGISTRATION_SECONDS)
    yield "icm", "push"
    # Texts come by the web services below; by SIP as well they would come twice.
    yield "allowMessage", "0"
    yield "voiceMailNumber", profile.voicemail
    yield from _sound(settings, account)
    yield "extProvUrl", f"{settings.url}acrobits.xml"
    yield "extProvInterval", str(profile.refresh_hours * 3600)
    yield from _services(settings)


def _sound(settings: Settings, account: Account) -> Iterator[tuple[str, str]]:
    """Sound settings (A17): codecs on Wi-Fi and on cellular networks, SRTP, STUN."""
    profile = settings.profile
    yield "codecOrder", ",".join(_CODECS[codec] for codec in profile.codecs)
    yield "codecOrder3G", ",".join(_CODECS[codec] for codec in profile.codecs_cellular)
    sdes = {"off": "disabled", "optional": "enabled", "required": "required"}[account.srtp]
    yield "sdesIncoming", sdes
    yield "sdesOutgoing", sdes
    yield "dtmfOrder", "info" if account.dtmf == "info" else "rfc2833"
    if profile.stun:
        yield "STUN", profile.stun


def _services(settings: Settings) -> Iterator[tuple[str, str]]:
    services = f"{settings.profile.url}/app/{settings.url.rstrip('/').rpartition('/')[2]}"
    yield "genericBalanceCheckUrl", f"{services}/balance"
    yield "balanceCheckIntervalInSeconds", str(BALANCE_SECONDS)
    yield "balanceCheckDelayInSeconds", str(AFTER_CALL_SECONDS)
    yield "genericRateCheckUrl", f"{services}/rate?targetNumber=%targetNumber%"
    yield "rateCheckMinNumberLength", str(RATE_DIGITS)
    yield from _post(
        "genericSmsSend",
        f"{services}/send",
        {"sms_to": "%sms_to%", "sms_body": "%sms_body%", "content_type": "%content_type%"},
    )
    yield from _post(
        "genericSmsFetch",
        f"{services}/fetch",
        {"last_id": "%last_known_sms_id%", "last_sent_id": "%last_known_sent_sms_id%"},
    )
    yield from _post(
        "pushTokenReporter",
        f"{services}/push",
        {
            "selector": "%selector%",
            "call_token": "%pushTokenIncomingCall%",
            "call_app": "%pushappid_incoming_call%",
            "other_token": "%pushTokenOther%",
            "other_app": "%pushappid_other%",
        },
    )


def _post(name: str, url: str, body: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield f"{name}Url", url
    yield f"{name}PostData", msgspec.json.encode(body).decode()
    yield f"{name}ContentType", _JSON
