"""Telephone self-service with a PIN (C11): 2828 sets it, changes it, and opens and closes
international calls with it (C5)."""

from __future__ import annotations

from softswitch.call.ivr.service_call import ServiceCall
from softswitch.services.short_codes import for_line
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Line

TRIES = 3
"""The most tries in one call; :class:`softswitch.subscribers.pin_tries.PinTries` counts
over all calls."""
BARRING = "bar_international"


@for_line
async def pin(call: ServiceCall, line: Line) -> None:
    """2828: a line without a PIN sets one; with a PIN, the caller gives it and then chooses."""
    if line.pin is None:
        await call.speaker.say("pin-none")
        await _choose(call, line)
        return
    if not await _proven(call, line):
        return
    match await call.speaker.ask("pin-menu", keys="123"):
        case "1":
            await _choose(call, line)
        case "2":
            await _bar(call, line, False)
        case "3":
            await _bar(call, line, True)
        case _:
            await call.speaker.say("goodbye")


async def _proven(call: ServiceCall, line: Line) -> bool:
    for _ in range(TRIES):
        typed = await call.speaker.collect("pin-enter", maximum=pins.MAX_DIGITS)
        if not typed:
            break
        try:
            if await call.context.features.self_service.prove(line, typed):
                return True
        except pins.Locked:
            await call.speaker.say("pin-locked", interruptible=False)
            return False
        call.speaker.keypad.clear()
        await call.speaker.say("pin-wrong", interruptible=False)
    await call.speaker.say("goodbye")
    return False


async def _choose(call: ServiceCall, line: Line) -> None:
    """Ask for a new PIN twice, and set it."""
    for _ in range(TRIES):
        first = await call.speaker.collect("pin-new", maximum=pins.MAX_DIGITS)
        if not first:
            break
        try:
            pins.check_strength(first, line.number)
        except pins.WeakPin:
            await call.speaker.say("pin-bad", interruptible=False)
            continue
        if await call.speaker.collect("pin-repeat", maximum=pins.MAX_DIGITS) != first:
            await call.speaker.say("pin-differ", interruptible=False)
            continue
        await call.context.features.self_service.set_pin(line, first)
        await call.speaker.say("pin-set")
        return
    await call.speaker.say("goodbye")


async def _bar(call: ServiceCall, line: Line, on: bool) -> None:
    await call.context.features.service_desk.save(line, line.services.switched(BARRING, on))
    await call.speaker.say("barring-international-on" if on else "barring-international-off")
