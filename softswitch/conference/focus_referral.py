"""REFER to the focus of a conference: its owner has a party called, or removed (RFC 4579 sections
5.5 and 5.11).

The party that is called is a leg of a call of the owner's line: admitted, priced, limited and paid
as if that line had dialled (A6). Its place is kept while its phone rings (A8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtp.session import MediaSession
from sip.errors import ParseError
from sip.events import Received
from sip.flow import Flow
from sip.message import Request, Response
from sip.referral import ReferTo
from sip.session import Session
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.established.merging import key_of
from softswitch.call.media.media import CallMedia
from softswitch.call.parallel_calls import check_parallel, is_parallel
from softswitch.call.ringing.ringing import Winner
from softswitch.conference.hall import Conference, Full, Member
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.context import CallContext
    from softswitch.subscribers.directory import Line

Tell = Callable[[int], None]
"""Called with SIP statuses; the first final one is the last."""
METHODS = frozenset({"INVITE", "BYE"})


def asked(
    context: CallContext, member: Member, session: Session, request: Request, flow: Flow
) -> None:
    """A REFER came in the dialog of a member."""
    legs = member.legs
    now = legs.now()
    if not member.owner:
        session.refuse_refer(403, flow, now)
        return
    try:
        refer_to = _refer_to(request)
    except ParseError as error:
        session.refuse_refer(error.status, flow, now)
        return
    session.accept_refer(flow, now)
    referral = session.referral
    assert isinstance(legs.caller, LineCaller)

    def tell(status: int) -> None:
        if referral is not None:
            referral.tell(status, legs.now())

    _carry_out(context, member.conference, legs.caller.line, refer_to, tell)


def asked_outside(context: CallContext, received: Received, caller: Caller, now: float) -> None:
    """A REFER came to the focus outside any dialog; only the owner of a
    conference of its line's calls may send it.

    Raises:
        ParseError: it can't be read.
        Refusal: 403, the sender does not own it; 404, there is no conference now.
    """
    if not isinstance(caller, LineCaller):
        raise Refusal(403, "conference_owner_only")
    conference = context.features.hall.conference(key_of(caller.line))
    if conference is None:
        raise Refusal(404, "conference_none")
    refer_to = _refer_to(received.request)
    referral = context.signalling.agent.open_referral(received, now)

    def tell(status: int) -> None:
        referral.tell(status, context.clock.now())

    _carry_out(context, conference, caller.line, refer_to, tell)


def _refer_to(request: Request) -> ReferTo:
    """The target of a REFER. Raises ParseError: 400, malformed, or neither INVITE nor BYE."""
    refer_to = ReferTo.parse(request)
    if refer_to.method not in METHODS or refer_to.replaces is not None:
        raise ParseError("A conference is referred to by INVITE and BYE alone")
    return refer_to


def _carry_out(
    context: CallContext, conference: Conference, line: Line, refer_to: ReferTo, tell: Tell
) -> None:
    digits = refer_to.uri.user or ""
    if refer_to.method == "BYE":
        tell(_remove(context, conference, digits))
        return
    call = InvitedCall(context, conference, line, digits, tell)
    try:
        context.features.hall.expect(conference, call.legs)
    except Full:
        tell(486)
        return
    context.live_calls.begin(call)


def _remove(context: CallContext, conference: Conference, digits: str) -> int:
    """Remove the member with this number; a SIP status."""
    try:
        number = context.admission.stages.number(digits).number
    except Refusal as refusal:
        return refusal.status
    member = conference.named(number)
    if member is None:
        return 404
    member.over.set()
    return 200


class InvitedCall(Call):
    """A call of a line to a party that then joins its conference.

    Args:
        line: pays for the call.
        tell: called with the progress of the call.
    """

    def __init__(
        self, context: CallContext, conference: Conference, line: Line, digits: str, tell: Tell
    ) -> None:
        super().__init__(context, LineCaller(line), _request(context, line, digits), None)
        self._conference = conference
        self._line = line
        self._tell = tell

    async def _live(self) -> Ending:
        if self.context.admission.stages.fetch is not None:
            await self._know_callee()
        priced = self._admit()
        if is_parallel(self):
            await check_parallel(self, priced)
        await self._authorize(priced)
        # The offer is our own: no phone is on the caller's side.
        self.media.join("a", self.context.security.unencrypted())
        self.early_media.offer = CallMedia.read(self.media.offer_itself("a"))
        presented = priced.presented
        outcome = await self._ring(
            await self.context.dialer.attempts(
                presented.route, presented.identity, self.id, self.request
            )
        )
        if isinstance(outcome, Ending):
            return outcome
        await self._take(outcome, self.media)
        return await self._be_in(outcome)

    def order_ports(self, signalling: str) -> asyncio.Future[MediaSession]:
        return self.context.media.open(None, None, beside=self._conference.home)

    async def _be_in(self, winner: Winner) -> Ending:
        hall, conference = self.context.features.hall, self._conference
        if hall.conference(conference.key) is not conference:
            return Ending("caller", 200, 16, rule="conference: it is over")
        member = hall.join(conference.key, self._line, self.legs, "b", owner=False)
        self._tell(200)
        self.legs.follow_recording()
        self.service_leg.bring(member, anew=winner.moves)
        return await self.talk()

    def progress(self, session: Session, response: Response, early: bool) -> None:
        """The owner is told by NOTIFY."""
        self.payers.rang(self.context.clock.wall_ms())
        self.legs.changed()
        self._tell(response.status)

    async def _refused(self, refusal: Refusal) -> Ending:
        """Keep the refusal: there is no caller to offer completion to."""
        return Ending.refused(refusal)

    async def _close(self, end: Ending) -> None:
        self.context.features.hall.forget(self._conference, self.legs)
        self._tell(max(end.status, 400) if not self.answered else 487)
        await super()._close(end)

    def _turn_away(self, end: Ending, now: float) -> None:
        """Do nothing: there is no caller's INVITE to answer."""


def _request(context: CallContext, line: Line, digits: str) -> Request:
    """The INVITE that the owner would have sent for this number."""
    uri = b"sip:%s@%s" % (digits.encode("utf-8", "replace"), context.signalling.domain)
    own = b"<sip:%s@%s>" % (line.number.encode("ascii"), context.signalling.domain)
    fields = [
        (b"From", own + b";tag=conference"),
        (b"To", b"<" + uri + b">"),
        (b"Call-ID", b"conference-" + context.signalling.agent.stack.token().encode("ascii")),
        (b"CSeq", b"1 INVITE"),
        (b"Max-Forwards", b"70"),
    ]
    return Request.build("INVITE", uri, fields)
