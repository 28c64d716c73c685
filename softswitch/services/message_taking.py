"""Message taking: the caller hears the mailbox's greeting and a tone, and is recorded."""

from __future__ import annotations

import asyncio

from billing.stores.store import StoreError
from rtp.control import PlayItem, Recorded
from softswitch.call.call import Call
from softswitch.services.mailbox_menu import enter_from_outside, open_mailbox
from softswitch.subscribers.directory import Line
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.voicemail.desk import MailboxFull, NoRoom, Visitor

BEEP = PlayItem(tone="beep")
PAUSE = PlayItem(milliseconds=500)
OWNER_KEY = "*"
"""The key by which the owner, calling from another phone, opens the menu during the greeting."""
END_KEY = "#"
TRIES = 2
"""The most recordings of a caller whose message was too short."""


async def take_message(call: Call, line: Line) -> None:
    """Greet, record, confirm."""
    mailbox = line.mailbox or VoiceMailbox()
    own = call.line_of("a")
    if own is not None and own.id == line.id:  # the owner leaves no messages in the own mailbox
        await open_mailbox(call, line)
        return
    if await _greet(call, line, mailbox) == OWNER_KEY and mailbox.pin is not None:
        await enter_from_outside(call, line, mailbox)
        return
    say = call.speaker.say
    try:
        for _ in range(TRIES):
            if await _record(call, line, mailbox):
                await say("vm-recorded", "goodbye")
                return
            await say("vm-too-short", interruptible=False)
    except MailboxFull:
        await say("vm-full", interruptible=False)
    except (NoRoom, StoreError) as error:
        call.context.log.warning(
            "no message can be taken", call=call.id, line=line.number, why=str(error)
        )
        await say("service-failed", interruptible=False)


async def _greet(call: Call, line: Line, mailbox: VoiceMailbox) -> str | None:
    """Play the line's own greeting, or else the switch's words; returns the key that interrupted
    it."""
    speaker, played = call.speaker, None
    if mailbox.greeting is not None:
        greeting = PlayItem(file=await call.context.features.voicemail.fetched(mailbox.greeting))
        played = await call.sound.play("a", [PAUSE, greeting], barge_in=True)
        if played.reason == "failed":
            call.context.log.error(
                "a greeting can't be played", call=call.id, line=line.number, why=played.problem
            )
    if played is None or played.reason == "failed":
        await speaker.say("vm-greeting")
    return await speaker.keypad.next(0.0) if len(speaker.keypad) else None


async def _record(call: Call, line: Line, mailbox: VoiceMailbox) -> int:
    """Record a message, which is kept however the call ends; returns its milliseconds, 0 if it is
    too short.

    Raises:
        MailboxFull, NoRoom, StoreError: it can't be taken.
    """
    desk, identity = call.context.features.voicemail, call.identity("a")
    visitor = Visitor(identity.asserted, identity.presented, call.id)
    message = await desk.begin(line, mailbox, visitor)
    recorded: asyncio.Future[Recorded] | None = None
    try:
        call.speaker.keypad.clear()
        await call.sound.play("a", [BEEP])
        _, recorded = call.sound.record(
            desk.path(message),
            "a",
            max_seconds=mailbox.max_seconds or desk.settings.max_seconds,
            silence_seconds=desk.settings.silence_seconds,
            end_digits=END_KEY,
        )
    finally:
        kept = desk.keep(message, recorded)
    kept_ms = await asyncio.shield(kept)
    call.speaker.keypad.clear()  # the key that ended it
    return kept_ms
