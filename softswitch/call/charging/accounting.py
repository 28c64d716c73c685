"""From hang-up to CDR to settlement."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from operator import attrgetter

from msgspec import Struct, field

from billing.facts.authorization import CloseCall, Settlement, WriteCdr
from billing.facts.cdr import Cdr, MediaFigures, SideMedia, leg_key
from billing.stores.group_commit import PATIENCE_SECONDS, GroupCommit
from billing.stores.schema import storable
from billing.stores.store import StoreError
from rtp.figures import SessionFigures, SideFigures
from sip.message import Request
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.credit import PricedRoute
from softswitch.admission.decisions import Decisions
from softswitch.admission.routing import Route, ToLine, ToTrunk
from softswitch.call.ending import Ending
from softswitch.trace.log import Log

RETRY_SECONDS = 1.0
"""The pause before a settlement is retried while the database is out of order."""
MAX_DIALLED = 64
"""The longest dialled string that a CDR keeps; the rest is cut off."""
MAX_CALL_ID = 255
FIRST_LEG = "a"
"""The CDR leg of the caller. Later letters are legs that lines added by forwarding or transfer."""


_LOST = (0, 0, 0, 41, "restart")
"""The ending of a call whose switch died: the fields of a :class:`Cdr` from `ring_ms` to
`ended_by`."""
_FACTS = attrgetter(
    "call_id", "leg", "direction", "_type", "account", "line", "calling", "called", "_dialled",
    "_presented", "trunk", "setup_at", "ringing_at", "answered_at",
)  # fmt: skip
"""The facts of a record in the order of the first fields of a :class:`Cdr`: read in one step."""
_make_cdr: Callable[..., Cdr] = Cdr  # mypy can't count what a getter of several attributes gives


class Record(Struct, eq=False):
    """The facts of one leg while it lives; becomes its CDR.

    Args:
        setup_at: epoch milliseconds.
        key: of the leg in the journal of live calls.
    """

    call_id: str
    leg: str
    key: str
    setup_at: int
    direction: str
    _sip_call_id: str
    _dialled: str
    account: int | None = None
    line: str | None = None
    line_ids: tuple[int, ...] = ()
    routed_to: Route | None = None
    """The route that admission chose for the leg; None before it."""
    calling: str = ""
    called: str = ""
    trunk: str | None = None
    answered_by: str | None = None
    """The service or mailbox of the switch that takes the call in place of the called person."""
    _type: str = "special"
    _presented: str | None = None
    decisions: Decisions = field(default_factory=Decisions)
    ringing_at: int | None = None
    answered_at: int | None = None

    @classmethod
    def of(
        cls,
        call_id: str,
        request: Request,
        now: int,
        leg: str = FIRST_LEG,
        dialled: str | None = None,
    ) -> Record:
        """The record of a leg that begins now (epoch milliseconds).

        Args:
            dialled: by the line that adds the leg; None: what the request asks for.
        """
        if dialled is None:
            uri = request.uri
            dialled = str(uri.user or (f"urn:{uri.host}" if uri.is_emergency else ""))
        return cls(
            call_id,
            leg,
            leg_key(call_id, leg),
            now,
            "outgoing" if leg == FIRST_LEG else "forwarded",
            # The journal takes valid text alone, but a phone may send any octets.
            storable(request.call_id, MAX_CALL_ID),
            storable(dialled, MAX_DIALLED),
        )

    # The stages of admission

    def caller(self, caller: Caller) -> None:
        if isinstance(caller, LineCaller):
            self.account = caller.line.account_id
            self.line = self.calling = caller.line.number
        else:
            if self.leg == FIRST_LEG:
                self.direction = "incoming"
            self.trunk = caller.trunk.name

    def routed(self, direction: str, kind: str) -> None:
        """Note the route of a leg that was added to a call: always a forwarded one."""
        self._type = kind
        if self.leg == FIRST_LEG:
            self.direction = direction

    def priced(self, caller: Caller, priced: PricedRoute) -> None:
        presented, decisions = priced.presented, self.decisions
        route = self.routed_to = presented.route
        self.account = priced.account_id
        self.calling, self._presented = presented.calling, presented.identity.presented
        decisions.shown, decisions.claimed = presented.rule, presented.claimed
        if isinstance(caller, LineCaller):
            self.line_ids = (caller.line.id,)
        if isinstance(route, ToTrunk):
            if route.left:
                decisions.left = route.left
        elif isinstance(route, ToLine):
            self.line_ids += (route.line.id,)
            if self.line is None:
                self.line = route.number

    def onward(self, shown: str | None) -> None:
        """Note the caller id shown by a leg whose speaker is not the line that pays for it."""
        self._presented = shown

    # The call's life

    def rang(self, now: int) -> None:
        if self.ringing_at is None:
            self.ringing_at = now

    def draft(self) -> bytes:
        """The CDR as it stands before anything rings, for the journal of live calls."""
        cdr = _make_cdr(
            *_FACTS(self),
            self.setup_at,
            *_LOST,
            sip_call_id=self._sip_call_id,
            decisions=self.decisions.encoded(""),
        )
        return cdr.to_json()

    def cdr(
        self,
        end: Ending,
        ended_at: int,
        duration_ms: int,
        figures: SessionFigures | None,
        codec: str | None,
    ) -> Cdr:
        """The CDR, not yet rated. Stamps are epoch milliseconds."""
        answered_at, ringing_at, ring_ms = self.answered_at, self.ringing_at, 0
        if ringing_at is not None:
            ring_ms = max(0, (ended_at if answered_at is None else answered_at) - ringing_at)
        return _make_cdr(
            *_FACTS(self),
            ended_at,
            ring_ms,
            duration_ms,
            end.status,
            end.cause,
            end.ended_by,
            codec,
            None if figures is None else media_figures(figures),
            sip_call_id=self._sip_call_id,
            answered_by=None if answered_at is None else self.answered_by,
            decisions=self.decisions.encoded(end.rule),
        )


def media_figures(figures: SessionFigures) -> MediaFigures:
    """The relay's counters in the form that the CDR keeps."""
    return MediaFigures(_side(figures.a), _side(figures.b))


