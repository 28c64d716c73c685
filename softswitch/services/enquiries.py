"""Directory enquiries by number (C4): 118, then the number. Listed lines only."""

from __future__ import annotations

from ivr_prompts.phrase import Digits
from rtp.control import PlayItem
from softswitch.admission.numbering import NumberError
from softswitch.call.ivr.service_call import ServiceCall
from softswitch.services.short_codes import for_line
from softswitch.subscribers.directory import Line

CONNECT_SECONDS = 4.0
"""The timeout for the key that connects the caller."""
MAX_ENQUIRIES = 5
"""The most enquiries of one call, so that the directory can't be copied."""


@for_line
async def directory(call: ServiceCall, line: Line) -> None:
    """Look up a number if its line is listed; the name is sent as a text, since no voice can read
    every name."""
    for _ in range(MAX_ENQUIRIES):
        dialled = await call.speaker.collect("directory-enter")
        if not dialled:
            break
        found = _listed(call, dialled)
        if found is None:
            await call.speaker.say("directory-not-found")
            continue
        await call.speaker.say("directory-found", Digits(found.number))
        if found.display_name:
            call.context.features.send_text(line, f"{found.display_name} {found.number}")
            await call.speaker.say("directory-sent")
        if await _confirms_connection(call) and await _connect(call, line, found):
            return
    await call.speaker.say("goodbye")


async def _confirms_connection(call: ServiceCall) -> bool:
    await call.speaker.say("press-1-to-connect")
    key = await call.speaker.keypad.next(CONNECT_SECONDS)
    call.speaker.keypad.clear()
    return key == "1"


async def _connect(call: ServiceCall, line: Line, found: Line) -> bool:
    """Call the number as a call of the line, at its expense; True if it was answered, which ends
    the service."""
    ringback = PlayItem(tone="ringback", country=call.context.tones.country)
    call.sound.play("a", [ringback], repeat=True)
    answered = await call.connect(line, found.number)
    call.sound.stop_playing("a")
    if not answered:
        await call.speaker.say("refused-unreachable", interruptible=False)
    return answered


def _listed(call: ServiceCall, dialled: str) -> Line | None:
    """The listed line of a number; None both for unlisted lines and for unknown numbers."""
    stages = call.context.admission.stages
    try:
        read = stages.plan.read(dialled, stages.directory.is_line)
    except NumberError:
        return None
    found = stages.directory.line_by_number(read.number)
    own = found is not None and found.number == read.number  # a rented number isn't listed with it
    return found if own and found is not None and found.listed else None
