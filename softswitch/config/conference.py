"""The section of the configuration about conferences: [conference]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from softswitch.config.values import Section

KeySequence = Annotated[str, Field(pattern=r"^\*[0-9]$")]


class ConferenceSection(Section):
    """[conference]: rooms that one dials into, and conferences of a phone's own calls."""

    max_members: Annotated[int, Field(ge=2, le=500)] = 5
    """The owner included (A8)."""
    service: Literal["auto", "required", "free"] = "auto"
    """Whether the owner's line must have the conference service: only if it is on sale, always,
    or never."""
    parallel_calls: Literal["free", "service"] = "free"
    """Whether a line's second outgoing call at the same time takes the conference service (A7).
    Consulting somebody before a transfer is such a call, and so is what a private exchange does."""
    ends_with_owner: bool = True
    """When the owner leaves, the conference is over for all; else only by `end`."""
    mute: KeySequence = "*6"
    """Mutes whoever presses it, or lifts that again."""
    end: KeySequence = "*0"
    """Pressed by the owner: the conference is over for all."""
    max_outgoing: Annotated[int, Field(ge=1, le=100)] = 4
    """Outgoing calls of one line at the same time (A8), with the conference service or without;
    emergency calls always pass. The line of a private exchange needs more."""
