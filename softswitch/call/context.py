"""The parts of a switch that its calls work with; made once and shared by all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip.user_agent import UserAgent
    from softswitch.call.call import Call
    from softswitch.call.call_admission import CallAdmission
    from softswitch.call.charging.charging import Charging
    from softswitch.call.clock import Clock
    from softswitch.call.ending import Ending
    from softswitch.call.features import Features
    from softswitch.call.legs import Legs
    from softswitch.call.live_calls import LiveCalls
    from softswitch.call.media.call_relay import Media
    from softswitch.call.media.leg_security import SecurityPolicy
    from softswitch.call.ringing.attempts import Dialer
    from softswitch.call.settings import Limits, Tones
    from softswitch.trace.log import Log


@dataclass(frozen=True, slots=True)
class Signalling:
    """The user agent.

    Args:
        domain: the host of our own SIP URIs.
    """

    agent: UserAgent
    domain: bytes


@dataclass(frozen=True, slots=True)
class CallNews:
    """Callbacks to the rooms above calls: watchers, traces, completion.

    Args:
        leg_joined: a leg of a call begins (id of the call, Call-ID of the leg).
        changed: a call rings, was answered, or has another party.
        ended: a call is over and settled.
    """

    leg_joined: Callable[[str, str], None]
    changed: Callable[[Legs], None]
    ended: Callable[[Call, Ending], None]


@dataclass(frozen=True, slots=True)
class CallContext:
    """Only :class:`softswitch.call.call.Call` and the rooms above it see all of this; each part of
    a call is given what it uses.

    Args:
        media: opens relay sessions, at `media_address`.
        security: SRTP and DTMF of lines and trunks that have no policy of their own.
    """

    clock: Clock
    signalling: Signalling
    media: Media
    media_address: str
    security: SecurityPolicy
    charging: Charging
    admission: CallAdmission
    dialer: Dialer
    limits: Limits
    tones: Tones
    features: Features
    live_calls: LiveCalls
    news: CallNews
    log: Log
