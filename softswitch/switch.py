"""The switch: a user agent, a registrar, admission and calls, joined.

It knows no socket, process or file: those are handed in by :mod:`softswitch.server`, or by a
simulation. Everything here runs in one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sip.digest import Algorithm, DigestVerifier, Nonces
from sip.endpoint import Endpoint
from sip.errors import ParseError, SipError
from sip.events import Event, Received, Replied, Resubscribed, SubscriptionEnded
from sip.flow import Address, Flow, show_address
from sip.guard import Guard
from sip.message import Request
from sip.referral import parse_replaces
from sip.registrar import Binding, Registrar, RegistrarLimits
from sip.session import Session
from sip.transport.tls import Tls
from sip.user_agent import Tap, UserAgent
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Authenticator, Caller, LineCaller
from softswitch.admission.entitlement import Entitlements
from softswitch.admission.refusal import Refusal
from softswitch.call.accounting import Record, SettlementDesk
from softswitch.call.call import Call
from softswitch.call.context import CallContext, Limits, Media, TrunkFlows
from softswitch.call.ending import Ending
from softswitch.call.letters import BalanceChanged, HangUp
from softswitch.call.renegotiation import Asker
from softswitch.call.service_call import ServiceCall
from softswitch.config import Config
from softswitch.directory import Directory, Line, Trunk
from softswitch.protection import exempt_networks, log_bans
from softswitch.registration import Bindings, RegistrationDesk
from softswitch.services.answering import SERVICES, answering
from softswitch.services.dialog_info import LineDialog
from softswitch.services.line_calls import dialogs_in
from softswitch.services.messaging import ACCEPT, Messaging
from softswitch.services.trunk_monitor import TrunkMonitor
from softswitch.services.watchers import ALLOW_EVENTS, Watchers
from softswitch.trace.recorder import Recorder

SERVER = "softswitch"
RETRY_AFTER_SECONDS = 10


class Switch:
    """Everything between the sockets and the store.

    Args:
        randbits: unguessable in production.
        wall_ms: epoch milliseconds.
        trunk_flows: see :class:`CallContext`.
        money: the single writer; `desk` settles calls through it.
        tls: for [sip] listen with tls or wss.
    """

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        *,
        directory: Directory,
        tariffs: dict[str, Any],
        tariff_of: dict[int, str],
        entitlements: Entitlements,
        nonce_secret: bytes,
        randbits: Callable[[int], int],
        wall_ms: Callable[[], int],
        media: Media,
        money: Any,
        desk: SettlementDesk,
        bindings: Bindings,
        trunk_flows: TrunkFlows,
        log: Any,
        tls: Tls | None = None,
    ) -> None:
        self._config = config
        self._loop = loop
        self._wall_ms = wall_ms
        self._log = log
        self._money = money
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()
        self._line_calls: dict[int, dict[str, Call]] = {}
        self._account_calls: dict[int, dict[str, Call]] = {}
        self.directory = directory
        self.calls: dict[str, Call] = {}
        self.draining = False
        self.agent = UserAgent(
            randbits=randbits,
            sent_by=self._sent_by,
            server=SERVER,
            session_interval=config.session_interval(),
            max_sessions=config.guard.max_dialogs,
        )
        if config.sip.large_requests == "tcp":
            self.agent.layer.enlarge = trunk_flows.enlarge
        self.guard = Guard(config.guard.guard_limits(), exempt_networks(config, directory))
        self.endpoint = Endpoint(
            self.agent,
            loop,
            self._on_event,
            self._on_fault,
            on_closed=self._flow_closed,
            patience=self._patience,
            guard=self.guard,
            tls=tls,
            limits=config.guard.connection_limits(),
            origins=config.sip.websocket_origins,
            emergency=config.numbers.emergency,
            busy_seconds=config.guard.busy_ms / 1000,
        )
        sip = config.sip
        self.registrar = Registrar(
            RegistrarLimits(
                sip.min_expires_seconds,
                sip.default_expires_seconds,
                sip.max_expires_seconds,
                sip.max_contacts,
            )
        )
        self.authenticator = Authenticator(
            directory,
            DigestVerifier(Nonces(nonce_secret, sip.nonce_lifetime_seconds), config.realm),
            domain=config.switch.domain,
            algorithms=tuple(Algorithm(name) for name in sip.algorithms),
            invite_status=sip.invite_challenge,
            guard=self.guard,
            names_of=self.endpoint.connections.identities,
        )
        self.stages = Stages(
            directory,
            config.number_plan(),
            tariffs,
            tariff_of,
            self._bindings_of,
            self._calls_of,
            entitlements,
            parks=config.calls.park_seconds > 0,
            is_down=self._is_down,
            outgoing_of=self._outgoing_of,
            services=answering(config.codes.by_code()),
        )
        self.trunk_monitor = TrunkMonitor(
            self.agent,
            directory,
            flow_to=trunk_flows.first,
            ping_seconds=config.trunks.ping_seconds,
            domain=config.switch.domain.encode("ascii"),
            wall_seconds=self.wall_seconds,
            log=log,
        )
        self.watchers = Watchers(
            self.agent,
            directory,
            bindings_of=self._bindings_of,
            dialogs_of=self._dialogs_of,
            domain=config.switch.domain,
            audience=config.events.watch_lines,
            wall_seconds=self.wall_seconds,
        )
        self.recorder: Recorder | None = None
        if config.trace.megabytes:
            self.recorder = Recorder(config.trace.megabytes << 20, loop.time)
            self.agent.tap = self.recorder
        self.registrations = RegistrationDesk(
            self.registrar,
            directory,
            bindings,
            self.agent,
            self.watchers,
            calls_of=self._calls_with,
            release=self.endpoint.connections.release,
            wall_seconds=self.wall_seconds,
        )
        self.messaging = Messaging(self.agent, self.stages, config.switch.domain.encode("ascii"))
        self.context = CallContext(
            loop=loop,
            agent=self.agent,
            media=media,
            money=money,
            desk=desk,
            stages=self.stages,
            limits=Limits(
                config.calls.max_duration_seconds,
                sip.no_answer_seconds,
                config.calls.trunk_failover_seconds,
                config.calls.reservation_seconds,
                config.calls.park_seconds,
                config.calls.serial_ring_seconds,
                config.calls.redirects == "follow",
            ),
            log=log,
            domain=config.switch.domain.encode("ascii"),
            media_address=config.media_address,
            drain=self.endpoint.drain,
            wall_ms=wall_ms,
            trunk_flows=trunk_flows,
            trusts=self._trusts,
            admitted=self._admitted,
            joined=self._joined,
            changed=self._changed,
            ended=self._ended,
        )

    # What the user agent tells

    def _on_event(self, event: Event) -> None:
        match event:
            case Received() | Resubscribed():
                self._on_request(event)
            case Replied(on_reply):
                on_reply(event)
            case SubscriptionEnded(subscription):
                self.watchers.ended(subscription)
            case _:
                if event.session.owner is not None:
                    event.session.owner.post(event)

    def _on_request(self, event: Received | Resubscribed) -> None:
        request, flow = event.request, event.flow
        try:
            match event:
                case Received(Request(method="REGISTER")):
                    self._register(event)
                case Received(Request(method="INVITE")):
                    self._invite(event)
                case Received(Request(method="OPTIONS")):
                    self._options(event)
                case Received(Request(method="SUBSCRIBE")):
                    self._subscribe(event)
                case Received(Request(method="MESSAGE")):
                    now = self._loop.time()
                    caller = self.authenticator.caller(request, flow, now)
                    self.messaging.pass_on(event, caller, now)
                case Resubscribed():
                    now = self._loop.time()
                    self.watchers.resubscribe(
                        event, self.authenticator.subscriber(request, flow, now), now
                    )
                case _:
                    raise SipError(405)
        except ParseError as error:
            self.agent.answer(request, flow, error.status, error.headers, error.reason)
        except SipError as error:
            self.agent.answer(request, flow, error.status, error.headers, error.reason)
        except Refusal as refusal:
            self._log.info(
                "request refused",
                method=request.method,
                source=show_address(flow.remote),
                status=refusal.status,
                rule=refusal.rule,
            )
            self.agent.answer(request, flow, refusal.status, (), refusal.reason)

    def _on_fault(self, error: Exception) -> None:
        self._log.error("a message provoked a fault", error=repr(error), exc_info=error)

    def _register(self, received: Received) -> None:
        now = self._loop.time()
        line = self.authenticator.registrant(received.request, received.flow, now)
        self.registrations.register(received, line, now)

    def _flow_closed(self, flow: Flow) -> None:
        if self.registrations.flow_closed(flow, self._loop.time()):
            self.endpoint.drain()

    def _patience(self, flow: Flow) -> float | None:
        return self.registrations.patience(flow)

    def _options(self, received: Received) -> None:
        """Say what we can do; or, to a load balancer in front, that we take no more calls."""
        if self.draining:
            self._refuse_while_draining(received)
            return
        accepted = (b"Accept", b", ".join((b"application/sdp", ACCEPT[1])))
        abilities = [field for field in self.agent.capabilities if field[0] != b"Accept"]
        fields = (*abilities, accepted, ALLOW_EVENTS)
        self.agent.answer(received.request, received.flow, 200, fields)

    def _subscribe(self, received: Received) -> None:
        now = self._loop.time()
        watcher = self.authenticator.subscriber(received.request, received.flow, now)
        user = received.request.uri.user
        target = watcher if user is None else self.directory.line_by_login(user)
        if user is not None and target is None:
            target = self.directory.line_by_number(self.stages.number(user).number)
        self.watchers.subscribe(received, watcher, target, now)

    def _invite(self, received: Received) -> None:
        """Authenticate, then give the call a task of its own."""
        now = self._loop.time()
        if self.draining:
            self._refuse_while_draining(received)
            return
        caller = self.authenticator.caller(received.request, received.flow, now)
        pinned = isinstance(caller, LineCaller)
        replaces = received.request.get(b"replaces")
        if replaces is not None:
            self._replace(received, caller, replaces, now)
            return
        owner = caller.line if isinstance(caller, LineCaller) else caller.trunk
        trusts = partial(self._trusts, owner)
        session = self.agent.open_session(received, now, pinned=pinned, trusts=trusts)
        call = self._begin(caller, received.request, session)
        session.owner = call
        self.calls[call.id] = call
        self._joined(call, session)
        task = self._loop.create_task(call.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, caller: Caller, request: Request, session: Session) -> Call:
        """The call that an INVITE asks for: with somebody, or with the switch itself."""
        name = self.stages.services.get(request.uri.user or "")
        if name is None:
            return Call(self.context, caller, request, session)
        return ServiceCall(self.context, caller, request, session, SERVICES[name])

    def _replace(self, received: Received, caller: Caller, value: bytes, now: float) -> None:
        """An INVITE that takes the place of a phone in a call that talks (RFC 3891): only another
        phone of the same account may.

        Raises:
            Refusal: 403, 481, 486.
        """
        wanted, early_only = parse_replaces(value)
        held = self.agent.session(wanted)
        call = None if held is None else held.owner
        if held is None or not isinstance(call, Call) or call.state != "talking":
            raise Refusal(481, "replaces: there is no such call")
        side = call.side_of(held)
        line = call.line_of(side)
        if (
            not isinstance(caller, LineCaller)
            or line is None
            or caller.line.account_id != line.account_id
        ):
            raise Refusal(403, "replaces: the call is another account's")
        if early_only:
            raise Refusal(486, "replaces: the call is answered already")
        trusts = partial(self._trusts, caller.line)
        session = self.agent.open_session(received, now, pinned=True, trusts=trusts)
        session.owner = call
        call.post(Asker(side, session, line=caller.line))

    def _refuse_while_draining(self, received: Received) -> None:
        retry = (b"Retry-After", b"%d" % RETRY_AFTER_SECONDS)
        self.agent.answer(received.request, received.flow, 503, (retry,))

    # What calls tell

    def _admitted(self, call: Call, record: Record) -> None:
        call.line_ids.update(record.line_ids)
        for line_id in record.line_ids:
            self._line_calls.setdefault(line_id, {})[call.id] = call
        if record.account is not None:
            self._account_calls.setdefault(record.account, {})[call.id] = call

    def _joined(self, call: Call, session: Session) -> None:
        if self.recorder is not None:
            self.recorder.join(call.id, session.dialog.call_id)

    def _changed(self, call: Call) -> None:
        """A call's state is another, or its lines are: who watches them is told."""
        for line_id in call.line_ids:
            self._line_calls.setdefault(line_id, {})[call.id] = call
        if self.watchers.calls_changed(call.line_ids, self._loop.time()):
            self.endpoint.drain()

    def _ended(self, call: Call, end: Ending) -> None:
        self.calls.pop(call.id, None)
        if self.recorder is not None:
            self.recorder.end(call.id, call.record.calling, call.record.called)
        for line_id in call.line_ids:
            _leave(self._line_calls, line_id, call)
        for record in call.records:
            if record.account is not None:
                _leave(self._account_calls, record.account, call)
        if self.watchers.calls_changed(call.line_ids, self._loop.time()):
            self.endpoint.drain()
        self._log.info(
            "call ended",
            call=call.id,
            calling=call.record.calling,
            called=call.record.called,
            status=end.status,
            ended_by=end.ended_by,
            rule=end.rule,
        )

    def accounts_changed(self, accounts: Iterable[int]) -> None:
        """Balances changed: calls that ran out of money to reserve ask again."""
        for account in accounts:
            for call in self._account_calls.get(account, {}).values():
                if call.wants_balance:
                    call.post(BalanceChanged())

    def add_tap(self, tap: Tap) -> None:
        """Have one more see every message."""
        first = self.agent.tap
        if first is None:
            self.agent.tap = tap
            return

        def both(data: bytes, flow: Flow, sent: bool) -> None:
            first(data, flow, sent)
            tap(data, flow, sent)

        self.agent.tap = both

    def call_of(self, message: bytes) -> str | None:
        """The call that a message belongs to, if that is known."""
        return None if self.recorder is None else self.recorder.call_of(message)

    def start(self) -> None:
        """Begin what goes on by itself."""
        self.trunk_monitor.start(self._loop.time())
        self.endpoint.drain()

    # What operators ask

    def hang_up(self, call_id: str, ended_by: str = "operator") -> bool:
        """End a call; whether there was one."""
        call = self.calls.get(call_id)
        if call is not None:
            call.post(HangUp(ended_by))
        return call is not None

    def proofs_of_life(self) -> list[tuple[str, int]]:
        """Each paid leg that the store knows, and until when: the journal of live calls."""
        return [
            (meter.key, meter.alive_at())
            for call in self.calls.values()
            for meter in call.meters
            if meter.open
        ]

    def expire(self) -> None:
        """Forget registrations, nonces and bans that ran out."""
        now = self._loop.time()
        self.authenticator.forget(now)
        self.guard.forget(now)
        log_bans(self.guard, self._log)
        if self.registrations.expire(now):
            self.endpoint.drain()

    def lines_changed(self, lines: Iterable[int]) -> None:
        """An operator changed or removed these lines, and the directory knows it."""
        self.watchers.lines_changed(lines, self._loop.time())
        self.endpoint.drain()

    def trunks_changed(self) -> None:
        """An operator changed trunks, and the directory knows it."""
        self.guard.set_exempt(exempt_networks(self._config, self.directory))

    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    def wall_seconds(self) -> float:
        """Epoch seconds, by which registrations live."""
        return self._wall_ms() / 1000

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over the registrations of the time before a restart."""
        now = self._loop.time()
        for binding in bindings:
            self.registrar.restore([binding])
            self.guard.prove(binding.flow.remote[0], binding.aor, now)

    async def finish(self, ended_by: str = "restart") -> None:
        """End every call and wait until each is settled."""
        self.draining = True
        for call in list(self.calls.values()):
            call.post(HangUp(ended_by))
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drained(self) -> None:
        """Wait until the last call has ended by itself."""
        while self._tasks:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    # For the parts

    def _bindings_of(self, line: Line) -> tuple[Binding, ...]:
        return self.registrations.reach(line)

    def _trusts(self, owner: Line | Trunk, flow: Flow) -> bool:
        """Whether requests of a call may come from there: a phone moves to another network when
        it has registered from it, a trunk has the addresses that it was given."""
        if isinstance(owner, Trunk):
            trunk = self.authenticator.trunk(flow)
            return trunk is not None and trunk.id == owner.id
        bindings = self._bindings_of(owner)
        return any(binding.flow.remote[0] == flow.remote[0] for binding in bindings)

    def _outgoing_of(self, account: int) -> int:
        return sum(
            record.account == account and record.direction != "incoming"
            for call in self._account_calls.get(account, {}).values()
            for record in call.records
        )

    def _calls_with(self, line: Line) -> list[Call]:
        return list(self._line_calls.get(line.id, {}).values())

    def _calls_of(self, line: Line) -> int:
        return len(self._line_calls.get(line.id, ()))

    def _is_down(self, trunk: Trunk) -> bool:
        return self.trunk_monitor.is_down(trunk)

    def _dialogs_of(self, line: Line, with_remote: bool) -> list[LineDialog]:
        """What watchers of a line see of its calls."""
        calls = self._line_calls.get(line.id, {}).values()
        domain = self._config.switch.domain
        return [d for call in calls for d in dialogs_in(call, line, domain, with_remote)]

    def _sent_by(self, flow: Flow) -> Address:
        advertised = self._config.sip.advertised_for(flow.transport, flow.local[0])
        if advertised is None:
            return flow.local
        return advertised.host, advertised.port or flow.local[1]


def _leave(calls_of: dict[int, dict[str, Call]], key: int, call: Call) -> None:
    """Take a call out of an index that keeps no empty entry."""
    calls = calls_of.get(key)
    if calls is not None:
        calls.pop(call.id, None)
        if not calls:
            del calls_of[key]
