"""The owner's menu of a mailbox: messages are counted, played, saved and deleted; greeting and PIN
are changed.

From a phone of the line its code opens the mailbox, and so does its own number. From elsewhere the
owner calls the line, presses "*" during the greeting, and gives the PIN; a phone of a line without
a mailbox may also dial the code, and then the number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.stores.store import StoreError
from ivr_prompts.phrase import Clock, Count, Date, Digits, Number, Part
from rtp.control import PlayItem
from softswitch.admission.authentication import LineCaller
from softswitch.call.call import Call
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Line
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.refusal import Refusal
from softswitch.voicemail.store import Message

PIN_TRIES = 3
"""The most tries in one call; the desk counts them over all calls."""
MAX_ROUNDS = 50
"""The most choices in one menu: a person makes fewer."""
GREETING_SECONDS = 120
END_KEY = "#"


async def mailbox_menu(call: Call) -> None:
    """The code was dialled, by a phone of the line itself or of one that has no mailbox."""
    line = None
    if isinstance(call.caller, LineCaller):  # as it is now: it may have changed since admission
        line = call.context.admission.stages.directory.line(call.caller.line.id)
    if line is not None and line.mailbox is not None:
        await open_mailbox(call, line)
        return
    other = await _ask_for_mailbox(call)
    if other is None or other.mailbox is None:
        await call.speaker.say("vm-none", interruptible=False)
        return
    await enter_from_outside(call, other, other.mailbox)


async def _ask_for_mailbox(call: Call) -> Line | None:
    """Ask a caller on another phone for the number of the mailbox; returns its line."""
    stages = call.context.admission.stages
    typed = await call.speaker.collect("vm-enter-mailbox")
    try:
        return stages.directory.line_by_number(stages.number(typed).number) if typed else None
    except Refusal:
        return None


async def enter_from_outside(call: Call, line: Line, mailbox: VoiceMailbox) -> None:
    """Ask a caller on another phone for the PIN, then open the mailbox."""
    speaker, desk = call.speaker, call.context.features.voicemail
    for _ in range(PIN_TRIES):
        pin = await speaker.collect("pin-enter", maximum=pins.MAX_DIGITS)
        opens = await desk.opens(line, mailbox, pin)
        if opens:
            await open_mailbox(call, line)
            return
        if opens is None:
            await speaker.say("pin-locked", interruptible=False)
            return
        await speaker.say("pin-wrong", interruptible=False)
    await speaker.say("goodbye", interruptible=False)


async def open_mailbox(call: Call, line: Line) -> None:
    """Tell the owner the number of messages, then offer the menu."""
    choices: dict[str, Callable[[Call, Line], Awaitable[None]]] = {
        "1": _review_messages,
        "2": _record_greeting,
        "3": _change_pin,
    }
    try:
        await _announce_count(call, line)
        for _ in range(MAX_ROUNDS):
            key = await call.speaker.ask("vm-main-menu", keys="".join(choices))
            if key is None:
                break
            await choices[key](call, line)
    except StoreError as error:
        call.context.log.error(
            "a mailbox can't be opened", call=call.id, line=line.number, why=str(error)
        )
        await call.speaker.say("service-failed", interruptible=False)
        return
    await call.speaker.say("goodbye", interruptible=False)


async def _announce_count(call: Call, line: Line) -> None:
    desk = call.context.features.voicemail
    new = len(await desk.messages(line, "new"))
    old = len(await desk.messages(line, "saved"))
    phrase: list[Part] = ["vm-you-have"] if new or old else ["vm-no-messages"]
    if new:
        phrase.append(Count(new, "new-message"))
    if old:
        phrase.append(Count(old, "old-message"))
    await call.speaker.say(*phrase)


# Messages


async def _review_messages(call: Call, line: Line) -> None:
    """Play messages: new ones first, then saved ones, the oldest first."""
    desk = call.context.features.voicemail
    messages = [*await desk.messages(line, "new"), *await desk.messages(line, "saved")]
    for number, message in enumerate(messages, start=1):
        if not await _review_message(call, line, number, message):
            return
    await call.speaker.say("vm-no-more" if messages else "vm-no-messages")


async def _review_message(call: Call, line: Line, number: int, message: Message) -> bool:
    """Play one message until it is saved, deleted or skipped; True if the next one is wanted."""
    speaker, desk = call.speaker, call.context.features.voicemail
    for _ in range(MAX_ROUNDS):
        whole = await _play_message(call, number, message)
        if whole and message.state == "new":
            await desk.mark(message, "saved")  # heard to its end
        match await speaker.ask("vm-menu", keys="1234#"):
            case "1":
                continue
            case "2":
                await desk.mark(message, "saved")
                await speaker.say("vm-saved")
            case "3":
                await desk.delete(message)
                await speaker.say("vm-deleted")
            case "4":
                await _call_back(call, line, message)
                continue
            case None:
                return False
        return True
    return False


async def _play_message(call: Call, number: int, message: Message) -> bool:
    """Play when a message came and from whom, then the message; True if it was heard to its end."""
    if not await call.speaker.say(*_about(call, number, message)) and len(call.speaker.keypad):
        return False
    item = PlayItem(file=await call.context.features.voicemail.fetched(message.id))
    played = await call.sound.play("a", [item, PlayItem(milliseconds=500)], barge_in=True)
    if played.reason == "failed":
        call.context.log.error("a message can't be played", call=call.id, why=played.problem)
        await call.speaker.say("service-failed")
    return played.reason == "end"


def _about(call: Call, number: int, message: Message) -> list[Part]:
    zone = call.context.features.voicemail.zone
    at = datetime.fromtimestamp(message.received_at / 1000, ZoneInfo(zone))
    phrase: list[Part] = ["vm-message", Number(number)]
    known = message.calling.removeprefix("+")
    if known.isdecimal():
        phrase += ["vm-from", Digits(known)]
    else:
        phrase.append("vm-unknown-caller")
    return [*phrase, "vm-received", Date(at.date()), Clock(at.time())]


async def _call_back(call: Call, line: Line, message: Message) -> None:
    """Connect the owner with the caller who left the message, which ends the menu if the call is
    answered."""
    if not message.calling.startswith("+"):
        await call.speaker.say("vm-unknown-caller", interruptible=False)
        return
    call.sound.play("a", [PlayItem(tone="ringback")], repeat=True)
    answered = await call.connect(line, message.calling)
    call.sound.stop_playing("a")
    if not answered:
        await call.speaker.say("refused-unreachable", interruptible=False)


# Greeting and PIN


async def _record_greeting(call: Call, line: Line) -> None:
    """Record a greeting until the owner accepts it."""
    speaker, desk = call.speaker, call.context.features.voicemail
    for _ in range(MAX_ROUNDS):
        if not await desk.prepare():
            await speaker.say("service-failed")
            return
        sound = desk.new_sound()
        kept = False
        try:
            await speaker.say("vm-greeting-record")
            duration_ms = await _record(call, sound)
            answer = await _ask_whether_to_keep(call, sound) if duration_ms else "3"
            kept = answer == "1"
            if kept:
                await desk.keep_greeting(line, sound, duration_ms)
        finally:
            if not kept:
                desk.drop_sound(sound)
        if kept:
            await speaker.say("vm-greeting-saved")
        if answer != "3":
            return


async def _record(call: Call, sound: str) -> int:
    """Record; returns the milliseconds, 0 if nothing was said."""
    desk = call.context.features.voicemail
    call.speaker.keypad.clear()
    await call.sound.play("a", [PlayItem(tone="beep")])
    _, recorded = call.sound.record(
        desk.path(sound),
        "a",
        max_seconds=GREETING_SECONDS,
        silence_seconds=desk.settings.silence_seconds,
        end_digits=END_KEY,
    )
    await asyncio.shield(recorded)
    call.speaker.keypad.clear()
    return await desk.finish_greeting(sound)


async def _ask_whether_to_keep(call: Call, sound: str) -> str | None:
    for _ in range(MAX_ROUNDS):
        answer = await call.speaker.ask("vm-keep-or-repeat", keys="123")
        if answer != "2":
            return answer
        item = PlayItem(file=await call.context.features.voicemail.fetched(sound))
        await call.sound.play("a", [item], barge_in=True)
    return None


async def _change_pin(call: Call, line: Line) -> None:
    speaker, desk = call.speaker, call.context.features.voicemail
    for _ in range(PIN_TRIES):
        pin = await speaker.collect("pin-new", maximum=pins.MAX_DIGITS)
        if not pin:
            return
        try:
            pins.check_strength(pin, line.number)
        except pins.WeakPin:
            await speaker.say("pin-bad", interruptible=False)
            continue
        if await speaker.collect("pin-repeat", maximum=pins.MAX_DIGITS) != pin:
            await speaker.say("pin-differ", interruptible=False)
            continue
        await desk.set_pin(line, pin)
        await speaker.say("pin-set")
        return
