"""The section [mail] of the configuration: e-mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from softswitch.config.values import Section, below_config, split_address
from softswitch.subscribers.mail_address import is_address

SUBMISSION_PORT = 587
"""RFC 6409."""


class MailServer(NamedTuple):
    """The host and port of an SMTP server."""

    host: str
    port: int


def _server(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, port = split_address(value)
    return MailServer(host, port or SUBMISSION_PORT)


class MailSection(Section):
    """[mail]: the SMTP server for outgoing mail."""

    server: Annotated[MailServer | None, BeforeValidator(_server)] = None
    """ "smtp.example.org:587". None: mails wait in the outbox, and are given up after days."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """STARTTLS (RFC 3207), TLS from the first octet on (RFC 8314), or no encryption."""
    trusted_ca: Annotated[Path, AfterValidator(below_config)] | None = None
    """A file with the authorities of the server's certificate. None: those of the system."""
    username: str | None = None
    """The user name for SMTP AUTH; none: no authentication."""
    password: Annotated[str | None, Field(repr=False)] = None
    """The password for SMTP AUTH."""
    sender: str = ""
    """The address in From, to which undeliverable mails are returned."""

    @model_validator(mode="after")
    def _has_sender(self) -> Self:
        if self.sender and not is_address(self.sender):
            raise ValueError(f"sender {self.sender!r} is no e-mail address")
        if self.server is not None and not self.sender:
            raise ValueError("sender is needed: the address in From")
        if self.username is not None and self.security == "none":
            raise ValueError("a password would go over the wire as it is: choose another security")
        return self
