"""What a call is told, beside the events of its legs; each is dealt with in the call's own task."""

from __future__ import annotations

from dataclasses import dataclass

from sip.registrar import Binding


@dataclass(frozen=True, slots=True)
class Silent:
    """The relay hears nothing from either side; `last_packet_at` is the loop's time."""

    last_packet_at: float | None


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The call's media worker died."""


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """Somebody paid, or another call of the account gave something back."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A phone of a called line registered."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Greeted:
    """The caller has heard the number's greeting."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The operator, the end of the switch, or that of a conference ends the call."""

    ended_by: str
    rule: str = "call: ended by the operator"
