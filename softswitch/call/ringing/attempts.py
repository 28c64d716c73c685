"""The attempts of an admitted call, in order: groups of phones by their q, or trunks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from sip.credentials import Credentials
from sip.fields import Fields
from sip.flow import Flow
from sip.geolocation import Location, location_of
from sip.user_agent import Invitation
from softswitch.admission.call_signer import CallSigner
from softswitch.admission.caller_id import (
    WITHHELD,
    Identity,
    asserting_fields,
    from_field,
)
from softswitch.admission.routing import Route, ToLine, ToService, ToTrunk
from softswitch.call.ringing.forking import Attempt, PhoneRinger
from softswitch.call.ringing.silent_contacts import SilentContacts
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.message import Request
    from sip.registrar import Binding
    from softswitch.call.ringing.app_waker import AppWaker
    from softswitch.call.settings import Limits
    from softswitch.voicemail.desk import VoicemailDesk

DEFAULT_MAX_FORWARDS = 70
Trusts = Callable[["Line | Trunk", Flow], bool]
"""True if requests of a line's or trunk's call may come from a flow."""
NOWHERE = Location()
"""No location goes along."""


class PartyTrust(Struct, frozen=True, eq=False, gc=False):
    """The flows from which requests of a party's leg may come. A `partial` of the function would
    take six times the octets of each leg."""

    _trusts: Trusts
    _party: Line | Trunk

    def __call__(self, flow: Flow) -> bool:
        return self._trusts(self._party, flow)


class TrunkFlows(Protocol):
    """Finds the flows by which a trunk is reached."""

    async def find(self, trunk: Trunk) -> Sequence[Flow]:
        """In the order in which they are to be tried; waits only a little."""

    def first(self, trunk: Trunk) -> Flow | None:
        """The one to be tried first, by what is known now."""

    def enlarge(self, flow: Flow) -> Flow | None:
        """The TCP flow by which large requests may go where a UDP flow leads; None: there is
        none."""


class Dialer:
    """Makes the attempts of calls.

    Args:
        domain: the host of our own SIP URIs.
        voicemail: knows the seconds after which a line's mailbox answers.
        silent_contacts: the phones that are passed over.
        signer: signs caller ids for trunks that want it; None: no key is configured.
        on_trunk_answer: told of each 2xx of a trunk, and if its description can be used.
        waker: wakes the apps of called lines.
    """

    __slots__ = (
        "_domain",
        "_flows",
        "_limits",
        "_on_trunk_answer",
        "_signer",
        "_silent_contacts",
        "_voicemail",
        "_waker",
        "trusts",
    )

    def __init__(
        self,
        domain: bytes,
        limits: Limits,
        flows: TrunkFlows,
        voicemail: VoicemailDesk,
        trusts: Trusts,
        silent_contacts: SilentContacts,
        on_trunk_answer: Callable[[Trunk, bool], None],
        waker: AppWaker,
        signer: CallSigner | None = None,
    ) -> None:
        self._waker = waker
        self._signer = signer
        self._on_trunk_answer = on_trunk_answer
        self._silent_contacts = silent_contacts
        self._domain = domain
        self._limits = limits
        self._flows = flows
        self._voicemail = voicemail
        self.trusts = trusts

    def attempts(
        self,
        destination: Route,
        identity: Identity,
        call_id: str,
        request: Request,
        extra: Fields = (),
        hops: int = 1,
    ) -> Awaitable[list[Attempt]]:
        """The attempts of a leg, in order.

        Args:
            identity: the caller id that the called side sees.
            call_id: of our call, for the log.
            extra: further fields of the INVITEs.
            hops: how many the call has made inside the switch, this one included.

        Raises:
            Refusal: 503, no trunk can be reached; 483, too many hops.
        """
        if identity.presented is None:
            extra = (*WITHHELD, *extra)
        forwards = request.max_forwards
        left = (DEFAULT_MAX_FORWARDS if forwards is None else forwards) - hops
        if left < 0:
            raise Refusal(483, "hops_too_many")
        if isinstance(destination, ToLine):
            return self._ring_line(destination, identity, call_id, left, extra)
        if isinstance(destination, ToService):
            raise Refusal(404, "service_not_dialled")
        # The caller's location goes to emergency services alone.
        location = location_of(request) if destination.emergency else NOWHERE
        return self._ring_trunks(destination, identity, left, extra, location)

    async def _ring_line(
        self,
        destination: ToLine,
        identity: Identity,
        call_id: str,
        max_forwards: int,
        extra: Fields,
    ) -> list[Attempt]:
        """The phones of the highest q at once, then those of the next (RFC 3261 section 16.6);
        nearly always that is one attempt."""
        line, limits = destination.line, self._limits
        own = line.services.ring_seconds or line.no_answer_seconds
        own = own or self._voicemail.ring_seconds(line)
        seconds: float = own or limits.no_answer_seconds
        phones = PhoneRinger(
            line,
            self.to_field(destination.number),
            from_field(identity, self._domain),
            max_forwards,
            extra,
            PartyTrust(self.trusts, line),
            partial(self._silent_contacts.note, line.login),
        )
        if destination.reach is not None:
            return [Attempt((), 0.0, phones=phones, reach=destination.reach)]
        if destination.forward is not None:
            return [Attempt((), 0.0, phones=phones, forward=destination.forward)]
        bindings = self._silent_contacts.left_out(destination.bindings)
        groups = [bindings] if len(bindings) == 1 else _by_q(bindings)
        self._waker.wake(line, destination.bindings, identity, call_id)
        if not groups:
            waits = max(limits.park_seconds, self._waker.wait_seconds(line))
            return [Attempt((), waits, phones=phones, rings_seconds=seconds)]
        serial = min(seconds, limits.serial_ring_seconds)
        return [
            Attempt(
                tuple(map(phones.invitation, group)),
                seconds if group is groups[-1] else serial,
                phones=phones,
                rings_seconds=seconds,
            )
            for group in groups
        ]

    def to_field(self, number: str) -> bytes:
        """The To of a call to one of our lines."""
        return b"<sip:%s@%s>" % (number.encode("ascii"), self._domain)

    async def _ring_trunks(
        self,
        destination: ToTrunk,
        identity: Identity,
        left: int,
        extra: Fields,
        location: Location,
    ) -> list[Attempt]:
        attempts = []
        limits, number = self._limits, destination.number
        from_ = from_field(identity, self._domain)
        for trunk in destination.trunks:
            for flow in await self._flows.find(trunk):
                fields = extra
                if trunk.trusted:
                    fields = (*asserting_fields(identity, self._domain), *extra)
                if location.fields:
                    fields = (*fields, *location.fields)
                if trunk.stir != "off" and self._signer is not None:
                    fields = (*fields, *self._signer.fields(identity, number))
                target = trunk.request_uri(number)
                invitation = Invitation(
                    flow,
                    target,
                    from_,
                    b"<%s>" % target,
                    left,
                    fields,
                    credentials=credentials_of(trunk),
                    pinned=trunk.contact == "source",
                    follows_private=trunk.contact == "contact",
                    trusts=PartyTrust(self.trusts, trunk),
                    parts=location.parts,
                )
                attempts.append(
                    Attempt(
                        (invitation,),
                        limits.no_answer_seconds,
                        limits.trunk_failover_seconds,
                        trunk,
                        on_answer=self._on_trunk_answer,
                    )
                )
        if not attempts:
            raise Refusal(503, "trunk_unresolved", says=("refused-no-lines",))
        return attempts


def _by_q(bindings: Sequence[Binding]) -> list[Sequence[Binding]]:
    """The phones that ring at once, group by group."""
    return [list(group) for _, group in groupby(bindings, lambda binding: binding.q)]


def credentials_of(trunk: Trunk) -> Credentials | None:
    """Our credentials at a trunk; None if it wants none."""
    if trunk.username is None:
        return None
    return Credentials(trunk.username, trunk.password or "")
