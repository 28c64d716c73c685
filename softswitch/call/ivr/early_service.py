"""A service that talks with the caller of a refused call: early media, which is free of charge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sip import events as sip_events
from softswitch.call.ending import Ending
from softswitch.call.ivr.giving_up import gave_up
from softswitch.call.letters import Letter, MediaLost, ServiceOver
from softswitch.call.media.keys import key_in

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from softswitch.call.legs import Legs
    from softswitch.trace.log import Log

MAX_SECONDS = 60.0
"""The longest early service; the call is refused after it. Phones and trunks wait for little more
than this."""


async def serve_early(
    legs: Legs, offer: SessionDescription, service: Callable[[], Awaitable[None]], log: Log
) -> Ending | None:
    """Run a service towards the caller of a refused call.

    Args:
        offer: the caller's.

    Returns:
        The ending if the caller gave up or the call was ended; None if the service finished.

    Raises:
        SipError: 488, there is no common codec.
    """
    description = legs.media.answer_itself("a", offer)
    legs.leg("a").progress(183, legs.now(), description)
    task = legs.clock.loop.create_task(_run(service()))

    def over(done: asyncio.Task[None]) -> None:
        if not done.cancelled():
            legs.post(ServiceOver(done.exception()))

    task.add_done_callback(over)
    try:
        return await _until_over(legs, log)
    finally:
        task.cancel()


async def _until_over(legs: Legs, log: Log) -> Ending | None:
    until = legs.now() + MAX_SECONDS
    while True:
        letter = await legs.mailbox.next(until)
        if letter is None:
            if legs.now() >= until:
                return None
            continue
        if isinstance(letter, ServiceOver):
            if letter.error is not None:
                log.error("a service failed", call=legs.id, exc_info=letter.error)
            return None
        if isinstance(letter, MediaLost):
            return None
        ended = _hear(legs, letter)
        if ended is not None:
            return ended


def _hear(legs: Legs, letter: Letter) -> Ending | None:
    if isinstance(letter, sip_events.InfoReceived):
        request = letter.request
        key = key_in(request.content_type or "", request.body)
        if key is not None:
            legs.sound.press("a", key)
        return None
    return gave_up(legs, letter)


async def _run(service: Awaitable[None]) -> None:
    await service
