"""The end of an established call when a leg hangs up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip import events as sip_events
from softswitch.call import ending as endings
from softswitch.call.ending import Ending

if TYPE_CHECKING:
    from softswitch.call.legs import Legs


def hung_up(legs: Legs, letter: sip_events.HungUp | sip_events.Cancelled) -> Ending | None:
    """The end of the call; None if the leg was replaced meanwhile, or is a new one that gave up."""
    session, parties = letter.session, legs.parties
    if session is parties.a.leg:
        by = "caller"
    elif session is parties.b.leg:
        by = "callee"
    else:
        return None
    if isinstance(letter, sip_events.HungUp):  # a Cancelled crossed our 200
        if letter.expired:
            return endings.not_refreshed()
        if letter.status:
            return endings.unreachable(by)
    return endings.hung_up(by)
