"""A call that the switch answers itself: an echo test, an announcement, a mailbox.

It is admitted, journalled and recorded like every other call, and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from rtp.session import MediaSession
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.ivr.giving_up import given_up

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.authentication import Caller
    from softswitch.call.context import CallContext


class ServiceCall(Call):
    """A call with one leg.

    Args:
        service: the service that answers.
        gathers: it brings callers together in conferences.
        connects: it may connect the caller with a number, which needs ports, too.
    """

    def __init__(
        self,
        context: CallContext,
        caller: Caller,
        request: Request,
        session: Session,
        service: Service,
        *,
        connects: bool = False,
        gathers: bool = False,
    ) -> None:
        super().__init__(context, caller, request, session)
        self._service = service
        self._connects = connects
        self._gathers = gathers

    def order_ports(self, signalling: str) -> asyncio.Future[MediaSession]:
        if self._connects:
            return super().order_ports(signalling)
        return self.context.media.open_alone(signalling, together=self._gathers)

    async def _live(self) -> Ending:
        await self._authorize(self._admit())
        ended = await given_up(self.legs)
        if ended is not None:
            return ended
        return await self.serve(partial(self._service, self))


Service = Callable[[ServiceCall], Awaitable[None]]
