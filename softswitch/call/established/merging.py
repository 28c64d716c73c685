"""Calls of one line that become a conference (A7, RFC 4353, RFC 4579).

The owner's phone has a call to the focus, and for each other party one more call, which it hands
over: by REFER to the focus, or by an INVITE to the focus with Join (RFC 3911) or Replaces. The
owner's leg of that call ends; the call itself goes on with the other party, in the conference, and
is paid as before (A6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.stores.store import StoreError
from ivr_prompts.phrase import Part
from rtp.session import MediaError
from softswitch.call.media.media import Side, other
from softswitch.conference.hall import Full, Key

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.session import Session
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.ivr.service_leg import ServiceLeg
    from softswitch.call.legs import Legs
    from softswitch.call.letters import HandOver
    from softswitch.call.media.worker_move import WorkerMove
    from softswitch.conference.hall import Hall
    from softswitch.prompts.announcer import Announcer
    from softswitch.subscribers.directory import Line
    from softswitch.trace.log import Log

FOCUS = "focus"
"""The service whose code is the user part of the focus's URI."""


def key_of(line: Line) -> Key:
    """The key of a line's one conference of its own calls."""
    return "line", line.number


class Merging:
    """Takes the other party of a call into the conference of its line."""

    __slots__ = (
        "_announcer",
        "_hall",
        "_legs",
        "_log",
        "_renegotiation",
        "_service_leg",
        "_worker_move",
    )

    def __init__(
        self,
        legs: Legs,
        renegotiation: Renegotiation,
        service_leg: ServiceLeg,
        worker_move: WorkerMove,
        hall: Hall,
        announcer: Announcer,
        log: Log,
    ) -> None:
        self._legs = legs
        self._renegotiation = renegotiation
        self._service_leg = service_leg
        self._worker_move = worker_move
        self._hall = hall
        self._announcer = announcer
        self._log = log

    async def referred(self, session: Session, flow: Flow) -> None:
        """A REFER to the focus came: the other party goes there, and this leg ends."""
        legs = self._legs
        session.accept_refer(flow, legs.now())
        status = await self._merge(legs.side_of(session))
        if session.referral is not None:
            session.referral.tell(status, legs.now())
        if status == 200:
            session.bye(legs.now())

    async def handed_over(self, letter: HandOver) -> None:
        """The same, for an INVITE to the focus."""
        legs, session = self._legs, letter.session
        if session in legs.parties and await self._merge(legs.side_of(session)) == 200:
            session.bye(legs.now())

    async def _merge(self, side: Side) -> int:
        """Let the other side into the conference of this side's line; a SIP status."""
        legs, line = self._legs, self._legs.line_of(side)
        if line is None:
            return 403
        if self._renegotiation.busy:
            return 491
        try:
            if not await self._hall.may_hold(line):
                self._say(side, "conf-service-needed")
                return 403
            member = self._hall.join(key_of(line), line, legs, other(side), owner=False)
        except Full:
            self._say(side, "conf-full")
            return 486
        except StoreError as error:
            self._log.error("a call can't be merged", call=legs.id, why=repr(error))
            return 503
        try:
            await self._worker_move.move_to_worker_of(member.side, member.conference.home)
        except MediaError as error:
            self._hall.leave(member)
            self._log.error("a call can't be merged", call=legs.id, why=str(error))
            return 503
        self._service_leg.enter_conference(member)
        return 200

    def _say(self, side: Side, *phrase: Part) -> None:
        """Tell the owner's phone why not, into the call that goes on."""
        line = self._legs.line_of(side)
        language = None if line is None else line.language
        said = self._announcer.announce(language, phrase)
        self._announcer.note(self._legs.id, side, said)
        self._legs.sound.play(side, said.items)
