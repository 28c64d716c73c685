"""REFER: the one who sends it leaves, and the other talks to somebody else (RFC 5589).

A blind transfer is a call that the transferring line makes for the other person: admitted, priced
and paid as any other of that line. An attended one joins two calls of the line, whose payers go on
paying. Until the new person has answered the old ones talk; if he doesn't, they go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from billing.facts.authorization import BillingError
from billing.stores.store import StoreError
from sip import events as sip_events
from sip.dialog import DialogId
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.message import Request, Response
from sip.offer_answer import met
from sip.referral import ReferTo
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.admission.caller_id import NOBODY, Identity, identity_of, identity_of_number
from softswitch.call.ending import Ending, hung_up
from softswitch.call.established import merging
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side, other
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.forking import Attempt, Branches, named_by, no_answer
from softswitch.call.ringing.pick_up import PickUp
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.call.charging.meter import Meter

SURRENDER_SECONDS = 5.0
"""How long the other call of an attended transfer has to give up its leg."""


@dataclass(frozen=True, slots=True)
class GiveLeg:
    """Asks a call for the person whom `session`'s phone talks to."""

    taker: Call
    session: Session


@dataclass(frozen=True, slots=True)
class Given:
    """That person's leg, and who pays for it; None: it can't be had now."""

    session: Session | None
    line: Line | None = None
    identity: Identity | None = None
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Connect:
    """Asks for somebody else in the place of the switch itself, which talks with the caller.

    Args:
        line: who calls that person, and pays.
        told: whether he answered.
    """

    line: Line
    digits: str
    told: asyncio.Future[bool]

    def tell(self, answered: bool) -> None:
        if not self.told.done():
            self.told.set_result(answered)


