"""The switch talks with a caller before it refuses the call: early media, which nobody pays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sip import events as sip_events
from softswitch.call import ending as endings
from softswitch.call.ending import Ending
from softswitch.call.ivr.service_session import ServiceOver
from softswitch.call.letters import HangUp, MediaLost
from softswitch.call.media.keys import key_in

if TYPE_CHECKING:
    import asyncio

    from softswitch.call.call import Call

MAX_SECONDS = 60.0
"""Whatever is said, the call is refused then; phones and trunks wait for little more than that."""


async def serve_early(call: Call, service: Callable[[], Awaitable[None]]) -> Ending | None:
    """Have a service talk with the caller, who made an offer.

    Returns:
        How the call ended if the caller gave up or somebody ended it; None: all was said.

    Raises:
        SipError: 488, there is no codec that both speak.
    """
    assert call.offer is not None
    description = call.media.answer_itself("a", call.offer)
    call.leg("a").progress(183, call.now(), description)
    call.context.drain()
    task = call.context.loop.create_task(_run(service()))

    def over(done: asyncio.Task[None]) -> None:
        if not done.cancelled():
            call.post(ServiceOver(done.exception()))

    task.add_done_callback(over)
    try:
        return await _until_over(call)
    finally:
        task.cancel()


async def _until_over(call: Call) -> Ending | None:
    until = call.now() + MAX_SECONDS
    while True:
        letter = await call.mailbox.next(until)
        if letter is None and call.now() >= until:
            return None
        if isinstance(letter, ServiceOver):
            if letter.error is not None:
                call.context.log.error("a service failed", call=call.id, exc_info=letter.error)
            return None
        if isinstance(letter, MediaLost):
            return None
        ended = _heard(call, letter)
        call.context.drain()
        if ended is not None:
            return ended


def _heard(call: Call, letter: Any) -> Ending | None:
    caller = call.leg("a")
    match letter:
        case sip_events.Cancelled(session) | sip_events.HungUp(session) if session is caller:
            return endings.given_up()
        case sip_events.InfoReceived(_, request):
            key = key_in(request.content_type or "", request.body)
            if key is not None:
                call.sound.press("a", key)
        case sip_events.Updated(session):
            session.answer_update(488, b"", call.now())
        case HangUp(ended_by):
            return Ending(ended_by, 480, 41, rule="call: ended before the answer")
    return None


async def _run(service: Awaitable[None]) -> None:
    await service
