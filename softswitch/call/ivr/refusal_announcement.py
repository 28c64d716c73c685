"""Why a call is refused, said to the caller before it is: as early media, or by answering.

Whatever the caller hears, the call stays refused: its CDR has the refusal's own status and instant,
and nothing is charged. Only lines of ours that made an offer are spoken to; a trunk and a phone
without an offer get the status alone, and so does everybody if there is no recording of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rtp.control import Played, PlayItem
from rtp.session import MediaError
from sip import events as sip_events
from sip.errors import SipError
from softswitch.admission.authentication import LineCaller
from softswitch.call.ending import Ending
from softswitch.call.ivr.speaker import FLUSH
from softswitch.call.letters import HangUp, MediaLost
from softswitch.call.media.call_tones import Tones
from softswitch.prompts.announcer import Announcement
from softswitch.subscribers.supplementary import Unanswered, unanswered_as

if TYPE_CHECKING:
    from softswitch.call.call import Call

MAX_SECONDS = 30.0
"""However long an announcement is, the call ends then."""


SAYS: Mapping[Unanswered, str] = MappingProxyType(
    {
        "busy": "refused-busy",
        "no_answer": "refused-no-answer",
        "declined": "refused-declined",
        "unreachable": "refused-unreachable",
    }
)
"""What a call that nobody took is announced by."""
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
"""By Q.850 cause, as ITU-T E.180 uses them; of other causes nobody hears a tone."""


@dataclass(frozen=True, slots=True)
class Said:
    """The announcement is over, in one way or another."""


async def announce_refusal(call: Call, end: Ending) -> Ending:
    """Say why a call ends before it was answered, if there is something to say; how it ends."""
    said = _announcement(call, end)
    if said is None:
        return end
    end = replace(end, at=call.now())
    try:
        await call.opening.alone()
        if _can_be_heard(call):
            await _say(call, said)
    except (MediaError, SipError):
        pass  # no ports, or no codec that both speak: the status has to do
    except Exception:
        call.context.log.exception("an announcement failed", call=call.id)
    return end


def _announcement(call: Call, end: Ending) -> Announcement | None:
    """What is said; None: nothing."""
    if call.parties.get("a") is None:
        return None
    if call.answered or call.offer is None or call.opening.has_early_media:
        return None
    if not isinstance(call.caller, LineCaller):
        return None
    limits = call.context.limits
    says = end.says or _of_unanswered(end, limits.announces_unanswered)
    if says and not end.told and limits.announces != "off":
        said = call.context.announcer.announce(call.caller.line.language, says)
        if said.language:
            return said
    return _tone(call.context.tones, end)


def _of_unanswered(end: Ending, wanted: Collection[Unanswered]) -> tuple[str, ...]:
    """Of a call that nobody took, if the operator wants that announced."""
    kind = unanswered_as(end)
    return (SAYS[kind],) if kind is not None and kind in wanted else ()


def _tone(tones: Tones, end: Ending) -> Announcement | None:
    name = TONE_OF_CAUSE.get(end.cause)
    if not tones.refusals or name is None:
        return None
    item = PlayItem(tone=name, country=tones.country, milliseconds=TONE_MS)
    return Announcement("", (name,), (item,))


def _can_be_heard(call: Call) -> bool:
    """Open the way to the caller; whether they still listen."""
    assert call.offer is not None
    call.tones.stop_ringing()
    body = call.media.answer_itself("a", call.offer)
    leg, now = call.leg("a"), call.now()
    if leg.incoming is None or leg.incoming.answered:
        return False
    if call.context.limits.announces == "answer":
        leg.accept(body, now)
    else:
        leg.progress(183, now, body)
    call.sound.hear("a", "prompts")
    call.context.drain()
    return True


async def _say(call: Call, said: Announcement) -> None:
    call.context.announcer.note(call.id, "a", said)
    playing = call.sound.play("a", (*said.items, FLUSH))
    playing.add_done_callback(partial(_over, call))
    await _until_over(call)


async def _until_over(call: Call) -> None:
    """Wait for the end of the announcement, or for the caller to have enough of it."""
    until = call.now() + MAX_SECONDS
    later: list[Any] = []
    while True:
        letter = await call.mailbox.next(until)
        match letter:
            case None if call.now() < until:
                continue
            case None | Said() | MediaLost() | HangUp():
                break
            case sip_events.Cancelled() | sip_events.HungUp():
                break
            case sip_events.Updated(session, _):
                session.answer_update(488, b"", call.now())
                call.context.drain()
            case sip_events.Acknowledged():
                pass
            case _:
                later.append(letter)
    for letter in later:
        call.post(letter)  # whoever wants a leg is answered when the call closes


def _over(call: Call, playing: asyncio.Future[Played]) -> None:
    if not playing.cancelled():
        playing.exception()  # a worker that died is told of by itself
    call.post(Said())
