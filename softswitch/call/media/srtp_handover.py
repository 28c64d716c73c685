"""SRTP keys of a leg that goes over to another relay session."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from rtp.session import MediaError, MediaSession
from softswitch.call.media.leg_security import LegSecurity

if TYPE_CHECKING:
    from rtp.control import Seen
    from sip.session import Session
    from softswitch.call.media.media import Side

SECONDS = 1.0
"""The timeout for a worker's report of the SRTP packets of a leg."""


async def hand_over_keys(leg: Session, session: MediaSession, side: Side) -> None:
    """Take along what the worker knows of the peer's SRTP packets, and renew our own keys; to be
    called before the first offer or answer for the new session."""
    seen: Seen = ()
    sent: Seen = ()
    security = LegSecurity.of(leg)
    by_dtls = None if security.web is None else session.keyed.get(side)
    if security.keys is not None or by_dtls is not None:
        with contextlib.suppress(TimeoutError, MediaError):
            async with asyncio.timeout(SECONDS):
                await session.figures()
            seen, sent = session.seen[side], session.sent[side]
    security.renew(seen, sent, by_dtls)
