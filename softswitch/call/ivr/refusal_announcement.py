"""The announcement of a refusal: early media, or an answer, before the caller is refused.

The call stays refused whatever the caller hears: its CDR has the refusal's own status and instant,
and nothing is charged. Only lines of ours that made an offer hear one; a trunk and a phone without
an offer get the status alone, and so does every caller if there is no recording of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import structs

from rtp.control import Played, PlayItem
from rtp.session import MediaError
from sip import events as sip_events
from sip.errors import SipError
from softswitch.admission.authentication import LineCaller
from softswitch.call.ending import Ending
from softswitch.call.ivr.speaker import FLUSH
from softswitch.call.letters import AnnouncementOver, HangUp, Letter, MediaLost
from softswitch.call.settings import Tones
from softswitch.prompts.announcer import Announcement
from softswitch.subscribers.supplementary import Unanswered, unanswered_as

if TYPE_CHECKING:
    from softswitch.call.legs import Legs
    from softswitch.call.media.early_media import EarlyMedia
    from softswitch.call.settings import Limits
    from softswitch.prompts.announcer import Announcer
    from softswitch.trace.log import Log

MAX_SECONDS = 30.0
"""The call ends then, however long an announcement is."""


SAYS: Mapping[Unanswered, str] = MappingProxyType(
    {
        "busy": "refused-busy",
        "no_answer": "refused-no-answer",
        "declined": "refused-declined",
        "unreachable": "refused-unreachable",
    }
)
"""The announcements of unanswered calls, by the reason."""
TONE_MS = 4_000
TONE_OF_CAUSE = {
    1: "special_information",
    17: "busy",
    22: "special_information",
    28: "special_information",
    34: "congestion",
    38: "congestion",
    41: "congestion",
    42: "congestion",
    44: "congestion",
    47: "congestion",
    102: "congestion",
}
"""By Q.850 cause, as ITU-T E.180 uses them; other causes have no tone."""


@dataclass(frozen=True, slots=True)
class RefusalAnnouncement:
    """Says to the caller of one call why it is refused."""

    legs: Legs
    early_media: EarlyMedia
    announcer: Announcer
    limits: Limits
    tones: Tones
    log: Log

    async def announce(self, end: Ending) -> Ending:
        """Say why a call ends before it was answered, if there is something to say.

        Returns:
            How the call ends: at the instant before the announcement.
        """
        said = self._announcement(end)
        if said is None:
            return end
        end = structs.replace(end, at=self.legs.now())
        try:
            await self.early_media.open_alone()
            if self._can_be_heard():
                await self._say(said)
        except (MediaError, SipError):
            pass  # no ports, or no common codec: the caller gets the status alone
        except Exception:
            self.log.exception("an announcement failed", call=self.legs.id)
        return end

    def _announcement(self, end: Ending) -> Announcement | None:
        """The announcement; None: nothing is said."""
        legs, early_media = self.legs, self.early_media
        if legs.parties.get("a") is None or legs.answered:
            return None
        if early_media.offer is None or early_media.has_early_media:
            return None
        if not isinstance(legs.caller, LineCaller):
            return None
        limits = self.limits
        says = end.says or _of_unanswered(end, limits.announces_unanswered)
        if says and not end.told and limits.announces != "off":
            said = self.announcer.announce(legs.caller.line.language, says)
            if said.language:
                return said
        return _tone(self.tones, end)

    def _can_be_heard(self) -> bool:
        """Open the way to the caller; False if it has given up."""
        legs, offer = self.legs, self.early_media.offer
        assert offer is not None
        self.early_media.stop_ringing()
        body = legs.media.answer_itself("a", offer)
        leg, now = legs.leg("a"), legs.now()
        if leg.incoming is None or leg.incoming.answered:
            return False
        if self.limits.announces == "answer":
            leg.accept(body, now)
        else:
            leg.progress(183, now, body)
        legs.sound.hear("a", "prompts")
        return True

    async def _say(self, said: Announcement) -> None:
        self.announcer.note(self.legs.id, "a", said)
        playing = self.legs.sound.play("a", (*said.items, FLUSH))
        playing.add_done_callback(self._over)
        await self._until_over()

    def _over(self, playing: asyncio.Future[Played]) -> None:
        if not playing.cancelled():
            playing.exception()  # a worker that died is reported by itself
        self.legs.post(AnnouncementOver())

    async def _until_over(self) -> None:
        """Wait for the end of the announcement, or for the caller to hang up."""
        legs = self.legs
        until = legs.now() + MAX_SECONDS
        later: list[Letter] = []
        while (letter := await legs.mailbox.next(until)) is not None or legs.now() < until:
            if letter is None:
                continue
            match letter:
                case AnnouncementOver() | MediaLost() | HangUp():
                    break
                case sip_events.Cancelled() | sip_events.HungUp():
                    break
                case sip_events.Updated(session):
                    session.answer_update(488, b"", legs.now())
                case sip_events.Acknowledged():
                    pass
                case _:
                    later.append(letter)
        for letter in later:
            legs.post(letter)  # a request for a leg is answered when the call closes


def _of_unanswered(end: Ending, wanted: Collection[Unanswered]) -> tuple[str, ...]:
    """The announcement of an unanswered call, if the operator wants it."""
    kind = unanswered_as(end)
    return (SAYS[kind],) if kind is not None and kind in wanted else ()


def _tone(tones: Tones, end: Ending) -> Announcement | None:
    name = TONE_OF_CAUSE.get(end.cause)
    if not tones.refusals or name is None:
        return None
    item = PlayItem(tone=name, country=tones.country, milliseconds=TONE_MS)
    return Announcement("", (name,), (item,))
