"""The settings that every call of a switch obeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from softswitch.subscribers.supplementary import Unanswered


@dataclass(frozen=True, slots=True)
class Tones:
    """The call progress tones that the switch plays, and the country whose tones they are.

    Args:
        ringback: as early media, instead of the phone's own.
        refusals: busy, congestion and special information tones before the status.
        hold_music: path of a WAV file.
    """

    country: str = ""
    ringback: bool = False
    refusals: bool = False
    hold_music: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of every call, in seconds."""

    max_duration_seconds: float
    no_answer_seconds: float
    trunk_failover_seconds: float
    reservation_seconds: int
    """Talk time that is reserved at once."""
    park_seconds: float = 0.0
    """The time that a call to an unregistered line waits for a phone to register; 0: none."""
    serial_ring_seconds: float = 20.0
    """The ring time of phones with a higher q before those with a lower one ring."""
    follows_redirects: bool = True
    """True if a phone's 3xx forwards the call, as a call of its line."""
    transcodes: bool = True
    """True if sides without a common codec may talk by way of the sound tier."""
    announces: Literal["early", "answer", "off"] = "early"
    """The way in which a caller of ours hears the reason of a refused call."""
    warnings_seconds: tuple[int, ...] = ()
    """The times of the warnings before the money ends, the longest first."""
    announces_unanswered: tuple[Unanswered, ...] = ()
    """The kinds of unanswered calls that are announced to a caller of ours."""

    @property
    def extension_lead_seconds(self) -> float:
        """The time before the end of the paid seconds at which a call asks for an extension."""
        return min(10.0, self.reservation_seconds / 3)
