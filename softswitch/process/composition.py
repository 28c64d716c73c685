"""The rooms of the switch, each made by a function that takes what the room works with.

:class:`softswitch.process.switch.Switch` calls them in order: none needs what is made after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from billing.facts.cdr import Cdr
from billing.stores.group_commit import AccountsChanged, GroupCommit
from billing.stores.store import Store
from rtp import dtls
from rtp.control import Certificate
from rtp.session import BATCH_FROM, MediaSettings
from sip.digest import Algorithm, DigestVerifier, Nonces
from sip.endpoint import Endpoint
from sip.flow import Address, Flow
from sip.guard import Guard
from sip.precedence import Glance
from sip.registrar import Registrar, RegistrarLimits
from sip.session_timer import SessionInterval
from sip.transport.tls import Tls
from sip.user_agent import UserAgent
from softswitch.admission.addressing import no_address
from softswitch.admission.admission import BindingsOf, Stages
from softswitch.admission.authentication import Authenticator
from softswitch.admission.browser_passes import BrowserPasses
from softswitch.admission.call_signer import CallSigner
from softswitch.admission.numbering import NumberPlan
from softswitch.admission.settings import least_cost, number_plan
from softswitch.call.live_calls import LiveCalls
from softswitch.call.media.call_relay import Media
from softswitch.call.media.leg_security import SecurityPolicy
from softswitch.call.ringing.app_waker import AppWaker, Post, nothing_posted
from softswitch.call.ringing.attempts import TrunkFlows
from softswitch.call.settings import Limits, Tones
from softswitch.cluster.events import Bus
from softswitch.completion.queue import WaitingQueue
from softswitch.completion.store import CompletionStore
from softswitch.conference.hall import Conference, Hall
from softswitch.conference.rooms import RoomStore
from softswitch.config.config import Config, ConfigError
from softswitch.database.threads import Run
from softswitch.process.working_set import WorkingSet
from softswitch.prompts.announcer import Announcer
from softswitch.prompts.library import PromptLibrary
from softswitch.reception.caller_proof import CallerProof, Fetch, SignerCertificates
from softswitch.reception.protection import exempt_networks
from softswitch.reception.registration import Bindings
from softswitch.recordings.desk import RecordingDesk
from softswitch.recordings.store import RecordingStore
from softswitch.services.answering import answering
from softswitch.services.conference_info import ParticipantsOf
from softswitch.services.dialog_info import DialogsOf
from softswitch.services.self_service import SelfService
from softswitch.services.trunk_monitor import TrunkMonitor
from softswitch.services.watchers import Watchers
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import PinTries
from softswitch.subscribers.service_desk import ServiceDesk
from softswitch.subscribers.service_store import ServiceStore
from softswitch.texting import store as text_store
from softswitch.texting.line_admission import TakesReply
from softswitch.texting.lines import TextNodes
from softswitch.texting.message import State, StoredText
from softswitch.texting.text_mail import TextMail
from softswitch.texting.texting import Texting
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log
from softswitch.trace.recorder import Recorder
from softswitch.voicemail.desk import VoicemailDesk
from softswitch.voicemail.shelf import recordings_shelf, voicemail_shelf
from softswitch.voicemail.store import VoicemailStore

SERVER = "softswitch"
"""Value of Server and User-Agent."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The event loop with its clocks, random source and threads.

    Args:
        run: runs a function that may wait for the disk in a thread.
        wall_ms: epoch milliseconds.
        randbits: unguessable in production.
        nonce_secret: signs nonces, and picks the challenges of decoys.
    """

    loop: asyncio.AbstractEventLoop
    run: Run
    wall_ms: Callable[[], int]
    randbits: Callable[[int], int]
    nonce_secret: bytes
    log: Log

    def wall_seconds(self) -> float:
        """Epoch seconds, the time base of registrations."""
        return self.wall_ms() / 1000


async def nothing_fetched(url: str) -> bytes:
    """Raise ValueError: this switch has no way to the hosts of certificates."""
    raise ValueError(f"{url} can't be reached from here")


@dataclass(frozen=True, slots=True)
class Network:
    """The ways out of the switch.

    Args:
        trunk_flows: finds the flows of a trunk.
        is_local: True for an address of this machine.
        tls: for [sip] listen with tls or wss.
    """

    media: Media
    trunk_flows: TrunkFlows
    is_local: Callable[[str], bool] = no_address
    tls: Tls | None = None
    fetch: Fetch = nothing_fetched
    """Gets the certificates of those who sign caller ids."""
    post: Post = nothing_posted
    """Sends push messages."""


def always() -> bool:
    """True: a switch alone on its database needs no lease."""
    return True


@dataclass(frozen=True, slots=True)
class Books:
    """The database, and its parts that are held in memory.

    Args:
        open_money: begins the single writer; its argument is called with the accounts whose
            money may have risen.
        journal: takes each CDR once its settlement is on disk.
        bindings: keeps registrations over a restart.
        admits: False while another node may take over this node's calls.
        bus: carries messages to the other nodes of a cluster; None: there are none.
    """

    store: Store
    working_set: WorkingSet
    open_money: Callable[[AccountsChanged], GroupCommit]
    journal: Callable[[Cdr], None]
    bindings: Bindings
    admits: Callable[[], bool] = always
    bus: Bus | None = None


# Media and SIP


def security_policy(
    config: Config, certificate: Certificate | None, draw: Callable[[int], bytes]
) -> SecurityPolicy:
    """SRTP, WebRTC and DTMF of legs; `draw` returns that many random octets."""
    media = config.media
    named = None if certificate is None else dtls.fingerprint_of(certificate.certificate)
    return SecurityPolicy(media.srtp, media.dtmf, draw, media.webrtc, named)


def media_settings(config: Config, wall_ms: int) -> MediaSettings:
    """The settings of media workers, with a new certificate for browsers if pyOpenSSL is there."""
    media = config.media
    now = datetime.fromtimestamp(wall_ms / 1000, UTC)
    certificate = dtls.make_certificate(now) if dtls.AVAILABLE else None
    return MediaSettings(
        media.latch_seconds,
        media.silence_seconds,
        media.hold_silence_seconds,
        media.quarantine_seconds,
        media.fast_path == "auto",
        media.hung_seconds,
        BATCH_FROM if media.io_uring == "auto" else None,
        certificate,
        media.ice_tcp_port,
        media.niceness,
    )


def session_interval(config: Config) -> SessionInterval | None:
    """The interval of session timers (RFC 4028); None: they are off."""
    sip = config.sip
    if sip.session_expires_seconds == 0:
        return None
    return SessionInterval(sip.session_expires_seconds, sip.min_session_expires_seconds)


def recorder(config: Config, machine: Machine) -> Recorder | None:
    """The ring of recent messages; None if none are kept."""
    if not config.trace.megabytes:
        return None
    return Recorder(config.trace.megabytes << 20, machine.loop.time)


def user_agent(
    config: Config, machine: Machine, network: Network, recorder: Recorder | None
) -> UserAgent:
    def sent_by(flow: Flow) -> Address:
        advertised = config.sip.advertised_for(flow.transport, flow.local[0])
        if advertised is None:
            return flow.local
        return advertised.host, advertised.port or flow.local[1]

    agent = UserAgent(
        randbits=machine.randbits,
        sent_by=sent_by,
        server=SERVER,
        session_interval=session_interval(config),
        max_sessions=config.guard.max_dialogs,
    )
    if config.sip.large_requests == "tcp":
        agent.stack.layer.enlarge = network.trunk_flows.enlarge
    if recorder is not None:
        agent.stack.tap, agent.stack.turn_ended = recorder.see, recorder.weigh
    return agent


def guard(config: Config, books: Books, nonces: Nonces) -> Guard:
    exempt = exempt_networks(config, books.working_set.directory)
    evidence = Glance(knows_nonce=nonces.was_given)
    return Guard(config.guard.guard_limits(), exempt, evidence.answers_challenge)


def registrar(config: Config) -> Registrar:
    sip = config.sip
    return Registrar(
        RegistrarLimits(
            sip.min_expires_seconds,
            sip.default_expires_seconds,
            sip.max_expires_seconds,
            sip.max_contacts,
        )
    )


def nonces(config: Config, machine: Machine) -> Nonces:
    return Nonces(machine.nonce_secret, config.sip.nonce_lifetime_seconds)


def authenticator(
    config: Config,
    machine: Machine,
    books: Books,
    endpoint: Endpoint,
    guard: Guard,
    nonces: Nonces,
) -> Authenticator:
    sip = config.sip
    return Authenticator(
        books.working_set.directory,
        DigestVerifier(nonces, config.realm),
        domain=config.switch.domain,
        algorithms=tuple(Algorithm(name) for name in sip.algorithms),
        invite_status=sip.invite_challenge,
        guard=guard,
        names_of=endpoint.connections.identities,
        secret=machine.nonce_secret,
        passes=BrowserPasses(machine.nonce_secret, config.realm),
        wall_seconds=machine.wall_seconds,
    )


def trunk_monitor(
    config: Config,
    machine: Machine,
    network: Network,
    books: Books,
    agent: UserAgent,
    on_changed: Callable[[Trunk], None],
) -> TrunkMonitor:
    return TrunkMonitor(
        agent,
        books.working_set.directory,
        flow_to=network.trunk_flows.first,
        ping_seconds=config.trunks.ping_seconds,
        domain=config.switch.domain.encode("ascii"),
        now=machine.loop.time,
        wall_seconds=machine.wall_seconds,
        log=machine.log,
        on_changed=on_changed,
    )


def watchers(
    config: Config,
    machine: Machine,
    books: Books,
    agent: UserAgent,
    *,
    bindings_of: BindingsOf,
    dialogs_of: DialogsOf,
    participants_of: ParticipantsOf,
    lamps_of: BindingsOf,
) -> Watchers:
    return Watchers(
        agent,
        books.working_set.directory,
        bindings_of=bindings_of,
        dialogs_of=dialogs_of,
        participants_of=participants_of,
        max_participants=config.conference.max_members,
        focus=config.codes.focus,
        domain=config.switch.domain,
        audience=config.events.watch_lines,
        wall_seconds=machine.wall_seconds,
        lamps_of=lamps_of,
    )


# Admission


def stages(
    config: Config,
    books: Books,
    live_calls: LiveCalls,
    trunk_monitor: TrunkMonitor,
    bindings_of: BindingsOf,
    fetch: Callable[[Line], Awaitable[bool]] | None,
) -> Stages:
    known = books.working_set
    return Stages(
        known.directory,
        number_plan(config),
        known.tariffs,
        known.assignments,
        bindings_of,
        live_calls.count_of_line,
        known.entitlements,
        parks=config.calls.park_seconds > 0,
        wakes=bool(config.provisioning.push_url),
        is_down=trunk_monitor.is_down,
        outgoing_of=live_calls.outgoing_of_account,
        calls_of_trunk=live_calls.count_of_trunk,
        services=answering(config.codes.by_code()),
        least_cost=least_cost(config.trunks),
        stars=config.codes.star_codes(),
        last_caller=config.codes.last_caller,
        fetch=fetch,
    )


# Texts


def texting(
    config: Config,
    machine: Machine,
    network: Network,
    books: Books,
    money: GroupCommit,
    agent: UserAgent,
    stages: Stages,
    guard: Guard,
    *,
    takes_reply: TakesReply,
    drain: Callable[[], None],
    on_state: Callable[[StoredText, State], None],
    nodes: TextNodes,
) -> Texting:
    """The texting room, with the texts that an earlier run of the switch stored for phones."""
    operator = config.operator.name or config.switch.domain
    made = Texting(
        config.sms,
        config.smpp,
        config.switch.domain.encode("ascii"),
        operator,
        config.switch.node,
        TextWriter(books.store.engine, machine.loop, machine.run),
        machine.run,
        None if network.tls is None else network.tls.server_context,
        money,
        books.store,
        agent,
        stages,
        guard,
        machine.loop,
        machine.log,
        mail=TextMail(operator, config.switch.language),
        takes_reply=takes_reply,
        drain=drain,
        wall_ms=machine.wall_ms,
        on_state=on_state,
        nodes=nodes,
    )
    with books.store.reading() as connection:
        made.lines.restore(text_store.lines_waited_for(connection, machine.wall_ms())[0])
    return made


# What subscribers set, leave and record


def pin_guard(machine: Machine, books: Books) -> PinGuard:
    return PinGuard(PinTries(books.store.engine), machine.run, machine.wall_ms, machine.log)


def service_desk(machine: Machine, books: Books, guard: PinGuard) -> ServiceDesk:
    store = ServiceStore(books.store.engine)
    return ServiceDesk(store, books.working_set.directory, guard, machine.run)


def _node_of(config: Config) -> str:
    """The name of this switch among those on its database; a file has one, whatever its name."""
    return config.switch.node if config.database_file is None else ""


def voicemail(
    config: Config,
    machine: Machine,
    books: Books,
    guard: PinGuard,
    lines_changed: Callable[[list[int]], None],
) -> VoicemailDesk:
    return VoicemailDesk(
        VoicemailStore(books.store.engine, _node_of(config)),
        voicemail_shelf(config),
        config.voicemail,
        books.working_set.directory,
        guard,
        machine.run,
        randbits=machine.randbits,
        wall_ms=machine.wall_ms,
        zone=config.switch.time_zone,
        log=machine.log,
        lines_changed=lines_changed,
    )


def recordings(config: Config, machine: Machine, books: Books) -> RecordingDesk:
    return RecordingDesk(
        RecordingStore(books.store.engine, _node_of(config)),
        recordings_shelf(config),
        config.recording,
        machine.run,
        randbits=machine.randbits,
        wall_ms=machine.wall_ms,
        log=machine.log,
    )


def self_service(
    config: Config, machine: Machine, books: Books, money: GroupCommit, guard: PinGuard
) -> SelfService:
    known = books.working_set
    return SelfService(
        books.store,
        DirectoryStore(books.store.engine),
        known.directory,
        known.entitlements,
        money,
        guard,
        machine.run,
        randbits=machine.randbits,
        wall_ms=machine.wall_ms,
        now=machine.loop.time,
        zone=config.switch.time_zone,
    )


def hall(
    config: Config,
    machine: Machine,
    books: Books,
    guard: PinGuard,
    self_service: SelfService,
    on_changed: Callable[[Conference], None],
) -> Hall:
    known = books.working_set
    return Hall(
        RoomStore(books.store.engine),
        config.conference,
        known.directory,
        known.entitlements,
        guard,
        machine.run,
        on_sale=self_service.sells_conference,
        wall_ms=machine.wall_ms,
        on_changed=on_changed,
    )


def waiting_queue(config: Config, machine: Machine, books: Books) -> WaitingQueue:
    """The queue of callers who wait for a callee, including those from before a restart."""
    kept = CompletionStore(books.store.engine, config.switch.node)
    queue = WaitingQueue(kept, machine.run, machine.loop, machine.log)
    queue.restore(kept.load())
    return queue


# Calls


def announcer(
    config: Config, machine: Machine, prompts: PromptLibrary | None, recorder: Recorder | None
) -> Announcer:
    return Announcer(
        prompts or PromptLibrary(),
        config.switch.language,
        config.switch.country,
        machine.log,
        on_said=None if recorder is None else recorder.said,
    )


def call_limits(config: Config) -> Limits:
    return Limits(
        max_duration_seconds=config.calls.max_duration_seconds,
        no_answer_seconds=config.sip.no_answer_seconds,
        trunk_failover_seconds=config.calls.trunk_failover_seconds,
        reservation_seconds=config.calls.reservation_seconds,
        park_seconds=config.calls.park_seconds,
        serial_ring_seconds=config.calls.serial_ring_seconds,
        follows_redirects=config.calls.redirects == "follow",
        transcodes=config.media.transcode,
        announces=config.announcements.mode,
        warnings_seconds=config.announcements.warnings_seconds,
        announces_unanswered=config.announcements.unanswered,
    )


def app_waker(config: Config, machine: Machine, network: Network) -> AppWaker:
    section = config.provisioning
    return AppWaker(section.push_url, section.push_seconds, network.post, machine.loop, machine.log)


def tones(config: Config) -> Tones:
    music = config.tones.hold_music
    return Tones(
        config.switch.country,
        config.tones.ringback,
        config.tones.refusals,
        None if music is None else str(music),
    )


def call_signer(config: Config, machine: Machine, books: Books) -> CallSigner | None:
    """Signs the caller ids of outgoing calls; None: no key is configured. Raises ConfigError."""
    try:
        key = config.stir.signing_key()
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{config.path}: [stir] key can't be used: {error}") from None
    if key is None:
        return None
    directory = books.working_set.directory

    def is_own(number: str) -> bool:
        return (
            directory.line_by_number(number) is not None or directory.rented.get(number) is not None
        )

    origin_id = config.stir.origin_of(config.switch.domain)
    return CallSigner(key, config.stir.certificate_url, origin_id, is_own, machine.wall_seconds)


def caller_proof(
    config: Config, network: Network, machine: Machine, plan: NumberPlan
) -> CallerProof:
    """Verifies signed caller ids of incoming calls. Raises ConfigError."""
    try:
        authorities = config.stir.trusted()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{config.path}: [stir] authorities can't be used: {error}") from None
    certificates = SignerCertificates(network.fetch, machine.loop.time)
    return CallerProof(authorities, certificates, plan, machine.wall_seconds)
