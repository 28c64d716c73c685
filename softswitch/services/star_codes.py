"""Star codes, and the code for malicious calls: carried out, then confirmed."""

from __future__ import annotations

import asyncio

from billing.stores.store import StoreError
from ivr_prompts.phrase import Part
from softswitch.admission.authentication import LineCaller
from softswitch.admission.numbering import NumberError
from softswitch.call.ivr.service_call import ServiceCall
from softswitch.services.confirmations import phrase
from softswitch.subscribers.directory import Line
from softswitch.subscribers.star_codes import Outcome, PinCheck, StarCode, carry_out


async def star_code(call: ServiceCall) -> None:
    """Set or announce a line's services by the code; it is also carried out if the caller hangs up
    at once."""
    await call.speaker.say(*await asyncio.shield(_set(call)))


async def malicious(call: ServiceCall) -> None:
    """Mark the line's last incoming call for the operator (C6); the caller's number is never
    announced."""
    await call.speaker.say(await asyncio.shield(_mark(call)))


async def _set(call: ServiceCall) -> tuple[Part, ...]:
    """Carry out a star code; returns the announcement."""
    context = call.context
    line = _line(call)
    code = context.admission.stages.stars.parse(call.request.uri.user or "")
    if line is None or code is None:  # a code or line that was removed just now
        return ("not-possible",)
    try:
        return phrase(await _done(call, line, code))
    except StoreError as error:
        context.log.error("a service can't be set", call=call.id, line=line.number, why=str(error))
        return ("service-failed",)


async def _done(call: ServiceCall, line: Line, code: StarCode) -> Outcome:
    """Carry out a star code. Raises StoreError: nothing has changed."""
    desk = call.context.features.service_desk
    pin: PinCheck = "fits"
    if code.pin:
        pin = await desk.check_pin(line, code.pin)
    async with desk.changing:
        line = _line(call) or line  # another code may have changed it meanwhile
        own = line
        outcome = carry_out(code, line.services, lambda text: _number(call, own, text), pin)
        if outcome.services != line.services:
            await desk.save(line, outcome.services)
    return outcome


async def _mark(call: ServiceCall) -> str:
    context = call.context
    line = _line(call)
    last = None if line is None else context.admission.stages.directory.last_calls.of(line.id)
    if line is None or last is None:
        return "trace-none"
    try:
        await context.features.service_desk.mark(line, last, context.clock.wall_ms())
    except StoreError as error:
        context.log.error("a call can't be marked", call=call.id, line=line.number, why=str(error))
        return "service-failed"
    return "trace-done"


def _line(call: ServiceCall) -> Line | None:
    """The line as the directory has it now: it may have changed since the call was admitted."""
    caller = call.caller
    if not isinstance(caller, LineCaller):
        return None
    return call.context.admission.stages.directory.line(caller.line.id)


def _number(call: ServiceCall, line: Line, text: str) -> str | None:
    """E.164; None if the text is no number, or the line's own number, which would be a loop."""
    stages = call.context.admission.stages
    try:
        read = stages.plan.read(text, stages.directory.is_line)
    except NumberError:
        return None
    return read.number if read.kind == "e164" and read.number != line.number else None
