"""The letters of a call: everything that can happen to it, as one closed union.

A call handles its letters one at a time, in its own task. Each `match` over them ends in
`assert_never`, so that mypy names every place that has to know a new letter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtp.control import Digit
from sip.events import SessionEvent
from sip.registrar import Binding

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.admission.caller_id import Identity
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.media.media import Side
    from softswitch.subscribers.directory import Line


# Media


@dataclass(frozen=True, slots=True)
class Silent:
    """RTP timeout: the relay hears neither side. `last_packet_at` is the loop's time."""

    last_packet_at: float | None


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The call's media worker died."""


# Money


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """The account has more to reserve: a payment came, or another call gave something back."""


@dataclass(frozen=True, slots=True)
class PaidTimeChanged:
    """The next deadline of the call moved: a reservation was extended or cut."""


# While it rings


@dataclass(frozen=True, slots=True)
class Registered:
    """A phone of a called line registered, and may be rung too."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Greeted:
    """The greeting of a rented number has been played to the caller."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The result of asking for the accept key on a forwarded leg.

    Args:
        description: the leg's SDP answer if the key was pressed; None if it was not.
    """

    session: Session
    description: SessionDescription | None


@dataclass(frozen=True, slots=True)
class PickUp:
    """Call pickup: an INVITE with Replaces for a phone that rings (RFC 3891).

    Args:
        session: the leg of the phone that picks up.
        line: whose phone it is.
        early_only: refused once the call is answered.
        dialog: the early dialog that is replaced.
    """

    session: Session
    line: Line
    early_only: bool
    dialog: DialogId

    def may_take(self, held_by: Line | None) -> bool:
        """True if the ringing line belongs to the same account."""
        return held_by is not None and held_by.account_id == self.line.account_id


# The switch speaks


@dataclass(frozen=True, slots=True)
class AnnouncementOver:
    """The announcement that explains a refusal has ended, in one way or another."""


@dataclass(frozen=True, slots=True)
class ServiceOver:
    """The service has ended; `error` if it failed."""

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class OfferAgain:
    """The pause after a glare (491) is over: send the service's offer again."""


# After the answer


@dataclass(frozen=True, slots=True)
class Replace:
    """An INVITE with Replaces for an answered leg (RFC 3891).

    Args:
        side: of the leg that is replaced.
        session: the new leg.
        line: whose phone the new leg is.
    """

    side: Side
    session: Session
    line: Line


@dataclass(frozen=True, slots=True)
class HandOver:
    """An INVITE to the conference focus names one of its line's legs: the person on the other side
    is to come into the conference."""

    session: Session


@dataclass(frozen=True, slots=True)
class GiveLeg:
    """Attended transfer: `taker` asks for the leg on the other side of `session`."""

    taker: Legs
    session: Session


@dataclass(frozen=True, slots=True)
class Given:
    """The answer to :class:`GiveLeg`: the leg with its payers; `session` is None if refused."""

    session: Session | None
    line: Line | None = None
    identity: Identity | None = None
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Connect:
    """A service asks to connect its caller with a number.

    Args:
        line: who calls that number, and pays.
        told: set to True when the number answers, to False when it does not.
    """

    line: Line
    digits: str
    told: asyncio.Future[bool]

    def tell(self, answered: bool) -> None:
        """Tell the service the result; only the first counts."""
        if not self.told.done():
            self.told.set_result(answered)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The operator, the end of the switch or the end of a conference ends the call."""

    ended_by: str
    rule: str = "call: ended by the operator"


Letter = (
    SessionEvent
    | Digit
    | Silent
    | MediaLost
    | BalanceChanged
    | PaidTimeChanged
    | Registered
    | Greeted
    | Confirmed
    | PickUp
    | AnnouncementOver
    | ServiceOver
    | OfferAgain
    | Replace
    | HandOver
    | GiveLeg
    | Given
    | Connect
    | HangUp
)
