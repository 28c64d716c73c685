"""A call that nobody took goes to the mailbox of the line that was called, if that takes it.

It is the last step: whatever forwarding, targets and other phones there are were tried. The call
goes on as it was admitted: who calls a mailbox pays what a call to its line costs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip import events as sip_events
from softswitch.admission.credit import PricedRoute
from softswitch.admission.routing import ToLine
from softswitch.call import ending as endings
from softswitch.call.ending import Ending
from softswitch.call.letters import HangUp
from softswitch.subscribers.mailbox import takes_after
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.call import Call

VOICEMAIL = "voicemail"
"""What answered, in the CDR."""


async def divert_to_voicemail(call: Call, priced: PricedRoute, refusal: Refusal) -> Ending | None:
    """Have the mailbox answer; None: the line has none, or none for such calls.

    Args:
        refusal: why nobody else did.
    """
    route, line = priced.presented.route, None
    if isinstance(route, ToLine):
        line = call.context.stages.directory.line(route.line.id)
    sent_on = len(call.payers.records) > 1
    kind = None if line is None else takes_after(line.mailbox, refusal, sent_on=sent_on)
    if line is None or kind is None:
        return None
    call.taken_as = kind
    for meter in call.payers.meters[1:]:
        await call.payers.drop(meter, Ending.refused(refusal))
    ended = await given_up(call)
    if ended is not None:
        return ended
    call.record.answered_by, call.service_leg.host = VOICEMAIL, line
    # A phone that rang may have sent early sound: what the caller says isn't for it any more.
    call.sound.set_remote("b", None, 0, 0, "inactive")
    return await call.service_leg.serve(partial(call.context.take_message, call, line))


async def given_up(call: Call) -> Ending | None:
    """Whether the caller has, before the switch itself answers."""
    caller = call.leg("a")
    while (letter := await call.mailbox.next(call.now())) is not None:
        match letter:
            case sip_events.Cancelled(session) | sip_events.HungUp(session) if session is caller:
                return endings.given_up()
            case sip_events.Updated(session):
                session.answer_update(488, b"", call.now())
            case HangUp(ended_by):
                return Ending(ended_by, 480, 41, rule="call: ended before the answer")
    return None
