"""The section [provisioning] of the configuration: phones and apps that set themselves up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from softswitch.config.network import AuthorityFile
from softswitch.config.portal import PortalListen, web_listen
from softswitch.config.values import Section, below_config, comma_list

PhoneTransport = Literal["udp", "tcp", "tls"]
Codec = Literal["PCMA", "PCMU", "G722", "opus"]


class ProvisioningSection(Section):
    """[provisioning]: what desk phones and apps are told."""

    url: Annotated[
        str, Field(pattern=r"^$|^https://[0-9A-Za-z.:\[\]\-]+(/[0-9A-Za-z._~/\-]*)?$")
    ] = ""
    """The URL by which phones and apps reach the portal, such as "https://prov.example.org".
    Empty: nothing is provisioned."""
    listen: Annotated[PortalListen | None, BeforeValidator(web_listen)] = None
    """A listener of `softswitch portal` for phones and apps alone, with the certificates of [tls],
    such as "0.0.0.0:8443". None: they come by [portal] listen, through a proxy with TLS."""
    server: str = ""
    """The host at which phones register. Empty: the domain."""
    backup_server: str = ""
    """A second host, for phones that find the first one dead. Empty: none."""
    transport: PhoneTransport | None = None
    """How phones register. None: by TLS if the switch listens on it, else by UDP."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port at which phones register. None: that of the first socket of the transport."""
    codecs: Annotated[tuple[Codec, ...], BeforeValidator(comma_list), Field(min_length=1)] = (
        "G722", "PCMA", "PCMU",
    )  # fmt: skip
    """Codecs of desk phones, and of apps on Wi-Fi, the preferred one first."""
    codecs_cellular: Annotated[
        tuple[Codec, ...], BeforeValidator(comma_list), Field(min_length=1)
    ] = ("opus", "PCMA", "PCMU")
    """Codecs of apps on a cellular network."""
    stun: str = ""
    """A STUN server for apps, "HOST" or "HOST:PORT". Empty: none; the switch needs none."""
    ntp: str = "pool.ntp.org"
    """The time server of desk phones."""
    refresh_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """How often phones and apps fetch their configuration again."""
    enrolment_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """How long a phone's one-time URL is good."""
    code_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """How long an app's one-time code is good."""
    cloud_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.\-]{0,64}\*?$")] = ""
    """The id of the operator's app at Cloud Softphone; "*" after it for its test version."""
    push_url: Annotated[str, Field(pattern=r"^$|^https://[^\s]+$")] = ""
    """The push gateway of Cloud Softphone, "https://pnm.cloudsoftphone.com/pnm2/send", by which a
    sleeping app is woken for a call. Empty: none is, as where the app's own service registers for
    it."""
    push_seconds: Annotated[int, Field(ge=1, le=30)] = 15
    """How long a call waits for a woken app to register, where no other phone of the line rings."""
    firmware_dir: Annotated[Path, AfterValidator(below_config)] = Path("firmware")
    """The folder of phones' firmware: VENDOR/MODEL/FILE."""
    admin_password: Annotated[str, Field(max_length=32, repr=False)] = ""
    """The password of phones' web pages. Empty: each phone has a random one, which opens none."""
    client_certificates: Literal["off", "required"] = "off"
    """required: a phone must also show the certificate of its factory, with its MAC in it; on
    `listen` alone."""
    client_ca: AuthorityFile = None
    """A file with the authorities of the vendors' factory certificates."""
    old_phones: bool = False
    """True if `listen` also takes TLS 1.2 with plain RSA, which old phones need and which lets a
    stolen key of the server open what was recorded."""
