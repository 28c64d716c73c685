"""The section of the configuration about e-mail: [mail]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from softswitch.config.values import Section, below_config, split_address
from softswitch.subscribers.mail_address import is_address

SUBMISSION_PORT = 587
"""RFC 6409."""


class MailServer(NamedTuple):
    """Where mails are handed over."""

    host: str
    port: int


def _server(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, port = split_address(value)
    return MailServer(host, port or SUBMISSION_PORT)


class MailSection(Section):
    """[mail]: the SMTP server that takes our mails."""

    server: Annotated[MailServer | None, BeforeValidator(_server)] = None
    """ "smtp.example.org:587". None: mails wait in the outbox, and are given up after days."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """TLS after STARTTLS (RFC 3207), from the first octet on (RFC 8314), or none at all."""
    trusted_ca: Annotated[Path, AfterValidator(below_config)] | None = None
    """Authorities of the server's certificate. None: those of the system."""
    username: str | None = None
    """For SMTP AUTH; none: the server is not asked to let us in."""
    password: Annotated[str | None, Field(repr=False)] = None
    """For SMTP AUTH."""
    sender: str = ""
    """The address in From, to which undeliverable mails come back."""

    @model_validator(mode="after")
    def _has_sender(self) -> Self:
        if self.sender and not is_address(self.sender):
            raise ValueError(f"sender {self.sender!r} is no e-mail address")
        if self.server is not None and not self.sender:
            raise ValueError("sender is needed: the address in From")
        if self.username is not None and self.security == "none":
            raise ValueError("a password would go over the wire as it is: choose another security")
        return self
