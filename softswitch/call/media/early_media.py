"""Early media: the sound of a call from the caller's offer to the answer.

The caller's offer, what the rung phones are offered, and what the caller hears before the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from rtp.control import Played, PlayItem
from sip.errors import SipError
from sip.flow import Flow
from sip.message import Response
from sip.offer_answer import met
from sip.reliable import Supported
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.call.media.hold_music import log_failed_tone
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, try_read

if TYPE_CHECKING:
    from softswitch.call.legs import Legs
    from softswitch.call.settings import Tones
    from softswitch.subscribers.directory import Line, Trunk


class EarlyMedia(Struct, eq=False):
    """The early media of one call, with the switch's own ringback tone."""

    _legs: Legs
    _tones: Tones
    _rings: bool = False
    """The switch's own ringback tone is playing."""
    offer: SessionDescription | None = None
    """The caller's first offer; None if the INVITE had none."""
    settled: SessionDescription | None = None
    """The offer, with the codecs that the caller was told of before the answer in a response
    that it acknowledges. Then it expects no others (RFC 3262 section 5) until a new offer."""
    _early: SessionDescription | None = None
    """The description whose sound the caller hears before the answer."""

    # Ports

    def read_offer(self) -> None:
        """Raises SipError: the INVITE's offer can't be used."""
        offer = self._legs.request.description
        if offer:
            self.offer = CallMedia.read_with_fax(offer)

    @property
    def signalling(self) -> str:
        """The address that the caller's SIP comes from; "" before the switch has called it."""
        caller = self._legs.parties.a.leg
        return "" if caller is None else caller.dialog.flow.peer[0]

    async def open_alone(self) -> None:
        """Have ports towards the caller, also in a call that no phone was rung for.

        Raises:
            MediaError: there are none.
        """
        relay = self._legs.relay
        if relay.session is None:
            relay.session = await relay.pool.open_alone(self.signalling)
        if relay.media is None:
            self.begin()

    def begin(self) -> None:
        """The ports are open."""
        legs = self._legs
        caller = legs.parties.a.leg
        legs.relay.begin(legs, None if caller is None else LegSecurity.of(caller))
        if self.offer is not None:
            legs.learn("a", self.offer)

    # While it rings

    def offer_to_called(
        self, party: Line | Trunk | None, flow: Flow, *, wide: bool = False
    ) -> tuple[bytes, LegSecurity]:
        """The offer to a phone or trunk that is rung, b"" if the caller made none; and the keys of
        that leg.

        Args:
            wide: with codecs that the caller does not have.
        """
        legs = self._legs
        security = legs.security.of_leg(party, flow)
        if self.offer is None:
            return b"", security
        media = legs.media
        return media.describe("b", self.offer, wide=wide, security=security, fax=True), security

    @property
    def can_offer_more(self) -> bool:
        """True if there are codecs to offer beyond the caller's."""
        return self.offer is not None and self._legs.media.widens(self.offer)

    @property
    def has_early_media(self) -> bool:
        """True if the caller was given a description of a called leg before the answer."""
        return self._early is not None

    def progress(self, session: Session, response: Response, early: bool) -> None:
        """Pass a provisional response on to the caller.

        Args:
            early: SDP in it becomes early media.
        """
        legs = self._legs
        legs.payers.rang(legs.clock.wall_ms())
        legs.news.changed(legs)
        said = response.description if early else b""
        heard = try_read(said) if said else None
        body = b"" if heard is None else self._begin_early(session, heard)
        if body:
            self.stop_ringing()
        elif self._tones.ringback and self._early is None and self._ring():
            return
        status = response.status
        self._tell(status if status in (180, 181, 182, 183) else 183, body)

    def keep_waiting(self) -> None:
        """Tell the caller that the call goes on, while a refusal waits for contacts that may be
        dead: 183 without a description, since nothing rings."""
        caller = self._legs.parties.a.leg
        if caller is not None and self._early is None and not self._rings:
            caller.progress(183, self._legs.now())

    def _begin_early(self, session: Session, heard: SessionDescription) -> bytes:
        """Let the caller hear a called leg.

        Returns:
            The description for the caller; b"" if there is no early media, since the caller made no
            offer, or the leg answers something else than was offered. Then its 2xx decides.
        """
        legs, security = self._legs, LegSecurity.of(session)
        if self.offer is None:
            return b""
        try:
            security.check(heard)
            legs.media.answered(self.offer, heard)
            legs.media.join("b", security)
            body = legs.media.describe("a", heard, answering=self.answering(heard), fax=True)
            legs.media.learn("b", heard, session.dialog.flow.peer[0])
        except SipError:
            return b""
        self._early = heard
        return body

    def answering(self, heard: SessionDescription) -> SessionDescription | None:
        """The caller's offer, for an answer made from a called leg's description: with the settled
        codecs alone if that leg can talk by them."""
        legs = self._legs
        if self.settled is None or not legs.media.may_join(self.settled, heard):
            return self.offer
        legs.learn("a", self.settled)
        return self.settled

    def _tell(self, status: int, body: bytes) -> None:
        legs = self._legs
        caller = legs.parties.a.leg
        assert caller is not None
        caller.progress(status, legs.now(), body)
        if not body or self.offer is None or self.settled is not None:
            return  # as nearly always
        if Supported(legs.request).allowed:
            self.settled = met(SessionDescription.parse(body), self.offer)

    def update(self, session: Session, body: bytes) -> None:
        """Answer an UPDATE before the answer. The relay stands between, so the other side need
        not hear that this one moved."""
        legs = self._legs
        side = legs.side_of(session)
        theirs = self._early if side == "a" else self.offer
        heard = try_read(body)
        if theirs is None or heard is None:
            session.answer_update(488, b"", legs.now())
            return
        try:
            answer = legs.media.describe(side, theirs, answering=heard)
            legs.media.learn(side, heard, session.dialog.flow.peer[0])
        except SipError as error:
            session.answer_update(error.status, b"", legs.now())
            return
        session.answer_update(200, answer, legs.now())

    # What the switch plays

    def speak(
        self, items: Sequence[PlayItem], *, repeat: bool = False
    ) -> asyncio.Future[Played] | None:
        """Play items to the caller as early media; None if the caller's offer can't be answered.
        Afterwards the caller must be given its peer's description again."""
        legs = self._legs
        if self.offer is None or legs.parties.a.leg is None:
            return None
        try:
            body = legs.media.answer_itself("a", self.offer)
        except SipError:
            return None
        self._tell(183, body)
        legs.sound.hear("a", "prompts")
        return legs.sound.play("a", items, repeat=repeat)

    def _ring(self) -> bool:
        """Play ringback; True if the caller hears it."""
        if self._rings:
            return True
        item = PlayItem(tone="ringback", country=self._tones.country)
        playing = self.speak([item], repeat=True)
        if playing is not None:
            playing.add_done_callback(self._over)
            self._rings = True
        return self._rings

    def stop_ringing(self) -> None:
        """Stop our ringback: a called leg answers or sends sound."""
        if self._rings:
            self._rings = False
            self._legs.sound.stop_playing("a")
            self._legs.sound.hear("a", "peer")

    def _over(self, playing: asyncio.Future[Played]) -> None:
        log_failed_tone(playing, self._legs.log)