def _side(side: SideFigures) -> SideMedia:
    return SideMedia(
        side.packets,
        side.octets,
        side.lost,
        round(side.jitter_ms * 1000),
        None if side.mos is None else round(side.mos * 100),
        side.strays,
        None if side.round_trip_ms is None else round(side.round_trip_ms * 1000),
        side.one_way,
    )


class SettlementDesk:
    """Settles calls; a call isn't let go until its CDR is on disk.

    Args:
        on_settled: told of each CDR that has become durable.
        tolerance_ms: how far a duration may exceed a whole second and be billed as that.
    """

    def __init__(
        self,
        money: GroupCommit,
        log: Log,
        on_settled: Callable[[Cdr], None] = lambda cdr: None,
        tolerance_ms: int = 0,
    ) -> None:
        self._money = money
        self._log = log
        self._on_settled = on_settled
        self._tolerance_ms = tolerance_ms
        self.waiting = 0
        """The number of calls that wait for a database that is out of order."""

    async def settle(self, cdr: Cdr, key: str | None) -> Cdr:
        """Rate and record a call. Retried until it succeeds, since no CDR may be lost.

        Args:
            key: of the leg's reservation; None: it has none.
        """
        command = WriteCdr(cdr) if key is None else CloseCall(key, cdr, self._tolerance_ms)
        try:
            settlement: Settlement = await self._money.submit(
                command, within_seconds=PATIENCE_SECONDS
            )
        except StoreError as error:
            self._log.error("a settlement waits for the database", call=cdr.call_id, why=str(error))
            settlement = await self._retry(command)
        self._on_settled(settlement.cdr)
        return settlement.cdr

    async def _retry(self, command: CloseCall | WriteCdr) -> Settlement:
        self.waiting += 1
        try:
            while True:
                await asyncio.sleep(RETRY_SECONDS)
                with contextlib.suppress(StoreError):
                    settlement: Settlement = await self._money.submit(command)
                    return settlement
        finally:
            self.waiting -= 1
