"""What every call of a switch works with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import structs

from billing.stores.group_commit import GroupCommit
from rtp.control import SessionFigures
from rtp.session import MediaError, MediaSession
from sip.credentials import Credentials
from sip.fields import Fields
from sip.flow import Flow
from sip.geolocation import Location, location_of
from sip.message import Request
from sip.user_agent import Invitation, UserAgent
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import (
    Identity,
    asserting_fields,
    from_field,
    present_onward,
    privacy_fields,
)
from softswitch.admission.credit import PricedRoute
from softswitch.admission.routing import (
    Route,
    ToLine,
    ToService,
    ToTrunk,
    direction_of_call,
    type_of_call,
)
from softswitch.call.charging.accounting import Record, SettlementDesk
from softswitch.call.media.call_tones import Tones
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.ringing.forking import Attempt, PhoneRinger
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.last_calls import LastCall
from softswitch.subscribers.policies import KeyPolicy, SrtpPolicy
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import Unanswered
from softswitch.trace.log import Log

if TYPE_CHECKING:
    from sip.session import Session
    from softswitch.call.call import Call
    from softswitch.call.ending import Ending
    from softswitch.conference.hall import Hall
    from softswitch.prompts.announcer import Announcer
    from softswitch.recordings.desk import RecordingDesk
    from softswitch.services.self_service import SelfService
    from softswitch.subscribers.service_desk import ServiceDesk
    from softswitch.voicemail.desk import VoicemailDesk

DEFAULT_MAX_FORWARDS = 70


TakeMessage = Callable[["Call", Line], Awaitable[None]]


class TrunkFlows(Protocol):
    """Who knows by which flows a trunk is reached."""

    async def find(self, trunk: Trunk) -> Sequence[Flow]:
        """In the order in which they are to be tried; waits only a little."""

    def first(self, trunk: Trunk) -> Flow | None:
        """The one to be tried first, by what is known now."""

    def enlarge(self, flow: Flow) -> Flow | None:
        """By which TCP flow big requests may go to where a UDP flow leads; None: by none."""


class Media(Protocol):
    """Who opens relay sessions: worker processes, or an engine in this one."""

    def open(
        self,
        a_signalling: str | None,
        b_signalling: str | None,
        *,
        beside: MediaSession | None = None,
    ) -> asyncio.Future[MediaSession]: ...

    def open_alone(
        self, signalling: str | None, *, together: bool = False
    ) -> asyncio.Future[MediaSession]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of every call; seconds."""

    max_duration_seconds: float
    no_answer_seconds: float
    trunk_failover_seconds: float
    reservation_seconds: int
    """How much talk time is reserved at once."""
    park_seconds: float = 0.0
    """How long a call waits for a phone to register where none is; 0: it doesn't."""
    serial_ring_seconds: float = 20.0
    """How long phones of a higher q ring before those of a lower one."""
    follows_redirects: bool = True
    """Whether a phone's 3xx sends the call on, as its line's own call."""
    srtp: SrtpPolicy = "optional"
    """Of lines and trunks that say nothing else."""
    transcodes: bool = True
    """Whether sides that share no codec may talk all the same."""
    announces: Literal["early", "answer", "off"] = "early"
    """How a caller of ours hears why a call is refused."""
    warnings_seconds: tuple[int, ...] = ()
    """How long before the money ends the payer is warned, the longest first."""
    announces_unanswered: tuple[Unanswered, ...] = ()
    """Which of the calls that nobody took are announced to a caller of ours."""
    dtmf: KeyPolicy = "auto"
    """How lines and trunks that say nothing else are told of keys."""

    @property
    def extension_lead_seconds(self) -> float:
        """How long before its paid second a call asks for more."""
        return min(10.0, self.reservation_seconds / 3)


