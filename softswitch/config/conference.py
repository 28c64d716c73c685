"""The section [conference] of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from softswitch.config.values import Section

KeySequence = Annotated[str, Field(pattern=r"^\*[0-9]$")]


class ConferenceSection(Section):
    """[conference]: dial-in rooms, and conferences of a phone's own calls."""

    max_members: Annotated[int, Field(ge=2, le=500)] = 5
    """Members of a conference, the owner included (A8)."""
    service: Literal["auto", "required", "free"] = "auto"
    """Whether the owner's line must have the conference service: auto: only if it is on sale;
    required: always; free: never."""
    parallel_calls: Literal["free", "service"] = "free"
    """Whether a line's second outgoing call at the same time takes the conference service (A7). A
    consultation before a transfer is such a call, and so are the calls of a private exchange."""
    ends_with_owner: bool = True
    """True if the conference ends for all when the owner leaves; else it ends only by `end`."""
    mute: KeySequence = "*6"
    """Mutes the member who presses it, or unmutes."""
    end: KeySequence = "*0"
    """Pressed by the owner: ends the conference for all."""
    max_outgoing: Annotated[int, Field(ge=1, le=1000)] = 4
    """Outgoing calls of one line at the same time (A8), with the conference service or without;
    emergency calls always pass. The line of a private exchange needs more."""
