"""A call to a rented number: its targets rung at once or in turn, each leg paid as it must be.

A leg to one of our lines, a SIP URI or an IP address costs nothing; one to a telephone number is a
call of the line at which the number rings, at its owner's expense.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from billing.facts.authorization import BillingError
from rtp.session import MediaError
from softswitch.admission.routing import Route, ToTrunk
from softswitch.call.ending import Ending
from softswitch.call.ringing.answer_confirmation import AnswerConfirmation
from softswitch.call.ringing.diversion import Diversion
from softswitch.call.ringing.forking import Attempt, Part
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.reach import Reach, ReachError, Target, sip_uri
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.call.charging.meter import Meter

NO_TRUNK = 0
"""The id of what stands for a foreign server; trunks are numbered from 1."""
OWN_HOPS = 2
"""To the number, and on from it."""
REACHED_BY = 301
"""The status that tells others why the call comes to them: it goes there always."""


class RentedTargets:
    """The targets of one call that are still to be rung.

    Args:
        line: at which the number rings, and which pays for legs to the telephone network.
        number: the rented one.
    """

    __slots__ = ("_call", "_line", "_number", "_payers", "_questions", "_steps")

    def __init__(self, call: Call, line: Line, number: str, reach: Reach) -> None:
        self._call = call
        self._line = line
        self._number = number
        self._payers = len(call.payers.meters)
        """Those there were before any target had one."""
        self._questions: list[AnswerConfirmation] = []
        steps = [(target,) for target in reach.targets] if reach.in_turn else [reach.targets]
        self._steps: deque[tuple[Target, ...]] = deque(steps)

    async def next(self, refusal: Refusal) -> list[list[Attempt]]:
        """What to ring after the last targets didn't take the call, for each of those that ring at
        once; nothing when none is left.

        Args:
            refusal: why they didn't.
        """
        self.release()
        await self._drop_from(self._payers, refusal)
        found: list[list[Attempt]] = []
        while self._steps and not found:
            targets = self._steps.popleft()
            found = [rung for target in targets if (rung := await self._ring(target))]
        return found

    async def _drop_from(self, first: int, refusal: Refusal) -> None:
        """Whoever pays for a target that isn't rung any more, pays nothing."""
        for meter in self._call.payers.meters[first:]:
            await self._call.payers.drop(meter, Ending.refused(refusal))

    async def _ring(self, target: Target) -> list[Attempt]:
        """How one target is rung; nothing if it can't be."""
        payers = len(self._call.payers.meters)
        try:
            return await self._attempts(target)
        except (Refusal, BillingError, MediaError, ReachError) as error:
            self._call.context.log.info(
                "a target can't be had", number=self._number, target=target.value, why=str(error)
            )
            refusal = (
                error if isinstance(error, Refusal) else Refusal(480, "reach_failed", why=error)
            )
            await self._drop_from(payers, refusal)
            return []

    def release(self) -> None:
        """Nobody is asked any more whether he takes the call."""
        for question in self._questions:
            question.close()
        self._questions.clear()

    async def _attempts(self, target: Target) -> list[Attempt]:
        call, meter = self._call, None
        if target.kind == "number":
            meter = await call.payers.add(self._line, target.value, call.caller_identity)
            route: Route = meter.priced.presented.route
        elif target.kind == "line":
            route = found = call.context.stages.to_line(target.value, call.line_ids)
            call.line_ids.add(found.line.id)
        else:
            route = self._to_server(target.value)
        fields = Diversion(self._number, REACHED_BY).fields(route.number, call.context.domain)
        rung = await call.context.ring(route, call.caller_identity, call.request, fields, OWN_HOPS)
        at_once = max(len(attempt.invitations) for attempt in rung)
        questions = await self._ask(at_once) if target.confirm else [None] * at_once
        return [_timed(attempt, target, meter, questions) for attempt in rung]

    async def _ask(self, at_once: int) -> list[AnswerConfirmation]:
        """Questions to those who ring at once; who rings after them is asked by the same."""
        first = len(self._questions)
        for _ in range(at_once):
            self._questions.append(await AnswerConfirmation.open(self._call, self._line.language))
        return self._questions[first:]

    def _to_server(self, target: str) -> ToTrunk:
        """A foreign server, which is told the rented number where its URI names no user."""
        uri = sip_uri(target)
        server = Trunk(NO_TRUNK, uri.host, bytes(uri).decode("utf-8"), ())
        return ToTrunk(uri.user or self._number, (server,))


def _timed(
    attempt: Attempt,
    target: Target,
    meter: Meter | None,
    questions: Sequence[AnswerConfirmation | None],
) -> Attempt:
    """An attempt as one of a target's."""
    parts = tuple(Part(meter, question) for question in questions[: len(attempt.invitations)])
    return replace(attempt, seconds=min(attempt.seconds, target.seconds), parts=parts)
