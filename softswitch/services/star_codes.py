"""Star codes and the code for malicious calls, dialled: done, then confirmed."""

from __future__ import annotations

from billing.store import StoreError
from rtp.control import PlayItem
from softswitch.admission.authentication import LineCaller
from softswitch.admission.numbering import NumberError
from softswitch.call.service_call import ServiceCall
from softswitch.directory import Line
from softswitch.star_codes import Confirmation, StarCode, carry_out

DONE_TONE, REFUSED_TONE = "entry", "congestion"
TONE_MS = 2_000


async def star_code(call: ServiceCall) -> None:
    """Set or tell a line's services as the code says."""
    context = call.context
    line = _line(call)
    code = context.stages.stars.parse(call.request.uri.user or "")
    if line is None or code is None:  # a code or line that was taken away just now
        await _confirm(call, False)
        return
    outcome = carry_out(code, line.services, lambda text: _number(call, text), _pin(line, code))
    try:
        if outcome.services != line.services:
            await context.service_desk.save(line, outcome.services)
    except StoreError as error:
        context.log.error("a service can't be set", line=line.number, why=str(error))
        await _confirm(call, False)
        return
    await _confirm(call, not outcome.refused, outcome.confirmations)


async def malicious(call: ServiceCall) -> None:
    """Mark the line's last incoming call for the operator (C6); its number is never told."""
    context = call.context
    line = _line(call)
    last = None if line is None else context.stages.directory.last_calls.of(line.id)
    marked = False
    if line is not None and last is not None:
        try:
            await context.service_desk.mark(line, last, context.wall_ms())
            marked = True
        except StoreError as error:
            context.log.error("a call can't be marked", line=line.number, why=str(error))
    await _confirm(call, marked)


def _line(call: ServiceCall) -> Line | None:
    """As the directory has it now: it may have changed since the call was admitted."""
    caller = call.caller
    if not isinstance(caller, LineCaller):
        return None
    return call.context.stages.directory.line(caller.line.id)


def _pin(line: Line, code: StarCode) -> bool | None:
    return None


def _number(call: ServiceCall, text: str) -> str | None:
    try:
        read = call.context.stages.plan.read(text, call.context.stages.directory.is_line)
    except NumberError:
        return None
    return read.number if read.kind == "e164" else None


async def _confirm(
    call: ServiceCall, done: bool, confirmations: tuple[Confirmation, ...] = ()
) -> None:
    call.sound.hear("a", "prompts")
    tone = DONE_TONE if done else REFUSED_TONE
    await call.sound.play("a", [PlayItem(tone=tone, milliseconds=TONE_MS)])
