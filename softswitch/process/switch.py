"""The switch: a user agent, a registrar, admission and calls, joined.

It opens no socket and starts no process: those are handed in by :mod:`softswitch.process.server`,
or by a simulation. Everything here runs in one event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from billing.facts.cdr import Cdr
from billing.stores.store import StoreError
from sip.credentials import Credentials
from sip.digest import Nonces
from sip.edges import Edges
from sip.endpoint import Endpoint
from sip.events import Event, Received, Replied, SubscriptionEnded
from sip.flow import Flow
from sip.registrar import Binding
from softswitch.admission.addressing import Addressing
from softswitch.call import standing_calls
from softswitch.call.call import Call
from softswitch.call.call_admission import CallAdmission
from softswitch.call.charging.accounting import SettlementDesk
from softswitch.call.charging.charging import Charging
from softswitch.call.clock import Clock
from softswitch.call.context import CallContext, CallNews, Signalling
from softswitch.call.ending import Ending
from softswitch.call.established.merging import key_of
from softswitch.call.features import Features
from softswitch.call.legs import Legs
from softswitch.call.letters import HangUp
from softswitch.call.parties import Parties
from softswitch.call.proof_of_life import prove_life
from softswitch.call.ringing.attempts import Dialer, credentials_of
from softswitch.call.ringing.silent_contacts import SilentContacts
from softswitch.cluster.forwarding import ForwardingEndpoint
from softswitch.cluster.takeover import FarewellSender, Takeover
from softswitch.completion.desk import CompletionDesk
from softswitch.completion.offer import offer
from softswitch.conference.hall import Conference
from softswitch.config.config import Config
from softswitch.control.values import Row
from softswitch.control.watch import WatchHub
from softswitch.process import clustering
from softswitch.process import composition as rooms
from softswitch.process.composition import Books, Machine, Network, security_policy
from softswitch.process.figures import Figures
from softswitch.process.watching import Publisher
from softswitch.prompts.library import PromptLibrary
from softswitch.reception.protection import RefusalLog, exempt_networks, log_bans
from softswitch.reception.reception import Reception
from softswitch.reception.registration import RegistrationDesk
from softswitch.services.conference_info import Participant
from softswitch.services.contact_monitor import ContactMonitor
from softswitch.services.dialog_info import LineDialog
from softswitch.services.line_calls import dialogs_in, participants_in
from softswitch.services.message_taking import take_message
from softswitch.services.text_sender import TextSender
from softswitch.services.watchers import Watchers
from softswitch.subscribers.device_credentials import shut_usernames
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal
from softswitch.texting.message import State, StoredText
from softswitch.texting.own_texts import CallNotice
from softswitch.texting.texting import Texting
from softswitch.trace.recorder import not_recorded


class Switch:
    """All parts of the switch between the sockets and the store.

    Each room is constructed from rooms that exist already. Two cycles stay: the message layer and
    the rooms that answer messages, and calls and the rooms that follow them. Both cycles go through
    methods of the switch, which are not called before it is constructed: no socket is bound and no
    call lives until then.

    Args:
        prompts: the prompts that can be played; None: none, and tones take their place.
    """

    def __init__(
        self,
        config: Config,
        machine: Machine,
        network: Network,
        books: Books,
        hub: WatchHub,
        *,
        prompts: PromptLibrary | None = None,
    ) -> None:
        self._config = config
        self._loop = machine.loop
        self._log = machine.log
        self._wall_seconds = machine.wall_seconds
        self._journal = books.journal
        self.directory = books.working_set.directory
        self.figures = Figures()
        self.money = books.open_money(self._relieved)

        self.recorder = rooms.recorder(config, machine)
        self.agent = rooms.user_agent(config, machine, network, self.recorder)
        nonces = rooms.nonces(config, machine)
        self.guard = rooms.guard(config, books, nonces)
        self._edges = Edges(config.sip.edges)
        self.endpoint = self._endpoint(network, nonces)
        self.registrar = rooms.registrar(config)
        self.node = clustering.node(config, machine, books, self.registrar, self.endpoint)
        self.live_calls = clustering.live_calls(self.node, machine.loop)
        self.calls = self.live_calls.by_id
        self.authenticator = rooms.authenticator(
            config, machine, books, self.endpoint, self.guard, nonces
        )
        self.trunk_monitor = rooms.trunk_monitor(
            config, machine, network, books, self.agent, self._trunk_changed
        )
        self.watchers = self._watchers(machine, books)
        fetch = None if self.node is None else self.node.fetch
        self.stages = rooms.stages(
            config, books, self.live_calls, self.trunk_monitor, self._bindings_of, fetch
        )

        self.announcer = rooms.announcer(config, machine, prompts, self.recorder)
        self.recordings = rooms.recordings(config, machine, books)
        pins = rooms.pin_guard(machine, books)
        self.service_desk = rooms.service_desk(machine, books, pins)
        self.voicemail = rooms.voicemail(config, machine, books, pins, self.lines_changed)
        self.self_service = rooms.self_service(config, machine, books, self.money, pins)
        self.hall = rooms.hall(
            config, machine, books, pins, self.self_service, self._conference_changed
        )

        domain = config.switch.domain.encode("ascii")
        self.silent_contacts = SilentContacts(self.now, machine.wall_seconds)
        self.contact_monitor = ContactMonitor(
            self.agent, self.silent_contacts, self._contacts_of, domain
        )
        self.texts = TextSender(
            self.agent, self._bindings_of, domain, self.now, self.silent_contacts.note
        )
        self.context = self._call_context(machine, network, books)
        self.farewells = FarewellSender(
            self.agent.stack, self.endpoint, self._credentials_of, self.now
        )
        self.completion = self._completion_desk(machine, books)
        self.texting = self._texting(machine, network, books)
        self.takeover = self._takeover(machine, books)
        self.registrations = self._registration_desk(machine, books)
        self.reception = self._reception(machine, network, books)
        self.agent.serve = self.reception.receive
        self.publisher = self._publisher(hub)

    def _watchers(self, machine: Machine, books: Books) -> Watchers:
        return rooms.watchers(
            self._config,
            machine,
            books,
            self.agent,
            bindings_of=self._bindings_of,
            dialogs_of=self._dialogs_of,
            participants_of=self._participants_of,
            lamps_of=lambda line: self.registrations.own(line),
        )

    def _reception(self, machine: Machine, network: Network, books: Books) -> Reception:
        return Reception(
            self.context,
            Addressing(self._config.own_hosts(), network.is_local),
            self.authenticator,
            self.registrations,
            self.watchers,
            self.texting.lines,
            self.live_calls,
            rooms.caller_proof(self._config, network, machine, self.stages.plan),
            books.admits,
            clustering.handover(self.node, self.stages),
        )

    def _publisher(self, hub: WatchHub) -> Publisher:
        return Publisher(
            hub,
            self.live_calls,
            self.directory,
            self.registrar,
            self.trunk_monitor,
            self.figures_row,
            self.wall_seconds,
        )

    def _endpoint(self, network: Network, nonces: Nonces) -> Endpoint:
        config = self._config
        refusal_log = RefusalLog(self._loop, self._log)
        make = ForwardingEndpoint if config.cluster.nodes else Endpoint
        return make(
            self.agent,
            self._loop,
            self._on_event,
            self._on_fault,
            on_closed=self._flow_closed,
            patience=self._patience,
            guard=self.guard,
            tls=network.tls,
            limits=config.guard.connection_limits(),
            origins=config.sip.websocket_origins,
            emergency=config.numbers.emergency,
            busy_seconds=config.guard.busy_ms / 1000,
            knows_nonce=lambda nonce, algorithm, source: nonces.answers_challenge(
                nonce, algorithm, self._loop.time(), source
            ),
            on_refused=refusal_log.refused,
            edges=self._edges,
        )

    def _completion_desk(self, machine: Machine, books: Books) -> CompletionDesk:
        config = self._config
        return CompletionDesk(
            rooms.waiting_queue(config, machine, books),
            config.completion,
            self._send_notice,
            self.context,
            self.live_calls,
            zone=config.switch.time_zone,
            language=config.switch.language,
        )

    def _texting(self, machine: Machine, network: Network, books: Books) -> Texting:
        return rooms.texting(
            self._config,
            machine,
            network,
            books,
            self.money,
            self.agent,
            self.stages,
            self.guard,
            takes_reply=self.completion.replied,
            drain=self.endpoint.drain,
            on_state=self._text_moved,
            nodes=clustering.text_nodes(self.node),
        )

    def _takeover(self, machine: Machine, books: Books) -> Takeover:
        return Takeover(
            books.store,
            self.money,
            self.farewells,
            self.completion,
            self.texting,
            machine.run,
            machine.log,
            settled=self.settled,
            money_rises=self.accounts_changed,
        )

    def _registration_desk(self, machine: Machine, books: Books) -> RegistrationDesk:
        return clustering.registration_desk(
            self.node,
            machine,
            self.registrar,
            books,
            self.agent,
            self.watchers,
            self.endpoint,
            self.live_calls,
            returned=self._registered,
            phones_changed=lambda login: self.publisher.phones_changed(login),
        )

    def _call_context(self, machine: Machine, network: Network, books: Books) -> CallContext:
        config = self._config
        clock = Clock(machine.loop, machine.wall_ms)
        domain = config.switch.domain.encode("ascii")
        limits = rooms.call_limits(config)
        tolerance_ms = config.calls.tolerance_ms
        leg_joined = not_recorded if self.recorder is None else self.recorder.join
        desk = SettlementDesk(self.money, machine.log, self.settled, tolerance_ms)
        return CallContext(
            clock=clock,
            signalling=Signalling(self.agent, domain),
            media=network.media,
            media_address=config.media_address,
            security=security_policy(config, network.media.certificate, self.agent.stack.octets),
            charging=Charging(self.money, desk, clock, limits, config.switch.node, books.admits),
            admission=CallAdmission(self.stages, clock),
            dialer=Dialer(
                domain,
                limits,
                network.trunk_flows,
                self.voicemail,
                self._trusts,
                self.silent_contacts,
                self.trunk_monitor.call_answered,
                rooms.app_waker(config, machine, network),
                rooms.call_signer(config, machine, books),
            ),
            limits=limits,
            tones=rooms.tones(config),
            features=self._features(),
            live_calls=self.live_calls,
            news=CallNews(leg_joined, self._changed, self._ended),
            log=machine.log,
        )

    def _features(self) -> Features:
        return Features(
            announcer=self.announcer,
            hall=self.hall,
            voicemail=self.voicemail,
            recordings=self.recordings,
            service_desk=self.service_desk,
            self_service=self.self_service,
            send_text=self._tell,
            take_message=take_message,
            offer_completion=self._offer,
        )

    # What the user agent tells

    def _on_event(self, event: Event) -> None:
        match event:
            case Received():
                self.reception.receive(event)
            case Replied(on_reply):
                on_reply(event)
            case SubscriptionEnded(subscription):
                self.watchers.ended(subscription)
            case _:
                pass  # of a session: its call has taken it already, see Session.report_to

    def _on_fault(self, error: Exception) -> None:
        self._log.error("a message caused an internal error", error=repr(error), exc_info=error)

    def _flow_closed(self, flow: Flow) -> None:
        if self.registrations.flow_closed(flow, self._loop.time()):
            self.endpoint.drain()

    def _patience(self, flow: Flow) -> float | None:
        return self.registrations.patience(flow)

    # What calls ask and tell

    async def _offer(self, call: Call, refusal: Refusal) -> Ending | None:
        return await offer(self.completion, call, refusal)

    def _registered(self, line: Line, *, anew: bool) -> None:
        """A phone has registered: tell completion, and deliver the line's stored texts."""
        self.completion.registered(line, anew=anew)
        self.texting.lines.registered(line)

    def _send_notice(self, line: Line, notice: CallNotice, told: Callable[[bool], None]) -> None:
        self.texting.own.send(line, notice, told)

    def _changed(self, legs: Legs) -> None:
        """Tell the watchers of a call's lines that its state or its lines have changed."""
        if legs.parties.grown or self.node is not None:  # other nodes hear of each change
            self.live_calls.changed(self.live_calls.by_id[legs.id])
        if self.watchers.of_watched:
            self._tell_watchers(legs.parties)
        if self.publisher.watchers["calls"]:
            self.publisher.call_changed(self.live_calls.by_id[legs.id])

    def _tell_watchers(self, parties: Parties) -> None:
        if self.watchers.calls_changed(parties.line_ids, self._loop.time()):
            self.endpoint.drain()

    def _ended(self, call: Call, end: Ending) -> None:
        record = call.record
        wall_ms = self.context.clock.wall_ms()
        self.figures.ended(end.status, end.code, record.decisions, wall_ms)
        if self.publisher.watchers["calls"]:
            self.publisher.call_ended(call)
        self.live_calls.ended(call)
        self.completion.ended(call, end)
        if self.recorder is not None:
            self.recorder.end(call.id, record.calling, record.called)
        if self.watchers.of_watched:
            self._tell_watchers(call.parties)
        self._log.info(
            "call ended",
            call=call.id,
            calling=record.calling,
            called=record.called,
            status=end.status,
            ended_by=end.ended_by,
            rule=end.rule,
        )

    def settled(self, cdr: Cdr) -> None:
        """A leg's settlement is on disk."""
        self._journal(cdr)
        self.figures.settled(cdr)
        if self.publisher.watchers["balances"]:
            self.publisher.settled(cdr)
        self.directory.caps.spent(cdr.account, cdr.ended_at, cdr.price_micros)
        if self.node is not None:
            self.node.spent(cdr)

    def _relieved(self, accounts: Iterable[int]) -> None:
        """The books have raised what accounts may spend."""
        if self.node is not None:
            accounts = tuple(accounts)
            self.node.relieved(accounts)
        self.accounts_changed(accounts)

    def accounts_changed(self, accounts: Iterable[int]) -> None:
        """Balances changed: retry the extensions that found no money."""
        if self.publisher.watchers["balances"]:
            accounts = tuple(accounts)
            self.publisher.accounts_changed(accounts)
        short = self.context.charging.short
        if short:  # as hardly ever
            for account in accounts:
                short.relieve(account)

    def _text_moved(self, text: StoredText, state: State) -> None:
        self.figures.texts[text.text.kind, state.value] += 1
        self.publisher.text_moved(text, state)

    def _trunk_changed(self, trunk: Trunk) -> None:
        self.publisher.trunk_changed(trunk)

    def figures_row(self, *, forget_lag: bool = True) -> Row:
        """The figures of the switch: calls now, calls ended since the start, and its trunks of
        late.

        Args:
            forget_lag: the worst lag is that since these figures were last read so.
        """
        now = self._wall_seconds()
        lag_ms, totals = self.figures.worst_lag_ms, self.figures.totals
        if forget_lag:
            self.figures.worst_lag_ms = 0.0
        return {
            "calls": len(self.calls),
            "attempts": totals.attempts,
            "answers": totals.answers,
            "refusals": dict(totals.refusals),
            "registrations": self.registered(now),
            "loop_lag_ms": round(lag_ms, 1),
            "trunks": totals.trunk_rows(round(now * 1000)),
        }

    def registered(self, now: float) -> int:
        """The number of phones that are registered here; `now` in epoch seconds."""
        return len(self.registrar.all(now)) if self.node is None else self.node.count_own(now)

    def call_of(self, message: bytes) -> str | None:
        """The id of the call that a message belongs to, if it is known."""
        return None if self.recorder is None else self.recorder.call_of(message)

    def start(self) -> None:
        """Start the periodic tasks."""
        self.trunk_monitor.start(self._loop.time())
        self.contact_monitor.start(self._loop.time())
        self.completion.resume()
        self.texting.lines.resume()
        self.endpoint.drain()

    # What operators ask

    def hang_up(self, call_id: str, ended_by: str = "operator") -> bool:
        """End a call; False if there is none with this id."""
        call = self.calls.get(call_id)
        if call is not None:
            call.post(HangUp(ended_by))
        return call is not None

    async def prove_life(self) -> None:
        """Write the journal of live calls; the next round writes what a database away missed."""
        try:
            await prove_life(self.calls.values(), self.money)
        except StoreError as error:
            self._log.error("proofs of life wait for the database", why=str(error))

    def expire(self) -> None:
        """Forget registrations, nonces and bans that ran out, and count the last calls."""
        now = self._loop.time()
        self.figures.count()
        self.authenticator.forget(now)
        self.guard.forget(now)
        log_bans(self.guard, self._log)
        if self.registrations.expire(now):
            self.endpoint.drain()
        if self._config.calls.suspended == "end":
            for call in standing_calls.barred(self.live_calls, self.directory):
                call.post(HangUp("operator", "call: its line or number is not in service any more"))

    def lines_changing(self, lines: Iterable[Line], removed: Iterable[int]) -> None:
        """Lines were changed or removed, and the directory doesn't have the change yet: remove the
        registrations of phones whose password no longer counts; they may come back with the new
        one."""
        for line in lines:
            before = self.directory.line(line.id)
            if before is None:
                continue
            if before.login != line.login:
                self.registrations.forget(before.login)
                continue
            shut = shut_usernames(before.devices, line.devices)
            if before.ha1 != line.ha1:
                shut |= {"", line.login}  # "": of the time before usernames were kept
            if shut:
                self.registrations.forget(line.login, shut)
        for line_id in removed:
            gone = self.directory.line(line_id)
            if gone is not None:
                self.registrations.forget(gone.login)

    def lines_changed(self, lines: Iterable[int]) -> None:
        """Lines were changed or removed, and the directory has the change."""
        self.watchers.lines_changed(lines, self._loop.time())
        self.endpoint.drain()

    def trunks_changed(self) -> None:
        """Trunks were changed, and the directory has the change."""
        self.guard.set_exempt(exempt_networks(self._config, self.directory))
        self.publisher.trunks_changed()

    def _tell(self, line: Line, text: str) -> None:
        self.texts.tell(line, text)
        self.endpoint.drain()

    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    def wall_seconds(self) -> float:
        """Epoch seconds, by which registrations live."""
        return self._wall_seconds()

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over the registrations from before a restart."""
        now = self._loop.time()
        for binding in bindings:
            flow = self._edges.registered(binding.flow, binding.path)
            binding = replace(binding, flow=flow)
            self.registrar.restore([binding])
            self.guard.prove(binding.flow.peer[0], binding.username or binding.aor, now)

    async def finish(self, ended_by: str = "restart") -> None:
        """End every call and wait until each is settled."""
        self.live_calls.draining = True
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

    def _contacts_of(self, login: str) -> list[Binding]:
        return self.registrar.lookup(login, self._wall_seconds())

    def _credentials_of(self, name: str) -> Credentials | None:
        trunk = next((trunk for trunk in self.directory.trunks() if trunk.name == name), None)
        return None if trunk is None else credentials_of(trunk)

    def _trusts(self, owner: Line | Trunk, flow: Flow) -> bool:
        """True if requests of a call may come from this flow: a phone may move to another network
        once it has registered from there, a trunk has the addresses that are configured for it."""
        if isinstance(owner, Trunk):
            trunk = self.authenticator.trunk(flow)
            return trunk is not None and trunk.id == owner.id
        bindings = self._bindings_of(owner)
        return any(binding.flow.has_host_of(flow) for binding in bindings)

    def _participants_of(self, line: Line) -> list[Participant]:
        conference = self.hall.conference(key_of(line))
        return [] if conference is None else participants_in(conference, self._config.switch.domain)

    def _conference_changed(self, conference: Conference) -> None:
        if self.node is not None:
            self.node.cluster.say_alive()
        told = conference.key == key_of(conference.line) and self.watchers.conference_changed(
            conference.line, self._loop.time()
        )
        if told:
            self.endpoint.drain()

    def _dialogs_of(self, line: Line, with_remote: bool) -> list[LineDialog]:
        calls = self.live_calls.of_line(line)
        domain = self._config.switch.domain
        dialogs = [d for call in calls for d in dialogs_in(call, line, domain, with_remote)]
        if self.node is not None:
            dialogs += self.node.cluster.neighbours.dialogs_of(line.id, with_remote)
        return dialogs