class Transfer:
    """At most one transfer under way in a call."""

    __slots__ = (
        "_attempts",
        "_branches",
        "_call",
        "_connect",
        "_left",
        "_meter",
        "_payer",
        "_side",
        "_taker",
        "_target",
        "until",
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self._side: Side | None = None
        """Of the one who transfers; None while nobody does."""
        self._left = False
        """He has hung up already, and waits for nothing."""
        self._connect: Connect | None = None
        """What a service of ours asked for, which then is on the side that leaves."""
        self._payer: Line | None = None
        """Who has the target called."""
        self._meter: Meter | None = None
        self._attempts: deque[Attempt] = deque()
        self._branches: Branches | None = None
        self._target: Line | None = None
        self._taker: PickUp | None = None
        """Who takes the call as soon as he has answered our offer."""
        self.until = float("inf")
        """The loop's time at which what is under way is given up."""

    @property
    def under_way(self) -> bool:
        return self._side is not None

    @property
    def lines(self) -> list[Line]:
        """Whose phones ring."""
        return [self._target] if self._target is not None and self._branches is not None else []

    @property
    def dialog(self) -> DialogId | None:
        """Of a phone that rings."""
        return None if self._branches is None else self._branches.early

    @property
    def person(self) -> Identity:
        """Who is shown to whoever rings."""
        return NOBODY if self._payer is None else self._person(self._payer)

    def has(self, dialog: DialogId) -> bool:
        """Whether a phone rings in this dialog."""
        return self._branches is not None and named_by(dialog, self._branches)

    def follow(self, old: Flow, new: Flow) -> None:
        """A phone that rings is reached by another flow."""
        for session in self._branches or ():
            self._call.context.agent.stack.follow(session.dialog, old, new)

    async def asked(self, session: Session, request: Request, flow: Flow) -> Ending | None:
        """A REFER came."""
        call = self._call
        now = call.now()
        side = call.side_of(session)
        line = call.line_of(side)
        if self.under_way or call.renegotiation.busy:
            session.refuse_refer(491, flow, now)
            return None
        if line is None:  # a trunk's peer would have us call at nobody's expense
            session.refuse_refer(403, flow, now)
            return None
        try:
            refer_to = ReferTo.parse(request)
        except ParseError as error:
            session.refuse_refer(error.status, flow, now)
            return None
        to_focus = call.context.stages.answering(refer_to.uri.user or "") == merging.FOCUS
        if to_focus and refer_to.replaces is None:
            await merging.referred(call, session, flow)
            return None
        session.accept_refer(flow, now)
        call.context.drain()
        self._side, self._left = side, False
        if refer_to.replaces is not None:
            return await self._ask_for_leg(refer_to, line)
        return await self._invite(line, refer_to.uri.user or "")

    async def connect(self, connect: Connect) -> Ending | None:
        """A service of ours wants the caller to talk to somebody else."""
        if self.under_way:
            connect.tell(False)
            return None
        self._side, self._left, self._connect = "b", False, connect
        return await self._invite(connect.line, connect.digits)

    # Blind

    async def _invite(self, line: Line, digits: str) -> Ending | None:
        """Admit and reserve the call to the target, and ring it."""
        call = self._call
        assert self._side is not None
        self._payer = line
        try:
            self._meter = await call.payers.add(line, digits, self._person(line))
            self._attempts = deque(await call.context.attempts(self._meter.priced, call.request))
        except Refusal as refusal:
            return await self._fail(refusal)
        except (BillingError, StoreError) as error:
            return await self._fail(
                Refusal(402, "transfer_not_payable", why=error, ended_by="credit")
            )
        return await self._ring()

    def _person(self, line: Line) -> Identity:
        """Who is shown to the target: who will talk to it; or the line whose mailbox its owner has
        opened, from wherever."""
        assert self._side is not None
        if self._connect is not None:
            return identity_of(line)
        return self._call.identity(other(self._side))

    async def _ring(self) -> Ending | None:
        call = self._call
        assert self._side is not None
        attempt = self._attempts.popleft()
        if attempt.trunk is not None and self._meter is not None:
            self._meter.record.trunk = attempt.trunk.name
        self._target = None if attempt.phones is None else attempt.phones.line
        self._branches = Branches(call.context.agent, attempt)
        try:
            heard = CallMedia.read(call.leg(other(self._side)).remote_description)
        except SipError as error:
            return await self._fail(Refusal(error.status, "transfer_no_offer"))
        self._branches.invite(call, partial(self._offer, heard), call.now())
        self.until = self._branches.deadline
        call.context.changed(call)
        return None

    def _offer(
        self, heard: SessionDescription, party: Line | Trunk | None, flow: Flow
    ) -> tuple[bytes, LegSecurity]:
        """What the newcomer is offered: what the other person knows, without hold."""
        call = self._call
        assert self._side is not None
        security = call.context.security(party, flow)
        offer = call.media.describe(self._side, heard, "sendrecv", wide=True, security=security)
        return offer, security

    def concerns(self, letter: Any) -> bool:
        """Whether a letter is about the one who is being called."""
        if isinstance(letter, Given):
            return self.under_way
        if isinstance(letter, PickUp):
            return self.has(letter.dialog)
        session = getattr(letter, "session", None)
        if isinstance(letter, sip_events.Acknowledged) and self._taker is not None:
            return session is self._taker.session
        return self._branches is not None and session in self._branches

    async def take(self, letter: Any) -> Ending | None:
        """Deal with a letter that concerns it."""
        call = self._call
        match letter:
            case sip_events.Progress(session, response) if self._branches is not None:
                self._branches.note_early(session, response)
                self._tell(response.status, response.reason)
                call.context.changed(call)
            case PickUp():
                return await self._picked_up(letter)
            case sip_events.Acknowledged(_, request) if self._taker is not None:
                return await self._agreed_with_taker(self._taker, request)
            case sip_events.Answered(session, response):
                return await self._answered(session, response)
            case sip_events.Refused(session, status, response) if self._branches is not None:
                if self._branches.failed(session, status, response, call.now()):
                    return await self._next()
            case Given():
                return await self._given(letter)
        return None

    async def expire(self) -> Ending | None:
        """Nobody answered in time."""
        if self._branches is None:
            return await self._fail(no_answer())
        self._branches.cancel(self._call.now())
        return await self._next()

    async def _next(self) -> Ending | None:
        assert self._branches is not None
        self._attempts = deque(self._branches.left_of(self._attempts))
        if self._attempts and self._branches.tries_next():
            return await self._ring()
        return await self._fail(self._branches.refusal())

    async def _answered(self, session: Session, response: Response) -> Ending | None:
        call, side = self._call, self._side
        assert self._branches is not None and self._meter is not None and side is not None
        now = call.now()
        self._branches.won(session, now)
        try:
            answer = CallMedia.read(response.description or session.remote_description)
        except SipError:
            session.bye(now)
            return await self._fail(Refusal(488, "transfer_answer_unusable"))
        await self._meter.answer(now, call.context.wall_ms())
        outside = identity_of_number(self._meter.record.called) if self._target is None else None
        self._replace(session, self._target, outside)
        call.learn(side, answer)
        call.renegotiation.align(other(side), call.now())
        return None

    # Picked up by another phone of the target's account

    async def _picked_up(self, letter: PickUp) -> Ending | None:
        call, side, session = self._call, self._side, letter.session
        if side is None or not pick_up.may(call, self.lines, letter):
            return None
        try:
            heard = CallMedia.read(call.leg(other(side)).remote_description)
            if not pick_up.has_offer(session):
                if pick_up.offer(call, side, heard, letter):
                    self._drop_taker(call.now())
                    self._taker = letter
                return None
            theirs = pick_up.offer_of(session)
            call.secure(session, letter.line)
            agreed = met(theirs, heard)
            security = LegSecurity.of(session)
            ours = call.media.describe(side, agreed, answering=theirs, security=security)
        except (ParseError, SipError) as error:
            session.reject(error.status, call.now(), error.reason)
            return None
        call.joined(session)
        return await self._taken(letter, theirs, ours)

    async def _agreed_with_taker(self, taker: PickUp, request: Request) -> Ending | None:
        try:
            theirs = CallMedia.read(request.description)
        except (ParseError, SipError):
            self._drop_taker(self._call.now())
            return None
        self._taker = None
        return await self._taken(taker, theirs)

    async def _taken(
        self, taker: PickUp, theirs: SessionDescription, ours: bytes = b""
    ) -> Ending | None:
        """The target is somebody else than was called.

        Args:
            ours: what he has still to be answered.
        """
        call, side = self._call, self._side
        assert self._branches is not None and self._meter is not None and side is not None
        self._branches.won(taker.session, call.now())
        await self._meter.answer(call.now(), call.context.wall_ms())
        self._replace(taker.session, taker.line, None)
        if ours:
            taker.session.accept(ours, call.now())
        call.learn(side, theirs)
        call.renegotiation.align(other(side), call.now())
        return None

    def _drop_taker(self, now: float) -> None:
        """Whoever was about to take the call can't any more."""
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.session.bye(now)

    # Attended

    async def _ask_for_leg(self, refer_to: ReferTo, line: Line) -> Ending | None:
        """Ask the other call for its other person; only a call of the same line may be asked."""
        call = self._call
        assert refer_to.replaces is not None
        held = call.context.agent.session(refer_to.replaces)
        # Every session of the switch is owned by a call.
        owner = None if held is None else cast("Call | None", held.owner)
        if held is None or owner is None or owner is call:
            return await self._fail(Refusal(481, "transfer_call_unknown"))
        if not owner.is_held_by(held, line):
            return await self._fail(Refusal(403, "transfer_call_of_other"))
        if owner.state != "talking":
            # It still rings there, so that person is called anew when the phone gives up.
            return await self._invite(line, refer_to.uri.user or "")
        owner.post(GiveLeg(call, held))
        self.until = call.now() + SURRENDER_SECONDS
        return None

    async def _given(self, given: Given) -> Ending | None:
        call, side = self._call, self._side
        if given.session is None or side is None:
            return await self._fail(Refusal(491, "transfer_call_busy"))
        call.payers.adopt(given.meters)
        given.session.owner = call
        self._replace(given.session, given.line, given.identity)
        call.renegotiation.align(side, call.now(), onward=True)
        return None

    # How it ends

    def _replace(self, session: Session, line: Line | None, identity: Identity | None) -> None:
        """The new person takes the place of the one who transferred."""
        call = self._call
        assert self._side is not None
        now = call.now()
        if self._connect is not None:
            call.service_leg.connected(session, line, identity)
            self._connect.tell(True)
        else:
            self._tell(200, "OK")
            call.replace_leg(self._side, session, line, identity).bye(now)
        self._clear()

    async def _fail(self, refusal: Refusal) -> Ending | None:
        """Tell the one who transferred; the call goes on as it was, unless he has left."""
        call = self._call
        self._tell(refusal.status, refusal.reason)
        if self._connect is not None:
            self._connect.tell(False)
        if self._meter is not None:
            await call.payers.drop(self._meter, Ending.refused(refusal))
        left, side = self._left, self._side
        self._clear()
        if not left:
            return None
        return hung_up("caller" if side == "a" else "callee")

    def _tell(self, status: int, reason: str) -> None:
        assert self._side is not None
        if self._connect is not None:  # who asked is no phone
            return
        referral = self._call.leg(self._side).referral
        if referral is not None and status > 100:
            referral.tell(status, self._call.now(), reason)

    def _clear(self) -> None:
        self._drop_taker(self._call.now())
        rang = self._target is not None
        self._side = self._meter = self._branches = self._target = self._connect = None
        self._payer = None
        self._attempts.clear()
        self.until = float("inf")
        if rang:
            self._call.context.changed(self._call)

    def leaves(self, session: Session) -> bool:
        """Whether a leg that hung up is the one who transferred: the other waits for the new
        person then."""
        if self._side is None or self._connect is not None:
            return False
        if session is not self._call.leg(self._side):
            return False
        self._left = True
        return True

    def stop(self, now: float) -> None:
        """The call ends."""
        self._drop_taker(now)
        if self._branches is not None:
            self._branches.cancel(now)
