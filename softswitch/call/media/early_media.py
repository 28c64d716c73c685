"""The way of a call's sound, from its ports to the answer: what the caller offered, what whoever is
rung is offered, and what is heard before anybody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtp.control import Played, PlayItem, SessionFigures
from rtp.session import MediaSession
from sip.errors import SipError
from sip.flow import Flow
from sip.message import Response
from sip.offer_answer import met
from sip.reliable import Supported
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, try_read

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line, Trunk


CLOSE_SECONDS = 2.0
"""How long a call waits for its worker's figures."""


class Opening:
    """That of one call."""

    __slots__ = ("_before", "_call", "_early", "media", "offer", "session", "settled")

    def __init__(self, call: Call) -> None:
        self._call = call
        self.session: MediaSession | None = None
        """The call's relay session, once there is one."""
        self.media: CallMedia | None = None
        self.offer: SessionDescription | None = None
        """The caller's first; None if his INVITE made none."""
        self.settled: SessionDescription | None = None
        """His offer with the codecs that he was told of before an answer, in a response that he
        acknowledges: he expects no others then (RFC 3262 section 5), unless he is offered them."""
        self._early: SessionDescription | None = None
        """What the caller hears before an answer."""
        self._before: SessionFigures | None = None
        """What was counted in sessions that the sound has left."""

    def read_offer(self) -> None:
        """Raises SipError: there is one that can't be used."""
        if self._call.request.description:
            self.offer = CallMedia.read(self._call.request.description)

    def order(self) -> asyncio.Future[MediaSession]:
        """Ask for the call's ports."""
        return self._call.order_ports(self._signalling())

    async def alone(self) -> None:
        """Have a way to the caller, also in a call that nobody was rung for.

        Raises:
            MediaError: there is none to be had.
        """
        if self.session is None:
            self.session = await self._call.context.media.open_alone(self._signalling())
        if self.media is None:
            self.begin(self.session)

    def _signalling(self) -> str:
        """Where the caller's SIP comes from; nowhere yet if the switch calls him itself."""
        caller = self._call.parties.get("a")
        return "" if caller is None else caller.dialog.flow.remote[0]

    def begin(self, session: MediaSession) -> None:
        """The ports are there."""
        call = self._call
        session.owner = call
        address = call.context.media_address
        origin = call.context.agent.stack.pick(1 << 31)
        caller = call.parties.get("a")
        self.media = CallMedia(
            session,
            {"a": address, "b": address},
            origin,
            None if caller is None else LegSecurity.of(caller),
            transcodes=call.context.limits.transcodes,
        )
        if self.offer is not None:
            call.learn("a", self.offer)

    async def move(self, session: MediaSession) -> None:
        """Go on in another relay session; what the first one counted is kept."""
        assert self.session is not None and self.media is not None
        left, self.session = self.session, session
        left.owner, session.owner = None, self._call
        self.media.move(session)
        self._count(await self._call.context.figures(left, CLOSE_SECONDS))

    async def close(self) -> SessionFigures | None:
        """Give the ports back; what was counted in them, None if nobody knows."""
        if self.session is not None:
            self.session.owner = None
            self._count(await self._call.context.figures(self.session, CLOSE_SECONDS))
        return self._before

    def _count(self, figures: SessionFigures | None) -> None:
        if figures is not None:
            before = self._before
            self._before = figures if before is None else before.and_then(figures)

    def let_go(self) -> None:
        """Of the call, which is over."""
        del self._call

    # While it rings

    def offer_to_called(
        self, party: Line | Trunk | None, flow: Flow, *, wide: bool = False
    ) -> tuple[bytes, LegSecurity]:
        """Our offer to a phone or trunk that is rung, empty when the caller made none; and what it
        says of SRTP.

        Args:
            wide: with codecs that the caller hasn't.
        """
        call = self._call
        security = call.context.security(party, flow)
        if self.offer is None:
            return b"", security
        return call.media.describe("b", self.offer, wide=wide, security=security), security

    @property
    def can_offer_more(self) -> bool:
        """Whether we know codecs for somebody who speaks none of the caller's."""
        return self.offer is not None and self._call.media.widens(self.offer)

    @property
    def has_early_media(self) -> bool:
        """Whether the caller was given a description of somebody's sound before an answer."""
        return self._early is not None

    def progress(self, session: Session, response: Response, *, early: bool = True) -> None:
        """Pass a provisional response on; with SDP in it the caller hears early media, if `early`
        says so."""
        call = self._call
        call.payers.rang(call.context.wall_ms())
        call.context.changed(call)
        body = b""
        heard = try_read(response.description) if early else None
        if heard is not None and self.offer is not None:
            call.tones.stop_ringing()
            self._early = heard
            call.media.join("b", LegSecurity.of(session))
            call.media.learn("b", heard, session.dialog.flow.remote[0])
            body = call.media.describe("a", heard, answering=self.answering(heard))
        elif self._early is None and call.tones.ring():
            return
        status = response.status if response.status in (180, 181, 182, 183) else 183
        self._tell(status, body)

    def answering(self, heard: SessionDescription) -> SessionDescription | None:
        """The caller's offer, for an answer made from what somebody said: if that somebody can talk
        by the codecs that are settled, with those alone."""
        if self.settled is None or not self._call.media.may_join(self.settled, heard):
            return self.offer
        self._call.learn("a", self.settled)
        return self.settled

    def _tell(self, status: int, body: bytes) -> None:
        call = self._call
        call.leg("a").progress(status, call.now(), body)
        settles = bool(body) and self.settled is None and Supported(call.request).allowed
        if settles and self.offer is not None:
            self.settled = met(SessionDescription.parse(body), self.offer)

    def update(self, session: Session, body: bytes) -> None:
        """An UPDATE before the answer: the relay stands between, so the other side needn't
        hear that this one moved."""
        call = self._call
        side = call.side_of(session)
        theirs = self._early if side == "a" else self.offer
        heard = try_read(body)
        if theirs is None or heard is None:
            session.answer_update(488, b"", call.now())
            return
        try:
            answer = call.media.describe(side, theirs, answering=heard)
            call.media.learn(side, heard, session.dialog.flow.remote[0])
        except SipError as error:
            session.answer_update(error.status, b"", call.now())
            return
        session.answer_update(200, answer, call.now())

    def speak(
        self, items: Sequence[PlayItem], *, repeat: bool = False
    ) -> asyncio.Future[Played] | None:
        """Have a caller hear something before anybody answers; None if they made no offer that
        we could answer. Afterwards they are to hear their peer again."""
        call = self._call
        if self.offer is None or call.parties.get("a") is None:
            return None
        try:
            body = call.media.answer_itself("a", self.offer)
        except SipError:
            return None
        self._tell(183, body)
        call.sound.hear("a", "prompts")
        call.context.drain()
        return call.sound.play("a", items, repeat=repeat)
