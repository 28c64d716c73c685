"""A call that the switch answers itself: an echo test, an announcement, a mailbox.

It is admitted, journalled and recorded like every other call, and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from rtp.session import MediaSession
from sip import events as sip_events
from softswitch.call import ending as endings
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.letters import HangUp

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.authentication import Caller
    from softswitch.call.context import CallContext


class ServiceCall(Call):
    """A call with one leg.

    Args:
        service: what answers.
    """

    def __init__(
        self,
        context: CallContext,
        caller: Caller,
        request: Request,
        session: Session,
        service: Service,
    ) -> None:
        super().__init__(context, caller, request, session)
        self._service = service

    def _open_media(self, signalling: str) -> asyncio.Future[MediaSession]:
        return self.context.media.open_alone(signalling)

    async def _live(self) -> Ending:
        await self._authorize(self._admit())
        ended = await self._given_up()
        if ended is not None:
            return ended
        return await self._serve(partial(self._service, self))

    async def _given_up(self) -> Ending | None:
        """Whether the caller has, while the call was admitted."""
        while (letter := await self.mailbox.next(self.now())) is not None:
            match letter:
                case sip_events.Cancelled() | sip_events.HungUp():
                    return endings.given_up()
                case sip_events.Updated(session):
                    session.answer_update(488, b"", self.now())
                case HangUp(ended_by):
                    return Ending(ended_by, 480, 41, rule="call: ended before the answer")
        return None


Service = Callable[[ServiceCall], Awaitable[None]]
