"""Admission of the legs of calls, noted in their records stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import Identity, present_onward
from softswitch.admission.routing import ToLine, direction_of_call, type_of_call
from softswitch.subscribers.last_calls import LastCall
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.message import Request
    from softswitch.admission.admission import Stages
    from softswitch.admission.credit import PricedRoute
    from softswitch.call.charging.accounting import Record
    from softswitch.call.clock import Clock
    from softswitch.subscribers.directory import Line


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """Walks the stages of admission up to credit."""

    stages: Stages
    clock: Clock

    def admit(
        self, caller: Caller, dialled_digits: str, request: Request, record: Record
    ) -> PricedRoute:
        """Admit a call; the record, which knows the caller, shows how far it came.

        Raises:
            Refusal: a stage refused.
        """
        stages = self.stages
        dialled = stages.number(dialled_digits)
        record.called = dialled.number
        try:
            destination = stages.route(caller, dialled)
        except Refusal:
            record.routed(*stages.presumed(caller, dialled))
            raise
        record.routed(
            direction_of_call(caller, destination), type_of_call(destination, stages.plan)
        )
        now = self.clock.wall_ms()
        priced = stages.price(caller, destination, request, now, dialled.withheld)
        record.priced(caller, priced)
        if isinstance(destination, ToLine):
            self._note_last_call(destination, priced, record)
        return priced

    def admit_onward(
        self,
        line: Line,
        digits: str,
        request: Request,
        record: Record,
        person: Identity,
        claim: str = "",
    ) -> PricedRoute:
        """Admit a leg that a line of ours adds to a call by forwarding or transferring it: a call
        of that line's own, at its expense and under its limits.

        Args:
            person: the caller id that is presented: of the party who will talk.
            claim: the number that an untrusted trunk claimed of the call's caller; "" for none.

        Raises:
            Refusal: a stage refused.
        """
        caller = LineCaller(line)
        record.caller(caller)
        priced = self.admit(caller, digits, request, record)
        priced = structs.replace(priced, presented=present_onward(priced.presented, person))
        record.onward(priced.presented.presented)
        route = priced.presented.route
        if isinstance(route, ToLine):
            self._note_last_call(route, priced, record, claim)
        return priced

    def _note_last_call(
        self, route: ToLine, priced: PricedRoute, record: Record, claim: str = ""
    ) -> None:
        presented, identity = priced.presented, priced.presented.identity
        last = LastCall(
            record.call_id,
            identity.asserted or claim or presented.calling,
            record.called,
            identity.presented,
            self.clock.wall_ms(),
            claimed=(presented.claimed or bool(claim)) and not identity.asserted,
        )
        self.stages.directory.last_calls.note(route.line.id, last)
