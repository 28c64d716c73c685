"""The targets of a rented number: rung at once or in turn, each leg at the expense of its payer.

A leg to one of our lines, a SIP URI or an IP address costs nothing; one to a telephone number is a
call of the line at which the number rings, at its owner's expense.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from billing.facts.authorization import BillingError
from rtp.session import MediaError
from softswitch.admission.routing import Route, ToTrunk
from softswitch.call.ending import Ending
from softswitch.call.ringing.answer_confirmation import AnswerConfirmation, Confirmations
from softswitch.call.ringing.diversion import Diversion
from softswitch.call.ringing.forking import Attempt, BranchTerms
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.reach import Reach, ReachError, Target, sip_uri
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.admission.admission import Stages
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.ringing.attempts import Dialer
    from softswitch.trace.log import Log

NO_TRUNK = 0
"""The trunk id of a foreign server; real trunks are numbered from 1."""
OWN_HOPS = 2
"""The hops of a call to a rented number: one to the number, and one to its target."""
REACHED_BY = 301
"""The SIP status of the diversion to a target: the number always forwards there."""


class RentedTargets:
    """The targets of one call that are still to be rung.

    Args:
        confirmations: opens the question for the accept key.
        line: the line of the number, which pays for legs to the telephone network.
        number: the rented one.
    """

    __slots__ = (
        "_confirmations",
        "_dialer",
        "_domain",
        "_legs",
        "_line",
        "_log",
        "_number",
        "_payers",
        "_questions",
        "_stages",
        "_steps",
    )

    def __init__(
        self,
        legs: Legs,
        stages: Stages,
        dialer: Dialer,
        confirmations: Confirmations,
        domain: bytes,
        log: Log,
        *,
        line: Line,
        number: str,
        reach: Reach,
    ) -> None:
        self._legs = legs
        self._stages = stages
        self._dialer = dialer
        self._confirmations = confirmations
        self._domain = domain
        self._log = log
        self._line = line
        self._number = number
        self._payers = len(legs.payers.meters)
        """The number of payers before any target had one."""
        self._questions: list[AnswerConfirmation] = []
        steps = [(target,) for target in reach.targets] if reach.in_turn else [reach.targets]
        self._steps: deque[tuple[Target, ...]] = deque(steps)

    async def next(self, refusal: Refusal) -> list[list[Attempt]]:
        """The attempts after the last targets failed, one list for each target that rings at once;
        [] when none is left.

        Args:
            refusal: the failure of the last targets.
        """
        self.release()
        await self._drop_from(self._payers, refusal)
        found: list[list[Attempt]] = []
        while self._steps and not found:
            targets = self._steps.popleft()
            found = [rung for target in targets if (rung := await self._ring(target))]
        return found

    async def _drop_from(self, first: int, refusal: Refusal) -> None:
        """End the legs of targets that no longer ring: their payers pay nothing."""
        for meter in self._legs.payers.meters[first:]:
            await self._legs.payers.drop(meter, Ending.refused(refusal))

    async def _ring(self, target: Target) -> list[Attempt]:
        """The attempts of one target; [] if it can't be rung."""
        payers = len(self._legs.payers.meters)
        try:
            return await self._attempts(target)
        except (Refusal, BillingError, MediaError, ReachError) as error:
            self._log.info(
                "a target can't be had", call=self._legs.id, number=self._number,
                target=target.value, why=str(error),
            )  # fmt: skip
            refusal = (
                error if isinstance(error, Refusal) else Refusal(480, "reach_failed", why=error)
            )
            await self._drop_from(payers, refusal)
            return []

    def release(self) -> None:
        """End all questions for the accept key."""
        for question in self._questions:
            question.close()
        self._questions.clear()

    async def _attempts(self, target: Target) -> list[Attempt]:
        legs, meter = self._legs, None
        if target.kind == "number":
            meter = await legs.payers.add(self._line, target.value, legs.identity("a"))
            route: Route = meter.priced.presented.route
        elif target.kind == "line":
            await self._stages.know(target.value)
            route = found = self._stages.to_line(target.value, legs.parties.line_ids)
            legs.parties.add_line(found.line.id)
        else:
            route = self._to_server(target.value)
        fields = Diversion(self._number, REACHED_BY).fields(route.number, self._domain)
        rung = await self._dialer.attempts(
            route, legs.identity("a"), legs.id, legs.request, fields, OWN_HOPS
        )
        at_once = max(len(attempt.invitations) for attempt in rung)
        questions = await self._ask(at_once) if target.confirm else [None] * at_once
        return [_timed(attempt, target, meter, questions) for attempt in rung]

    async def _ask(self, at_once: int) -> list[AnswerConfirmation]:
        """Questions for the targets that ring at once; targets that ring in turn share one."""
        first = len(self._questions)
        for _ in range(at_once):
            self._questions.append(await self._confirmations.open(self._line.language))
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
    """An attempt with a target's ring time, payer and questions."""
    questions = questions[: len(attempt.invitations)]
    terms = tuple(BranchTerms(meter, question) for question in questions)
    return structs.replace(attempt, seconds=min(attempt.seconds, target.seconds), terms=terms)