@dataclass(frozen=True, slots=True)
class CallContext:
    """The switch, as a call sees it.

    Args:
        drain: writes what the user agent wants written; called after commands to it.
        node: this switch's name among those that share its database.
        wall_ms: epoch milliseconds.
        trunk_flows: finds how to reach a trunk; nothing if its name can't be resolved.
        service_desk: keeps what lines set by phone.
        voicemail: their mailboxes.
        recordings: their recorded calls.
        hall: the conferences that go on.
        calls_of: the calls in which a line takes part.
        self_service: their balance, terms and PINs.
        tell: sends a text of the switch's own to a line's phones.
        take_message: talks with who reaches the mailbox of a line.
        trusts: whether requests of a line's or trunk's call may come from there.
        offer: told that a call was refused; it may talk with the caller, and says how that ended.
        left: told that a line takes no part in a call any more.
        begin: has a call live that nobody has dialled.
        admitted: told that a call has a leg of these lines and this payer.
        joined: told of each leg of a call when it begins.
        changed: told that a call rings, was answered, or has another person on one of its sides.
        ended: told when a call is over and settled.
    """

    loop: asyncio.AbstractEventLoop
    agent: UserAgent
    media: Media
    money: GroupCommit
    desk: SettlementDesk
    stages: Stages
    announcer: Announcer
    limits: Limits
    tones: Tones
    log: Log
    domain: bytes
    node: str
    media_address: str
    drain: Callable[[], None]
    wall_ms: Callable[[], int]
    trunk_flows: TrunkFlows
    service_desk: ServiceDesk
    voicemail: VoicemailDesk
    recordings: RecordingDesk
    hall: Hall
    calls_of: Callable[[Line], list[Call]]
    self_service: SelfService
    tell: Callable[[Line, str], None]
    take_message: TakeMessage
    trusts: Callable[[Line | Trunk, Flow], bool]
    offer: Callable[[Call, Refusal], Awaitable[Ending | None]]
    begin: Callable[[Call], None]
    admitted: Callable[[Call, Record], None]
    left: Callable[[Call, Line], None]
    joined: Callable[[Call, Session], None]
    changed: Callable[[Call], None]
    ended: Callable[[Call, Ending], None]

    def security(self, party: Line | Trunk | None, flow: Flow) -> LegSecurity:
        """Of a new leg."""
        policy = None if party is None else party.srtp
        told_keys = None if party is None else party.dtmf
        return LegSecurity(
            policy or self.limits.srtp,
            confidential=flow.transport in ("tls", "wss"),
            draw=self.agent.stack.octets,
            told_keys=told_keys or self.limits.dtmf,
        )

    def admit(
        self, caller: Caller, dialled_digits: str, request: Request, record: Record
    ) -> PricedRoute:
        """Walk the stages of admission and note in the record how far the call came.

        Raises:
            Refusal: a stage refused.
        """
        stages = self.stages
        record.caller(caller)
        dialled = stages.number(dialled_digits)
        record.dialled(dialled)
        record.routed(*stages.presumed(caller, dialled))
        destination = stages.route(caller, dialled)
        record.routed(
            direction_of_call(caller, destination), type_of_call(destination, stages.plan)
        )
        priced = stages.price(caller, destination, request, self.wall_ms(), dialled.withheld)
        record.priced(caller, priced)
        self._note_last_call(priced, record)
        return priced

    def admit_onward(
        self,
        line: Line,
        digits: str,
        request: Request,
        record: Record,
        person: Identity,
    ) -> PricedRoute:
        """Admit a leg that a line of ours adds to somebody's call, by forwarding or transferring
        it: a call of that line's own, at its expense and under its limits.

        Args:
            person: who will talk.

        Raises:
            Refusal: a stage refused.
        """
        caller = LineCaller(line)
        priced = self.admit(caller, digits, request, record)
        priced = replace(priced, presented=present_onward(priced.presented, person))
        record.onward(priced.presented.presented)
        self._note_last_call(priced, record)
        return priced

    def _note_last_call(self, priced: PricedRoute, record: Record) -> None:
        route, identity = priced.presented.route, priced.presented.identity
        if isinstance(route, ToLine):
            calling = identity.asserted or priced.presented.calling
            last = LastCall(
                record.call_id, calling, record.called, identity.presented, self.wall_ms()
            )
            self.stages.directory.last_calls.note(route.line.id, last)

    async def attempts(
        self, priced: PricedRoute, request: Request, extra: Fields = (), hops: int = 1
    ) -> list[Attempt]:
        """What is rung, in order.

        Args:
            extra: further fields of the INVITEs.
            hops: how many the call has made inside the switch, this one included.

        Raises:
            Refusal: 503, no trunk can be reached; 483, too many hops.
        """
        presented = priced.presented
        return await self.ring(presented.route, presented.identity, request, extra, hops)

    async def ring(
        self,
        destination: Route,
        identity: Identity,
        request: Request,
        extra: Fields = (),
        hops: int = 1,
    ) -> list[Attempt]:
        """As :meth:`attempts`, for who is shown as `identity`."""
        extra = (*privacy_fields(identity), *extra)
        forwards = request.max_forwards
        left = (DEFAULT_MAX_FORWARDS if forwards is None else forwards) - hops
        if left < 0:
            raise Refusal(483, "hops_too_many")
        if isinstance(destination, ToService):
            raise Refusal(404, "service_not_dialled")
        if isinstance(destination, ToLine):
            return self._ring_line(destination, identity, left, extra)
        # Where the caller is goes to who sends help, and to nobody else.
        location = location_of(request) if destination.emergency else Location()
        return await self._ring_trunks(destination, identity, left, extra, location)

    def _ring_line(
        self, destination: ToLine, identity: Identity, max_forwards: int, extra: Fields
    ) -> list[Attempt]:
        """All phones of the highest q at once, then those of the next (RFC 3261 section 16.6);
        nearly always that is one attempt."""
        line = destination.line
        own = line.services.ring_seconds or line.no_answer_seconds
        own = own or self.voicemail.ring_seconds(line)
        seconds: float = own or self.limits.no_answer_seconds
        phones = PhoneRinger(
            line,
            self.to_field(destination.number),
            from_field(identity, self.domain),
            max_forwards,
            extra,
            partial(self.trusts, line),
        )
        if destination.reach is not None:
            return [Attempt((), 0.0, phones=phones, reach=destination.reach)]
        if destination.forward is not None:
            return [Attempt((), 0.0, phones=phones, forward=destination.forward)]
        groups = [list(group) for _, group in groupby(destination.bindings, lambda b: b.q)]
        if not groups:
            return [Attempt((), self.limits.park_seconds, phones=phones, rings_seconds=seconds)]
        serial = min(seconds, self.limits.serial_ring_seconds)
        return [
            Attempt(
                tuple(phones.invitation(binding) for binding in group),
                seconds if group is groups[-1] else serial,
                phones=phones,
                rings_seconds=seconds,
            )
            for group in groups
        ]

    def to_field(self, number: str) -> bytes:
        """The To of a call to one of our lines."""
        return b"<sip:%s@%s>" % (number.encode("ascii"), self.domain)

    async def _ring_trunks(
        self,
        destination: ToTrunk,
        identity: Identity,
        left: int,
        extra: Fields,
        location: Location,
    ) -> list[Attempt]:
        attempts = []
        from_ = from_field(identity, self.domain)
        asserting = asserting_fields(identity, self.domain)
        for trunk in destination.trunks:
            for flow in await self.trunk_flows.find(trunk):
                trusts = partial(self.trusts, trunk)
                fields = (*asserting, *extra) if trunk.trusted else extra
                fields = (*fields, *location.fields)
                invitation = _trunk_invitation(
                    trunk, flow, destination.number, from_, left, fields, trusts
                )
                invitation = replace(invitation, parts=location.parts)
                attempts.append(
                    Attempt(
                        (invitation,),
                        self.limits.no_answer_seconds,
                        self.limits.trunk_failover_seconds,
                        trunk,
                    )
                )
        if not attempts:
            raise Refusal(503, "trunk_unresolved", says=("refused-no-lines",))
        return attempts

    async def figures(self, relay: MediaSession, seconds: float) -> SessionFigures | None:
        """Close a relay session; None if its worker doesn't say anything in time."""
        try:
            async with asyncio.timeout(seconds):
                return await relay.close()
        except (TimeoutError, MediaError):
            return None


def _trunk_invitation(
    trunk: Trunk,
    flow: Flow,
    number: str,
    from_: bytes,
    max_forwards: int,
    extra: Fields,
    trusts: Callable[[Flow], bool],
) -> Invitation:
    target = bytes(structs.replace(trunk.uri, user=number, password=None, headers=None))
    credentials = None
    if trunk.username is not None:
        credentials = Credentials(trunk.username, trunk.password or "")
    return Invitation(
        flow,
        target,
        from_,
        b"<" + target + b">",
        max_forwards,
        extra,
        credentials=credentials,
        pinned=False,
        trusts=trusts,
    )
