"""Requests outside dialogs: authenticated, checked for their addressee, and passed to the room that
serves them. The refusals of all rooms are answered here; an unknown method is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sip.dialog import DialogId
from sip.errors import SipError
from sip.events import Received, Resubscribed
from sip.flow import Flow, show_address
from sip.message import Request
from sip.referral import parse_replaces
from sip.session import Session
from softswitch.admission.addressing import Addressing, check_way
from softswitch.admission.authentication import Authenticator, Caller, LineCaller, TrunkCaller
from softswitch.call.call import Call
from softswitch.call.context import CallContext
from softswitch.call.established.merging import FOCUS
from softswitch.call.ivr.service_call import ServiceCall
from softswitch.call.legs import Legs
from softswitch.call.letters import HandOver, PickUp, Replace
from softswitch.call.live_calls import LiveCalls
from softswitch.call.media.media import Side
from softswitch.call.ringing.attempts import PartyTrust
from softswitch.conference import focus_referral
from softswitch.reception.caller_proof import CallerProof, ProvenCall
from softswitch.reception.refused_registrations import (
    RefusedRegistrations,
    agent_of,
    login_of,
)
from softswitch.reception.registration import RegistrationDesk
from softswitch.services.answering import CONNECTING, GATHERING, SERVICES
from softswitch.services.watchers import ALLOW_EVENTS, Watchers
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal
from softswitch.texting.line_admission import ACCEPT
from softswitch.texting.lines import LineTexts

RETRY_AFTER_SECONDS = 10
_NEGOTIATED = (401, 407, 423)
"""Refusals of a REGISTER that a phone answers by a corrected one."""


@dataclass(slots=True)
class Reception:
    """Serves requests outside a dialog, and renewals of subscriptions.

    Args:
        context: the parts that new calls work with.
        proof: verifies the callers of trunks that sign them.
        admits: False while another node may take over this node's calls.
        hands_over: True if an INVITE was passed on to the node of a cluster that must serve it;
            None: there is no other node.
    """

    context: CallContext
    addressing: Addressing
    authenticator: Authenticator
    registrations: RegistrationDesk
    watchers: Watchers
    texts: LineTexts
    calls: LiveCalls
    proof: CallerProof
    admits: Callable[[], bool]
    hands_over: Callable[[Received], bool] | None
    refused: RefusedRegistrations = field(default_factory=RefusedRegistrations)

    def receive(self, event: Received) -> None:
        """Serve a request, or answer its refusal."""
        request, flow = event.request, event.flow
        try:
            if request.raw.lower().find(b"sips:") >= 0:  # hardly ever; `in` takes twice as long
                check_way(request, flow)
            serve = _SERVED.get(request.method)
            if serve is None:
                raise SipError(405)
            serve(self, event, self.context.clock.now())
        except SipError as error:
            stack = self.context.signalling.agent.stack
            if error.status not in _NEGOTIATED:
                self._note_refused(request, flow, error.status, error.reason)
            stack.answer(request, flow, error.status, error.headers, error.reason)
        except Refusal as refusal:
            stack = self.context.signalling.agent.stack
            self.context.log.info(
                "request refused",
                method=request.method,
                source=show_address(flow.peer),
                status=refusal.status,
                rule=refusal.rule,
                **_registrant_facts(request),
            )
            self._note_refused(request, flow, refusal.status, refusal.rule)
            stack.answer(request, flow, refusal.status, (), refusal.reason)

    def _note_refused(self, request: Request, flow: Flow, status: int, reason: str) -> None:
        if request.method == "REGISTER":
            now = self.context.clock.wall_ms() / 1000
            self.refused.note(request, flow.peer[0], status, reason, now)

    def _message(self, received: Received, now: float) -> None:
        self.texts.receive(received, self._caller(received, now), now)

    def _caller(self, received: Received, now: float) -> Caller:
        """The authenticated caller or sender, after the check that the request is meant for us."""
        caller = self.authenticator.caller(received.request, received.flow, now)
        if isinstance(caller, LineCaller):
            self.addressing.check(received.request, received.flow)
        return caller

    def _register(self, received: Received, now: float) -> None:
        request, flow = received.request, received.flow
        values = request.values
        if b"authorization" not in values and b"proxy-authorization" not in values:
            challenge = self.authenticator.first_challenge(request, flow, now)
            self.context.signalling.agent.stack.answer(request, flow, 401, challenge)
            return
        registrant = self.authenticator.registrant(request, flow, now)
        self.addressing.check(request, flow)
        self.registrations.register(received, registrant, now)

    def _options(self, received: Received, now: float) -> None:
        """Answer an OPTIONS: our capabilities; or, to a load balancer in front, that we take no
        more calls.

        The Request-URI isn't checked: a balancer may have any name for us."""
        self._refuse_while_draining()
        agent = self.context.signalling.agent
        accepted = (b"Accept", b", ".join((b"application/sdp", ACCEPT[1])))
        abilities = [field for field in agent.stack.capabilities if field[0] != b"Accept"]
        fields = (*abilities, accepted, ALLOW_EVENTS)
        agent.stack.answer(received.request, received.flow, 200, fields)

    def _subscribe(self, received: Received, now: float) -> None:
        watcher = self.authenticator.subscriber(received.request, received.flow, now)
        if isinstance(received, Resubscribed):
            self.watchers.resubscribe(received, watcher, now)
            return
        self.addressing.check(received.request, received.flow)
        user = received.request.uri.user
        stages = self.context.admission.stages
        own = user is None or stages.answering(user) == FOCUS  # every line has a focus of its own
        target = watcher if own or user is None else stages.directory.line_by_login(user)
        if user is not None and target is None:
            target = stages.directory.line_by_number(stages.number(user).number)
        self.watchers.subscribe(received, watcher, target, now)

    def _refer(self, received: Received, now: float) -> None:
        """The owner of a conference has its focus call a party, or remove one (RFC 4579 section
        5.5, RFC 3515).

        Raises:
            SipError, Refusal: the REFER isn't for the focus, or its sender isn't the owner.
        """
        self._refuse_while_draining()
        caller = self._caller(received, now)
        if self.context.admission.stages.answering(received.request.uri.user or "") != FOCUS:
            raise Refusal(403, "refer_outside_dialog")
        focus_referral.asked_outside(self.context, received, caller, now)

    def _invite(self, received: Received, now: float) -> None:
        """Authenticate, then start a task for the call."""
        self._refuse_while_draining()
        if self.hands_over is not None and self.hands_over(received):
            return
        request = received.request
        values = request.values
        if b"authorization" not in values and b"proxy-authorization" not in values:
            challenge = self.authenticator.caller_challenge(request, received.flow, now)
            if challenge is not None:
                stack = self.context.signalling.agent.stack
                stack.answer(request, received.flow, *challenge)
                return
        caller = self._caller(received, now)
        replaces, join = values.get(b"replaces"), values.get(b"join")
        service = self.context.admission.stages.answering(request.uri.user or "")
        if service == FOCUS:
            self._to_focus(received, caller, join or replaces, now)
            return
        if join is not None:  # RFC 3911: only the focus can mix
            raise Refusal(481, "join_conference_only")
        if replaces is not None:
            self._replace(received, caller, replaces, now)
            return
        self._begin(caller, request, self._open_session(received, caller, now), service)

    def _to_focus(
        self, received: Received, caller: Caller, along: bytes | None, now: float
    ) -> None:
        """The owner of a conference joins it, and may bring the other party of one of the line's
        calls along (RFC 4579 section 5.7).

        Raises:
            Refusal: 403, 481; the sender has no such call.
        """
        session = None
        if along is not None:
            dialog = parse_replaces(along)[0]
            held, side = self._held(dialog)
            line = held.line_of(side)
            if not isinstance(caller, LineCaller) or line is None:
                raise Refusal(481, "conference_call_unknown")
            if line.id != caller.line.id:
                raise Refusal(403, "conference_call_of_other")
            session = held.leg(side)
            held.post(HandOver(session))
        focus = self._open_session(received, caller, now)
        user = (received.request.uri.user or "").encode("ascii", "replace")
        # RFC 4579 section 5.2: phones recognise a focus by this Contact, and refer others to it.
        focus.dialog.contact = focus.dialog.contact.replace(b":", b":%s@" % user, 1) + b";isfocus"
        self._begin(caller, received.request, focus, FOCUS)

    def _begin(
        self, caller: Caller, request: Request, session: Session, service: str | None
    ) -> None:
        call = self._call(caller, request, session, service)
        legs = call.legs
        session.report_to(legs)
        legs.joined(session)
        self.calls.begin(call)

    def _open_session(self, received: Received, caller: Caller, now: float) -> Session:
        """The caller's leg. Its target is the source of the INVITE for a phone, and the Contact for
        a trunk."""
        owner: Line | Trunk
        if isinstance(caller, LineCaller):
            owner, pinned, follows_private = caller.line, True, False
        else:
            owner = caller.trunk
            pinned, follows_private = owner.contact == "source", owner.contact == "contact"
        context = self.context
        return context.signalling.agent.open_session(
            received,
            now,
            pinned=pinned,
            follows_private=follows_private,
            trusts=PartyTrust(context.dialer.trusts, owner),
        )

    def _call(self, caller: Caller, request: Request, session: Session, name: str | None) -> Call:
        """The call for an INVITE: to a party, or to the service of this name."""
        if isinstance(caller, TrunkCaller) and caller.trunk.stir != "off":
            return ProvenCall(self.context, caller, request, session, self.proof)
        if name is None:
            return Call(self.context, caller, request, session)
        connects = name in CONNECTING
        return ServiceCall(
            self.context,
            caller,
            request,
            session,
            SERVICES[name],
            connects=connects,
            gathers=name in GATHERING,
        )

    def _replace(self, received: Received, caller: Caller, value: bytes, now: float) -> None:
        """Replace a phone in an answered call, or a phone that rings (RFC 3891): only another phone
        of the same account may.

        Raises:
            Refusal: 403, 481, 486.
        """
        wanted, early_only = parse_replaces(value)
        side: Side | None = None
        ringing = self.calls.ringing_in(wanted)
        if ringing is not None:
            legs, lines = ringing.legs, [*ringing.rung]
        else:
            legs, side = self._held(wanted)
            line = legs.line_of(side)
            lines = [] if line is None else [line]
        accounts = {line.account_id for line in lines}
        if not isinstance(caller, LineCaller) or caller.line.account_id not in accounts:
            raise Refusal(403, "replaces_other_account")
        status = self.context.admission.stages.directory.bar(caller.line, "incoming")
        if status is not None:
            raise Refusal(403, "replaces_line_status", state=status)
        if early_only and side is not None:
            raise Refusal(486, "replaces_answered")
        session = self._open_session(received, caller, now)
        session.report_to(legs)
        if side is None:
            legs.post(PickUp(session, caller.line, early_only, wanted))
        else:
            legs.post(Replace(side, session, caller.line))

    def _held(self, dialog: DialogId) -> tuple[Legs, Side]:
        """The legs of the call that has a dialog, and the dialog's side. The caller of an
        unanswered call can't be replaced: of early dialogs, only those that we initiated can be
        (RFC 3891 section 3).

        Raises:
            Refusal: 481.
        """
        held = self.context.signalling.agent.session(dialog)
        legs = None if held is None else held.owner
        if held is None or not isinstance(legs, Legs) or not legs.talking:
            raise Refusal(481, "replaces_call_unknown")
        if held not in legs.parties:
            raise Refusal(481, "replaces_call_unknown")
        return legs, legs.side_of(held)

    def _refuse_while_draining(self) -> None:
        if self.calls.draining or not self.admits():
            raise SipError(503, headers=((b"Retry-After", b"%d" % RETRY_AFTER_SECONDS),))


_SERVED: dict[str, Callable[[Reception, Received, float], None]] = {
    "REGISTER": Reception._register,
    "INVITE": Reception._invite,
    "OPTIONS": Reception._options,
    "SUBSCRIBE": Reception._subscribe,
    "REFER": Reception._refer,
    "MESSAGE": Reception._message,
}


def _registrant_facts(request: Request) -> dict[str, str]:
    """Facts of a refused REGISTER that help an operator to find its phone."""
    if request.method != "REGISTER":
        return {}
    return {"login": login_of(request), "agent": agent_of(request)}
