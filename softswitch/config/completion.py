"""The section [completion] of the configuration: call completion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from softswitch.config.values import Section

Minutes = Annotated[int, Field(ge=1, le=10_080)]


class CompletionSection(Section):
    """[completion]: completion of calls to lines that are busy or unreachable."""

    enabled: bool = True
    """True if callers of busy or unreachable lines are offered a connection later."""
    offer: Literal["early", "answered"] = "early"
    """How the offer is made to the caller: early: in early media, after which the call is refused;
    answered: by an answer, for phones that send no keys before one. Neither is billed."""
    connect_minutes: Minutes = 120
    """How long after an attempt an accepted offer leads to a connection; later to a text."""
    ring_minutes: Minutes = 30
    """How long after an attempt a declined offer leads to a short ring; later to a text."""
    keep_days: Annotated[int, Field(ge=1, le=30)] = 7
    """A caller waits no longer than this."""
    ring_milliseconds: Annotated[int, Field(ge=100, le=5_000)] = 500
    """The length of the short ring, after which a phone lists a missed call."""
    call_back_seconds: Annotated[int, Field(ge=5, le=120)] = 30
    """How long the waiting caller is rung when the connection is to be made."""
