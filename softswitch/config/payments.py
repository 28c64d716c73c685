"""The section [payments] of the configuration: paying on a provider's page."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from billing.facts.money import MoneyError, parse_amount
from softswitch.config.values import Section

LEAST_SECRET = 32


def _page(text: str) -> str:
    parts = urlsplit(text)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if text and not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ValueError(f"{text!r} must look like https://pay.example.org/checkout")
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r} must end with its path: the switch adds the query")
    return text


def _amount(text: str) -> str:
    try:
        micros = parse_amount(text)
    except MoneyError as error:
        raise ValueError(str(error)) from None
    if micros <= 0:
        raise ValueError(f"{text!r} must be above zero")
    return text


class PaymentsSection(Section):
    """[payments]: topping up by card or bank on a provider's page (docs/payments.md)."""

    page_url: Annotated[str, AfterValidator(_page)] = ""
    """The provider's page, such as "https://pay.example.org/checkout". Empty: nobody pays there."""
    merchant: Annotated[str, Field(max_length=64)] = ""
    """Our name at the provider."""
    secret: Annotated[str, Field(repr=False)] = ""
    """The secret that both sides sign with: at least 32 characters."""
    least: Annotated[str, AfterValidator(_amount)] = "1.00"
    """The smallest payment, in the account's currency."""
    most: Annotated[str, AfterValidator(_amount)] = "1000.00"
    """The largest payment."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.page_url and len(self.secret) < LEAST_SECRET:
            raise ValueError(f"secret needs at least {LEAST_SECRET} characters")
        return self
