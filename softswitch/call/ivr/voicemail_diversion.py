"""Diversion of an unanswered call to the mailbox of the called line.

It is the last step, after forwarding, targets and other phones. The call goes on as it was
admitted: calling a mailbox costs what calling its line costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.admission.routing import ToLine
from softswitch.call.ending import Ending
from softswitch.call.ivr.giving_up import given_up
from softswitch.subscribers.mailbox import takes_after

if TYPE_CHECKING:
    from softswitch.admission.credit import PricedRoute
    from softswitch.call.legs import Legs
    from softswitch.subscribers.directory import Directory, Line
    from softswitch.subscribers.refusal import Refusal
    from softswitch.subscribers.supplementary import ForwardKind

VOICEMAIL = "voicemail"
"""`answered_by` in the CDR."""


def mailbox_for(
    legs: Legs, directory: Directory, priced: PricedRoute, refusal: Refusal
) -> tuple[Line, ForwardKind] | None:
    """The line whose mailbox takes the call, and why it does; None: no mailbox takes it.

    Args:
        refusal: why the call was not answered.
    """
    route = priced.presented.route
    line = directory.line(route.line.id) if isinstance(route, ToLine) else None
    if line is None:
        return None
    forwarded = len(legs.payers.records) > 1
    kind = takes_after(line.mailbox, refusal, sent_on=forwarded)
    return None if kind is None else (line, kind)


async def divert(legs: Legs, kind: ForwardKind, refusal: Refusal) -> Ending | None:
    """End what was rung, so that the mailbox can answer; how the call ended if the caller has given
    up."""
    legs.diverted_as = kind
    for meter in legs.payers.meters[1:]:
        await legs.payers.drop(meter, Ending.refused(refusal))
    ended = await given_up(legs)
    if ended is not None:
        return ended
    legs.record.answered_by = VOICEMAIL
    # A phone that rang may have sent early sound: what the caller says isn't for it any more.
    legs.sound.set_remote("b", None, 0, 0, "inactive")
    return None
