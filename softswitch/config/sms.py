"""The section [sms] of the configuration: texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from softswitch.config.values import Section


class SmsSection(Section):
    """[sms]: texts between lines, and to and from other networks."""

    kept_days: Annotated[int, Field(ge=1, le=30)] = 7
    """How long a text waits for a phone of its recipient's line."""
    max_kept: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Texts that wait for one line at once; more are refused."""
    tariff: str = "sms"
    """The tariff with the prices of texts to other networks: its connection fee is that of a
    segment."""
    charge: Literal["accepted", "delivered"] = "accepted"
    """When a text to another network is paid: once a carrier has accepted it, or once it was
    delivered."""
    quiet_hours: Annotated[str, Field(pattern=r"^$|^[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d$")] = ""
    """The hours in which texts of batches wait, such as "22:00-08:00", by the clock of the
    recipient's country; empty: none."""
    terms: Annotated[str, Field(min_length=1, max_length=64)] = "1"
    """The edition of the conditions that a business accepts before it sends batches; with another
    one it has to accept again."""
