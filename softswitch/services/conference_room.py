"""Conferences as their members meet them: dialling into a room, prompts and keys (A4 to A8)."""

from __future__ import annotations

import asyncio
from functools import partial

from billing.stores.store import StoreError
from ivr_prompts.phrase import Number
from rtp.session import MediaError
from softswitch.admission.authentication import LineCaller
from softswitch.call.established.merging import key_of
from softswitch.call.ivr.service_call import ServiceCall
from softswitch.call.ivr.speaker import Speaker
from softswitch.conference import focus_referral
from softswitch.conference.hall import ROOM, Full, Hall, Member
from softswitch.conference.rooms import DialInRoom
from softswitch.subscribers import pins

TRIES = 3
MAX_ROOM_DIGITS = 12
SECOND_KEY_SECONDS = 3.0
"""The timeout for the digit after the star."""
FOREVER_SECONDS = 86_400.0


async def conference_room(call: ServiceCall) -> None:
    """Ask for a room and its PIN, and connect the caller to it."""
    hall = call.context.features.hall
    try:
        await _dial_in(call, hall)
    except StoreError as error:
        call.context.log.error("a conference has no database", call=call.id, why=str(error))
        await call.speaker.say("service-failed")


async def focus(call: ServiceCall) -> None:
    """The conference of a line's own calls: its owner joins, and hands the other parties over."""
    hall, caller = call.context.features.hall, call.caller
    if not isinstance(caller, LineCaller):
        return
    line = caller.line
    try:
        if not await hall.may_hold(line):
            await call.speaker.say("conf-service-needed", interruptible=False)
            return
        member = hall.join(key_of(line), line, call.legs, "a", owner=True)
    except Full:
        await call.speaker.say("conf-full", interruptible=False)
        return
    except StoreError as error:
        call.context.log.error("a conference has no database", call=call.id, why=str(error))
        await call.speaker.say("service-failed")
        return
    await take_part(call, member)


async def _dial_in(call: ServiceCall, hall: Hall) -> None:
    number = await call.speaker.collect("enter-number", maximum=MAX_ROOM_DIGITS)
    found = await hall.room(number) if number else None
    if found is None:
        await call.speaker.say("conf-not-found", interruptible=False)
        return
    room, line = found
    caller = call.caller
    owner = isinstance(caller, LineCaller) and caller.line.id == line.id
    if not await hall.may_hold(line):
        await call.speaker.say("conf-service-needed", interruptible=False)
        return
    if not owner and not await _proven(call, hall, room):
        return
    try:
        member = hall.join((ROOM, room.number), line, call.legs, "a", owner=owner)
    except Full:
        await call.speaker.say("conf-full", interruptible=False)
        return
    await take_part(call, member)


async def _proven(call: ServiceCall, hall: Hall, room: DialInRoom) -> bool:
    if room.pin is None:
        return True
    for _ in range(TRIES):
        typed = await call.speaker.collect("conf-enter-pin", maximum=pins.MAX_DIGITS)
        if not typed:
            break
        try:
            if await hall.opens(room, typed):
                return True
        except pins.Locked:
            await call.speaker.say("pin-locked", interruptible=False)
            return False
        call.speaker.keypad.clear()
        await call.speaker.say("conf-wrong-pin", interruptible=False)
    await call.speaker.say("goodbye")
    return False


async def take_part(call: ServiceCall, member: Member) -> None:
    """Stay in the conference until it is over, or the call is."""
    speaker, hall = call.speaker, call.context.features.hall
    over = asyncio.ensure_future(member.over.wait())
    try:
        if not await _arrives(call, member):
            await speaker.say("service-failed")
            return
        call.service_leg.on_refer = partial(focus_referral.asked, call.context, member)
        await _greet(member, speaker)
        member.listen()
        keys = asyncio.ensure_future(_keys(member, speaker, hall))
        try:
            await asyncio.wait({over, keys}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            keys.cancel()
        if not over.done():
            keys.result()
        call.sound.hear(member.side, "prompts")
        await speaker.say("conf-ended", interruptible=False)
    finally:
        over.cancel()
        hall.leave(member)


async def _arrives(call: ServiceCall, member: Member) -> bool:
    """Move the call to the media worker of the conference; False if that is impossible."""
    try:
        if await call.worker_move.move_to_worker_of(member.side, member.conference.home):
            call.service_leg.moved()
    except MediaError as error:
        call.context.log.error("a conference takes no more members", call=call.id, why=str(error))
        return False
    return True


async def _greet(member: Member, speaker: Speaker) -> None:
    others = len(member.conference.members) - 1
    if others:
        await speaker.say("conf-welcome", "conf-participants", Number(others + 1))
    else:
        await speaker.say("conf-alone")


async def _keys(member: Member, speaker: Speaker, hall: Hall) -> None:
    """Handle the keys of a member: a star, and a digit soon after it."""
    settings = hall.settings
    while True:
        if await speaker.keypad.next(FOREVER_SECONDS) != "*":
            continue
        second = await speaker.keypad.next(SECOND_KEY_SECONDS)
        pressed = f"*{second}"
        if pressed == settings.mute:
            hall.mute(member, not member.muted)
            await speaker.say("conf-muted" if member.muted else "conf-unmuted")
        elif pressed == settings.end and member.owner:
            hall.end(member.conference)
