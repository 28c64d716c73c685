"""The section [portal] of the configuration: the web for subscribers, staff and programs."""

from __future__ import annotations

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from softswitch.config.network import Networks
from softswitch.config.values import Section, split_address

PORT = 8080


class PortalListen(NamedTuple):
    """The address of a web listener."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def web_listen(value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    host, port = split_address(value)
    return PortalListen(host, port or PORT)


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path):
        raise ValueError(f"{text!r} must look like https://my.example.org")
    return text


def _phone_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("ws", "wss") or not parts.hostname):
        raise ValueError(f"{text!r} must look like wss://sip.example.org:7443")
    return text


class PortalSection(Section):
    """[portal]: the web, served by `softswitch portal`. Put a proxy with TLS before it."""

    listen: Annotated[PortalListen, BeforeValidator(web_listen)] = PortalListen("127.0.0.1", PORT)
    """Address and port for subscribers, the API and, unless `console` is set, staff."""
    console: Annotated[PortalListen | None, BeforeValidator(web_listen)] = None
    """Another address and port, where alone staff can sign in."""
    console_networks: Networks = ()
    """The networks from which staff may come, such as "10.0.0.0/8"; none: from everywhere."""
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    """The address that browsers use, such as "https://my.example.org"; it stands in mails."""
    console_url: Annotated[str, AfterValidator(_public_url)] = ""
    """The address at which staff open the console, if it isn't `public_url`; passkeys belong to its
    name."""
    trusted_proxies: Networks = ()
    """Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count."""
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """After so many minutes without a request a session of staff ends."""
    staff_totp: bool = True
    """True if staff must sign in with a one-time code of an authenticator app as well."""
    phone_url: Annotated[str, AfterValidator(_phone_url)] = ""
    """The address at which browser phones of the cabinet register, such as
    "wss://sip.example.org:7443": one of `[sip] listen` with wss, by a name in its certificate.
    Empty: the cabinet has no phone."""
    webhook_networks: Networks = ()
    """Networks that aren't public to which webhooks may be sent all the same, such as
    "10.1.0.0/16"."""
    workers: Annotated[int, Field(ge=1, le=32)] = 4
    """Database reads that are made at once."""

    @property
    def url(self) -> str:
        """The address for links, without a slash at its end."""
        return self.public_url or f"http://{self.listen}"
