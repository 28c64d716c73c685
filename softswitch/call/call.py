"""A call: two legs, their sound and their money, in one task from INVITE to CDR.

Everything that happens to the call is a letter in its mailbox; this task alone changes its state,
and each wait has a deadline. Whatever goes wrong ends in :meth:`Call._close`, which leaves no leg,
port, reservation or timer behind and writes exactly one CDR.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from billing.authorization import (
    AccountBlocked,
    AnswerCall,
    Authorization,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
)
from billing.store import StoreError
from rtp.session import MediaError, MediaSession
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.message import Request
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.admission.authentication import Caller
from softswitch.admission.credit import PricedRoute
from softswitch.admission.refusal import Refusal
from softswitch.call import ending as endings
from softswitch.call.accounting import Record
from softswitch.call.context import CallContext
from softswitch.call.ending import Ending
from softswitch.call.forking import Attempt, Branches, no_answer
from softswitch.call.mailbox import Mailbox
from softswitch.call.media import CallMedia, Side, other, try_read
from softswitch.call.renegotiation import Renegotiation

DTMF_TYPES = frozenset({"application/dtmf-relay", "application/dtmf"})
"""INFO bodies that pass from leg to leg; nothing else does."""
MAX_INFO_BYTES = 512
SETUP_SECONDS = 180.0
"""However long phones ring, an unanswered call ends here."""
CLOSE_SECONDS = 2.0
"""How long a call waits for its worker's figures."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The relay hears nothing from either side; `last_packet_at` is the loop's time."""

    last_packet_at: float | None


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The call's media worker died."""


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """Somebody paid, or another call of the account gave something back."""


