"""The announced offer to a caller whose call failed: press 1 to be connected later (D2).

It is early media, after which the call is refused as it would have been; or answered media, which
is free of charge and before which the failed attempt is recorded.
"""

from __future__ import annotations

from functools import partial

from msgspec import structs

from billing.facts.authorization import BillingError
from softswitch.admission.authentication import LineCaller
from softswitch.admission.routing import ToLine
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.ivr.early_service import serve_early
from softswitch.completion.desk import CompletionDesk
from softswitch.completion.waiting import Reason, Waiting
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import failed_as

ACCEPT_KEY = "1"
SECONDS = 5.0
"""The timeout for the key after the question."""


async def offer(desk: CompletionDesk, call: Call, refusal: Refusal) -> Ending | None:
    """Offer completion of a call that was refused; how the call ended then. None: it can't be
    offered, and the refusal stands.

    Raises:
        StoreError, MediaError, SipError: nothing could be offered.
    """
    found, offered = _wanted(desk, call, refusal), call.offer
    if found is None or offered is None:
        return None
    caller, callee, reason = found
    if not call.payers.meters[0].open and not await _can_pay(call, callee):
        return None
    shown = call.identity("a").presented is not None
    waiting = desk.add(caller, callee, call.record.called, shown, reason, "declined")
    if not call.context.features.announcer.announce(caller.language, (question(reason),)).language:
        return (
            None  # no recording in the caller's language: the caller could not understand the offer
        )
    desk.ask(waiting)
    try:
        call.let_go_of(callee)
        service = partial(_ask, desk, call, waiting)
        end = Ending.refused(refusal)
        if desk.answers:
            return await call.serve_unpaid(end, service)
        await call.early_media.open_alone()
        # The offer has said why the call failed.
        return await serve_early(call.legs, offered, service, call.context.log) or structs.replace(
            end, told=True
        )
    finally:
        desk.decided(waiting)


def _wanted(desk: CompletionDesk, call: Call, refusal: Refusal) -> tuple[Line, Line, Reason] | None:
    """The caller, the callee and the reason of a request for completion; None if completion isn't
    offered."""
    caller = call.caller
    reason = failed_as(refusal)
    if not isinstance(caller, LineCaller) or reason not in ("busy", "unreachable"):
        return None
    if call.offer is None or len(call.payers.records) > 1 or len(call.payers.meters) != 1:
        return None
    directory = call.context.admission.stages.directory
    callee = directory.line_by_number(call.record.called)
    if callee is None or directory.bar(callee, "incoming") is not None:
        return None
    rented = directory.rented.get(call.record.called)
    if rented is not None and (rented.shut or rented.reach is not None):
        return None
    line = directory.line(caller.line.id) or caller.line
    if not desk.offerable(line, callee, reason, by_text=False):
        return None
    return line, callee, reason


async def _can_pay(call: Call, callee: Line) -> bool:
    """True if the caller could pay for the call, which was refused before the stage of credit."""
    context = call.context
    route = ToLine(callee.number, callee, ())
    try:
        dialled = context.admission.stages.number(call.request.uri.user or "")
        priced = context.admission.stages.price(
            call.caller, route, call.request, context.clock.wall_ms(), dialled.withheld
        )
        call.record.priced(call.caller, priced)
        context.live_calls.admitted(call.id, call.record)
        call.parties.name("a", priced.presented.identity)
        await call.payers.meters[0].reserve(priced)
    except (Refusal, BillingError):
        return False
    return True


def question(reason: Reason) -> str:
    """The prompt with the question."""
    return f"cc-offer-{reason}"


async def _ask(desk: CompletionDesk, call: Call, waiting: Waiting) -> None:
    speaker = call.speaker
    await speaker.say(question(waiting.reason))
    key = await speaker.keypad.next(SECONDS)
    if key != ACCEPT_KEY:
        await speaker.say("cc-declined", interruptible=False)
        return
    await desk.accept(waiting)
    await speaker.say("cc-accepted", interruptible=False)
