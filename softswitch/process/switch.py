"""The switch: a user agent, a registrar, admission and calls, joined.

It knows no socket, process or file: those are handed in by :mod:`softswitch.process.server`, or by
a simulation. Everything here runs in one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from billing.facts.assignment import Assignments
from sip.digest import Algorithm, DigestVerifier, Nonces
from sip.endpoint import Endpoint
from sip.events import Event, Received, Replied, Resubscribed, SubscriptionEnded
from sip.flow import Address, Flow
from sip.guard import Guard
from sip.registrar import Binding, Registrar, RegistrarLimits
from sip.session import Session
from sip.stack import Tap
from sip.transport.tls import Tls
from sip.user_agent import UserAgent
from softswitch.admission.addressing import Addressing, no_address
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Authenticator
from softswitch.admission.entitlement import Entitlements
from softswitch.call.call import Call
from softswitch.call.charging.accounting import SettlementDesk
from softswitch.call.context import CallContext, Limits, Media, TrunkFlows
from softswitch.call.ending import Ending
from softswitch.call.established.merging import key_of
from softswitch.call.letters import BalanceChanged, HangUp
from softswitch.call.live_calls import LiveCalls
from softswitch.call.media.call_tones import Tones
from softswitch.completion.desk import CompletionDesk
from softswitch.completion.offer import offer
from softswitch.completion.queue import WaitingQueue
from softswitch.conference.hall import Conference, Hall, Run
from softswitch.conference.rooms import RoomStore
from softswitch.config.config import Config
from softswitch.prompts.announcer import Announcer
from softswitch.prompts.library import PromptLibrary
from softswitch.reception.protection import exempt_networks, log_bans
from softswitch.reception.reception import Reception
from softswitch.reception.registration import Bindings, RegistrationDesk
from softswitch.recordings.desk import RecordingDesk
from softswitch.services.answering import answering
from softswitch.services.conference_info import Participant
from softswitch.services.dialog_info import LineDialog
from softswitch.services.line_calls import dialogs_in
from softswitch.services.message_taking import take_message
from softswitch.services.messaging import Messaging
from softswitch.services.self_service import SelfService
from softswitch.services.trunk_monitor import TrunkMonitor
from softswitch.services.watchers import Watchers
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.service_desk import ServiceDesk
from softswitch.trace.recorder import Recorder
from softswitch.voicemail.desk import VoicemailDesk

SERVER = "softswitch"


class Switch:
    """Everything between the sockets and the store.

    Args:
        randbits: unguessable in production.
        wall_ms: epoch milliseconds.
        trunk_flows: see :class:`CallContext`.
        money: the single writer; `desk` settles calls through it.
        tls: for [sip] listen with tls or wss.
        rooms: dial-in rooms; `run` asks them, away from the loop.
        is_local: whether this machine has an address.
        prompts: what can be said; None: nothing, and tones stand for it.
    """

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        *,
        directory: Directory,
        tariffs: dict[str, Any],
        assignments: Assignments,
        entitlements: Entitlements,
        nonce_secret: bytes,
        randbits: Callable[[int], int],
        wall_ms: Callable[[], int],
        media: Media,
        money: Any,
        desk: SettlementDesk,
        bindings: Bindings,
        service_desk: ServiceDesk,
        voicemail: VoicemailDesk,
        recordings: RecordingDesk,
        rooms: RoomStore,
        pin_guard: PinGuard,
        run: Run,
        self_service: SelfService,
        waiting: WaitingQueue,
        trunk_flows: TrunkFlows,
        log: Any,
        tls: Tls | None = None,
        is_local: Callable[[str], bool] = no_address,
        prompts: PromptLibrary | None = None,
    ) -> None:
        self._config = config
        self._loop = loop
        self._wall_ms = wall_ms
        self._log = log
        self._money = money
        self._desk = desk
        self.directory = directory
        self.hall = Hall(
            rooms,
            config.conference,
            directory,
            entitlements,
            pin_guard,
            run,
            on_sale=self_service.sells_conference,
            wall_ms=wall_ms,
        )
        self.hall.on_changed = self._conference_changed
        voicemail.lines_changed = self.lines_changed
        self.live_calls = LiveCalls(loop)
        self.calls = self.live_calls.by_id
        self.agent = UserAgent(
            randbits=randbits,
            sent_by=self._sent_by,
            server=SERVER,
            session_interval=config.session_interval(),
            max_sessions=config.guard.max_dialogs,
        )
        if config.sip.large_requests == "tcp":
            self.agent.stack.layer.enlarge = trunk_flows.enlarge
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
            secret=nonce_secret,
        )
        self.stages = Stages(
            directory,
            config.number_plan(),
            tariffs,
            assignments,
            self._bindings_of,
            self.live_calls.count_of_line,
            entitlements,
            parks=config.calls.park_seconds > 0,
            is_down=self._is_down,
            outgoing_of=self.live_calls.outgoing_of_account,
            services=answering(config.codes.by_code()),
            least_cost=config.trunks.least_cost(),
            stars=config.codes.star_codes(),
            last_caller=config.codes.last_caller,
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
            participants_of=self._participants_of,
            max_participants=config.conference.max_members,
            focus=config.codes.focus,
            domain=config.switch.domain,
            audience=config.events.watch_lines,
            wall_seconds=self.wall_seconds,
        )
        self.recorder: Recorder | None = None
        if config.trace.megabytes:
            self.recorder = Recorder(config.trace.megabytes << 20, loop.time)
            self.agent.stack.tap = self.recorder
        self.registrations = RegistrationDesk(
            self.registrar,
            directory,
            bindings,
            self.agent,
            self.watchers,
            calls_of=self.live_calls.of_line,
            release=self.endpoint.connections.release,
            wall_seconds=self.wall_seconds,
            returned=self._returned,
        )
        self.messaging = Messaging(
            self.agent, self.stages, config.switch.domain.encode("ascii"), self.now
        )
        self.completion = CompletionDesk(
            waiting,
            config.completion,
            self.messaging,
            config.switch.time_zone,
            config.switch.language,
        )
        self.messaging.takes_reply = self.completion.replied
        self.announcer = Announcer(
            prompts or PromptLibrary(), config.switch.language, config.switch.country, log
        )
        if self.recorder is not None:
            self.announcer.on_said = self.recorder.said
        self.context = CallContext(
            loop=loop,
            agent=self.agent,
            media=media,
            money=money,
            desk=desk,
            stages=self.stages,
            announcer=self.announcer,
            limits=Limits(
                config.calls.max_duration_seconds,
                sip.no_answer_seconds,
                config.calls.trunk_failover_seconds,
                config.calls.reservation_seconds,
                config.calls.park_seconds,
                config.calls.serial_ring_seconds,
                config.calls.redirects == "follow",
                config.media.srtp,
                config.media.transcode,
                config.announcements.mode,
                config.announcements.warnings_seconds,
                config.announcements.unanswered,
                config.media.dtmf,
            ),
            tones=Tones(
                config.switch.country,
                config.tones.ringback,
                config.tones.refusals,
                None if config.tones.hold_music is None else str(config.tones.hold_music),
            ),
            log=log,
            domain=config.switch.domain.encode("ascii"),
            node=config.switch.node,
            media_address=config.media_address,
            drain=self.endpoint.drain,
            wall_ms=wall_ms,
            trunk_flows=trunk_flows,
            service_desk=service_desk,
            voicemail=voicemail,
            recordings=recordings,
            hall=self.hall,
            calls_of=self.live_calls.of_line,
            self_service=self_service,
            tell=self._tell,
            take_message=take_message,
            trusts=self._trusts,
            offer=partial(offer, self.completion),
            begin=self.live_calls.begin,
            admitted=self.live_calls.admitted,
            left=self.live_calls.left,
            joined=self._joined,
            changed=self._changed,
            ended=self._ended,
        )
        self.reception = Reception(
            self.context,
            Addressing(config.own_hosts(), is_local),
            self.authenticator,
            self.registrations,
            self.watchers,
            self.messaging,
            self.live_calls,
        )

        self.completion.begin(self.context, self.live_calls, lambda: self.reception.draining)

    # What the user agent tells

    def _on_event(self, event: Event) -> None:
        match event:
            case Received() | Resubscribed():
                self.reception.receive(event)
            case Replied(on_reply):
                on_reply(event)
            case SubscriptionEnded(subscription):
                self.watchers.ended(subscription)
            case _:
                if event.session.owner is not None:
                    event.session.owner.post(event)

    def _on_fault(self, error: Exception) -> None:
        self._log.error("a message provoked a fault", error=repr(error), exc_info=error)

    def _flow_closed(self, flow: Flow) -> None:
        if self.registrations.flow_closed(flow, self._loop.time()):
            self.endpoint.drain()

    def _patience(self, flow: Flow) -> float | None:
        return self.registrations.patience(flow)

    # What calls tell

    def _joined(self, call: Call, session: Session) -> None:
        if self.recorder is not None:
            self.recorder.join(call.id, session.dialog.call_id)

    def _changed(self, call: Call) -> None:
        """A call's state is another, or its lines are: who watches them is told."""
        self.live_calls.joined_lines(call)
        if self.watchers.calls_changed(call.line_ids, self._loop.time()):
            self.endpoint.drain()

    def _ended(self, call: Call, end: Ending) -> None:
        self.live_calls.ended(call)
        self.completion.ended(call, end)
        if self.recorder is not None:
            self.recorder.end(call.id, call.record.calling, call.record.called)
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
            for call in self.live_calls.of_account(account):
                if call.payers.wants_balance:
                    call.post(BalanceChanged())

    def add_tap(self, tap: Tap) -> None:
        """Have one more see every message."""
        first = self.agent.stack.tap
        if first is None:
            self.agent.stack.tap = tap
            return

        def both(data: bytes, flow: Flow, sent: bool) -> None:
            first(data, flow, sent)
            tap(data, flow, sent)

        self.agent.stack.tap = both

    def call_of(self, message: bytes) -> str | None:
        """The call that a message belongs to, if that is known."""
        return None if self.recorder is None else self.recorder.call_of(message)

    def start(self) -> None:
        """Begin what goes on by itself."""
        self.trunk_monitor.start(self._loop.time())
        self.completion.resume()
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
            for meter in call.payers.meters
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

    def lines_changing(self, lines: Iterable[Line], removed: Iterable[int]) -> None:
        """An operator changed or removed lines, and the directory doesn't know it yet: phones that
        proved a password which counts no more are out, and may come back with the new one."""
        for line in lines:
            before = self.directory.line(line.id)
            if before is not None and (before.login, before.ha1) != (line.login, line.ha1):
                self.registrations.forget(before.login)
        for line_id in removed:
            gone = self.directory.line(line_id)
            if gone is not None:
                self.registrations.forget(gone.login)

    def lines_changed(self, lines: Iterable[int]) -> None:
        """An operator changed or removed these lines, and the directory knows it."""
        self.watchers.lines_changed(lines, self._loop.time())
        self.endpoint.drain()

    def trunks_changed(self) -> None:
        """An operator changed trunks, and the directory knows it."""
        self.guard.set_exempt(exempt_networks(self._config, self.directory))

    def _tell(self, line: Line, text: str) -> None:
        self.messaging.tell(line, text)
        self.endpoint.drain()

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
        self.reception.draining = True
        for call in self.calls.values():
            call.post(HangUp(ended_by))
        await self.live_calls.all_ended()
        await self.completion.queue.written()

    async def drained(self) -> None:
        """Wait until the last call has ended by itself."""
        await self.live_calls.all_ended()

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

    def _is_down(self, trunk: Trunk) -> bool:
        return self.trunk_monitor.is_down(trunk)

    def _returned(self, line: Line, *, anew: bool) -> None:
        self.completion.registered(line, anew=anew)

    def _participants_of(self, line: Line) -> list[Participant]:
        """What the owner of a conference sees of it."""
        conference = self.hall.conference(key_of(line))
        members = [] if conference is None else conference.members
        domain = self._config.switch.domain
        found = []
        for member in members:
            number = member.call.identity(member.side).presented
            uri = None if number is None else f"sip:{number}@{domain}"
            found.append(Participant(member.call.id, uri, member.muted))
        return found

    def _conference_changed(self, conference: Conference) -> None:
        told = conference.key == key_of(conference.line) and self.watchers.conference_changed(
            conference.line, self._loop.time()
        )
        if told:
            self.endpoint.drain()

    def _dialogs_of(self, line: Line, with_remote: bool) -> list[LineDialog]:
        """What watchers of a line see of its calls."""
        calls = self.live_calls.of_line(line)
        domain = self._config.switch.domain
        return [d for call in calls for d in dialogs_in(call, line, domain, with_remote)]

    def _sent_by(self, flow: Flow) -> Address:
        advertised = self._config.sip.advertised_for(flow.transport, flow.local[0])
        if advertised is None:
            return flow.local
        return advertised.host, advertised.port or flow.local[1]