@dataclass(frozen=True, slots=True)
class Extended:
    """What the store said to a request for more paid time; None if it had nothing to give."""

    authorization: Authorization | None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The operator, or the end of the switch, ends the call."""

    ended_by: str


class Call:
    """One attempt of a caller, and the conversation that it may become."""

    def __init__(
        self, context: CallContext, caller: Caller, request: Request, session: Session
    ) -> None:
        self._context = context
        self._caller = caller
        self._request = request
        self._a = session
        self._b: Session | None = None
        self._branches: Branches | None = None
        self._mailbox = Mailbox(context.loop)
        self._media: CallMedia | None = None
        self._relay: MediaSession | None = None
        self._opened = False
        self._answered_at: float | None = None
        self._authorization: Authorization | None = None
        self._extending = False
        self._offer: SessionDescription | None = None
        self._talks = Renegotiation(self)
        self.id = context.agent.token()
        self.record = Record(self.id, request, context.wall_ms())

    def post(self, letter: Any) -> None:
        """Tell the call something; it is dealt with in its own task."""
        self._mailbox.post(letter)

    @property
    def account(self) -> int | None:
        """Whose balance the call lives on."""
        return self.record.account

    @property
    def state(self) -> str:
        """What an operator sees: setup, ringing or talking."""
        if self._answered_at is not None:
            return "talking"
        return "ringing" if self._branches is not None else "setup"

    @property
    def talk_seconds(self) -> int:
        """Since the answer."""
        return 0 if self._answered_at is None else int(self._now() - self._answered_at)

    @property
    def paid_seconds(self) -> int | None:
        """Talk time that the reservation pays for; None without a limit."""
        return None if self._authorization is None else self._authorization.paid_seconds

    @property
    def codec(self) -> str | None:
        return None if self._media is None else self._media.codec

    @property
    def wants_balance(self) -> bool:
        """Whether there was nothing left to reserve when the call asked last."""
        return self._authorization is not None and self._authorization.final

    @property
    def open(self) -> bool:
        """Whether the store knows the call, so that it wants proofs of life."""
        return self._opened

    # The call's life

    async def run(self) -> None:
        try:
            end = await self._live()
        except Refusal as refusal:
            end = Ending.refused(refusal)
        except InsufficientFunds as error:
            end = Ending.refused(Refusal(402, f"credit: {error}", ended_by="credit"))
        except AccountBlocked as error:
            end = Ending.refused(Refusal(403, f"credit: {error}", ended_by="operator"))
        except StoreError as error:
            self._context.log.error("call refused, the database failed", error=str(error))
            end = Ending.refused(Refusal(503, f"store: {error}", ended_by="operator"))
        except MediaError as error:
            self._context.log.error("call refused, no media", error=str(error))
            end = Ending.refused(Refusal(503, f"media: {error}", ended_by="operator"))
        except SipError as error:
            end = Ending.refused(Refusal(error.status, f"media: {error.reason}", error.reason))
        except Exception:
            self._context.log.exception("call failed", call=self.id)
            end = Ending.refused(Refusal(500, "call: internal error", ended_by="operator"))
        await self._close(end)

    async def _live(self) -> Ending:
        priced = self._admit()
        await self._authorize(priced)
        attempts = self._context.attempts(priced, self._request)
        ended = await self._ring(attempts)
        return ended or await self._talk()

    def _admit(self) -> PricedRoute:
        """The stages of admission up to credit; each may refuse."""
        if self._request.body:
            self._offer = CallMedia.read(self._request.body)
        return self._context.admit(self._caller, self._request, self.record)

    async def _authorize(self, priced: PricedRoute) -> None:
        """Have the money reserved and the ports opened, both before the callee's phone hears."""
        context = self._context
        opening = context.media.open(self._a.dialog.flow.remote[0], None)
        try:
            self._authorization = await context.money.submit(
                OpenCall(
                    self.id,
                    priced.account_id,
                    priced.rate,
                    self.record.draft(),
                    context.wall_ms(),
                    context.limits.reservation_seconds,
                )
            )
            self._opened = True
        finally:
            # Also when the money said no: the ports are there, or soon will be, and must go back.
            self._relay = await opening
        self._relay.owner = self
        addresses: dict[Side, str] = {"a": context.media_address, "b": context.media_address}
        self._media = CallMedia(self._relay, addresses, context.agent.pick(1 << 31))
        if self._offer is not None:
            self.learn("a", self._offer)

    # Ringing

    async def _ring(self, attempts: list[Attempt]) -> Ending | None:
        """Ring until somebody answers (None) or the caller gives up.

        Raises:
            Refusal: nobody did.
        """
        end = self._context.loop.time() + SETUP_SECONDS
        refusal = no_answer()
        for index, attempt in enumerate(attempts):
            last = index == len(attempts) - 1
            if attempt.trunk is not None:
                self.record.trunk = attempt.trunk.name
            self._branches = branches = Branches(self._context.agent, attempt)
            body = b"" if self._offer is None else self._description("b", self._offer)
            branches.invite(self, body, self._now())
            self._context.drain()
            try:
                return await self._await_answer(branches, last, end)
            except Refusal as failed:
                refusal = failed
                if last or not branches.tries_next():
                    raise
        raise refusal

    async def _await_answer(self, branches: Branches, last: bool, end: float) -> Ending | None:
        started = self._now()
        patience = branches.attempt.silence_seconds
        deadline = min(started + branches.attempt.seconds, end)
        while True:
            impatient = patience is not None and not last and not branches.heard
            wait_until = min(deadline, started + patience) if impatient and patience else deadline
            letter = await self._mailbox.next(wait_until)
            if letter is None and self._now() >= wait_until:
                branches.cancel(self._now())
                self._context.drain()
                if wait_until < deadline:
                    branches.timed_out()
                    raise branches.refusal()
                raise no_answer()
            ended = await self._while_ringing(branches, letter)
            self._context.drain()
            if ended is not None or self._b is not None:
                return ended

    async def _while_ringing(self, branches: Branches, letter: Any) -> Ending | None:
        match letter:
            case sip_events.Progress(session, response) if session in branches:
                branches.heard = True
                self._progress(session, response.status, try_read(response.body))
            case sip_events.Answered(session, response) if session in branches:
                await self._answer(branches, session, response.body)
            case sip_events.Refused(session, status, response) if session in branches:
                branches.heard = True
                if branches.failed(session, status, response, self._now()):
                    raise branches.refusal()
            case sip_events.Cancelled():
                branches.cancel(self._now())
                return Ending("caller", 487, 16)
            case sip_events.HungUp(session) if session is self._a:
                branches.cancel(self._now())
                return Ending("caller", 487, 16)
            case HangUp(ended_by):
                branches.cancel(self._now())
                return Ending(ended_by, 480, 41, rule="call: ended while ringing")
            case MediaLost():
                branches.cancel(self._now())
                raise Refusal(503, "media: the worker died", ended_by="operator")
        return None

    def _progress(self, session: Session, status: int, early: SessionDescription | None) -> None:
        """Pass a provisional response on; with SDP in it the caller hears early media."""
        self.record.rang(self._context.wall_ms())
        body = b""
        if early is not None and self._offer is not None and self._media is not None:
            self._media.learn("b", early, session.dialog.flow.remote[0])
            body = self._description("a", early)
        self._a.progress(status if status in (180, 181, 182, 183) else 183, self._now(), body)

    async def _answer(self, branches: Branches, winner: Session, body: bytes) -> None:
        """The first answer wins; it is on disk before the caller hears of it."""
        assert self._media is not None
        self._b = winner
        answered, wall = self._now(), self._context.wall_ms()
        branches.won(winner, answered)
        self._context.drain()
        description = CallMedia.read(body)
        if self._offer is not None:
            self._media.answered(self._offer, description)
        self.learn("b", description)
        await self._context.money.submit(AnswerCall(self.id, wall))
        self._answered_at = answered
        self.record.answered(wall)
        self._a.accept(self._description("a", description), self._now())
        self._talks.begin(self._offer, description)

    def _description(self, side: Side, heard: SessionDescription) -> bytes:
        assert self._media is not None
        return self._media.describe(side, heard)

    # Talking

    async def _talk(self) -> Ending:
        assert self._answered_at is not None
        cap = self._answered_at + self._context.limits.max_duration_seconds
        while True:
            paid_until = self._paid_until()
            extend_at = self._extend_at(paid_until)
            letter = await self._mailbox.next(min(cap, paid_until, extend_at))
            if letter is not None:
                ended = self._while_talking(letter)
                self._context.drain()
                if ended is not None:
                    return ended
            now = self._now()
            if now >= paid_until:
                return endings.credit_used_up(paid_until)
            if now >= cap:
                return endings.cap_reached(cap)
            if now >= extend_at:
                self._extend()

    def _while_talking(self, letter: Any) -> Ending | None:
        match letter:
            case sip_events.HungUp(session, status, _):
                by = "caller" if session is self._a else "callee"
                return endings.unreachable(by) if status else endings.hung_up(by)
            case sip_events.InfoReceived(session, request):
                self._pass_info(session, request)
            case Extended(authorization):
                self._extending = False
                if authorization is not None:
                    self._authorization = authorization
            case BalanceChanged():
                if self.wants_balance:
                    self._extend()
            case Silent(last_packet_at):
                return endings.media_silent(last_packet_at or self._answered_at or self._now())
            case MediaLost():
                return Ending("media_timeout", 200, 41, rule="media: the worker died")
            case HangUp(ended_by):
                return Ending(ended_by, 200, 16, rule="call: ended by the operator")
            case _:
                return self._renegotiate(letter)
        return None

    def _renegotiate(self, letter: Any) -> Ending | None:
        """Offers and answers after the first; one that can't be understood ends nothing but
        itself, unless a delayed first answer is what is missing."""
        try:
            self._talks.take(letter, self._now())
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        return None

    def _pass_info(self, session: Session, request: Request) -> None:
        content_type = request.content_type or ""
        if content_type in DTMF_TYPES and len(request.body) <= MAX_INFO_BYTES:
            peer = self.leg(other(self.side_of(session)))
            peer.info(content_type.encode("ascii"), request.body, self._now())

    # Paid time

    def _paid_until(self) -> float:
        """The loop's time of the paid second."""
        paid = self.paid_seconds
        if paid is None or self._answered_at is None:
            return float("inf")
        return self._answered_at + paid

    def _extend_at(self, paid_until: float) -> float:
        """When to reserve more: well before the paid second, and not while an answer is due."""
        authorization = self._authorization
        if self._extending or authorization is None or authorization.final:
            return float("inf")
        return paid_until - self._context.limits.extension_lead_seconds

    def _extend(self) -> None:
        if self._extending or self._authorization is None:
            return
        self._extending = True
        future = self._context.money.submit(
            ExtendCall(self.id, self._context.wall_ms(), self._context.limits.reservation_seconds)
        )
        future.add_done_callback(self._on_extended)

    def _on_extended(self, future: asyncio.Future[Authorization]) -> None:
        failed = future.cancelled() or future.exception() is not None
        self.post(Extended(None if failed else future.result()))

    # The end

    async def _close(self, end: Ending) -> None:
        """Leave nothing behind, whatever state the call was in."""
        now = self._now()
        ended_at = now if end.at is None else min(end.at, now)
        ended_wall = self._context.wall_ms() - round((now - ended_at) * 1000)
        self._hang_up(end, now)
        self._context.drain()
        figures = None
        if self._relay is not None:
            self._relay.owner = None
            figures = await self._context.figures(self._relay, CLOSE_SECONDS)
        duration = 0.0 if self._answered_at is None else max(0.0, ended_at - self._answered_at)
        cdr = self.record.cdr(
            end,
            ended_wall,
            round(duration * 1000),
            figures,
            self.codec,
        )
        try:
            await self._context.desk.settle(cdr, opened=self._opened)
        finally:
            self._context.ended(self, end)

    def _hang_up(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        if self._branches is not None:
            self._branches.cancel(now)
        if self._answered_at is None:
            self._a.reject(max(end.status, 400), now, end.reason, extra)
        self._a.bye(now, extra)
        if self._b is not None:
            self._b.bye(now, extra)

    # For the parts

    def leg(self, side: Side) -> Session:
        leg = self._a if side == "a" else self._b
        assert leg is not None
        return leg

    def side_of(self, session: Session) -> Side:
        return "a" if session is self._a else "b"

    def learn(self, side: Side, heard: SessionDescription) -> None:
        """Teach the relay what a leg said."""
        self.media.learn(side, heard, self.leg(side).dialog.flow.remote[0])

    @property
    def media(self) -> CallMedia:
        assert self._media is not None
        return self._media

    def _now(self) -> float:
        return self._context.loop.time()
