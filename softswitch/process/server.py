"""The process: start everything, serve, drain, stop."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.facts.bill import first_work
from billing.facts.live_call import StoredDialogs
from billing.facts.sales import EnsureWork
from billing.stores.group_commit import AccountsChanged, GroupCommit
from billing.stores.store import Store, StoreError
from rtp.client import MediaWorkers
from rtp.control import Side, Started
from rtp.session import MediaError, MediaSession
from sip.endpoint import Listen, ListenError
from sip.resolver import Resolver
from sip.transport.tls import Tls, TlsError
from softswitch.admission.addressing import no_address
from softswitch.call.legs import Legs
from softswitch.call.letters import MediaLost, Silent
from softswitch.config.config import Config, ConfigError, load
from softswitch.control.errors import OperationError
from softswitch.control.server import AlreadyRunning, ControlServer
from softswitch.control.watch import WatchHub
from softswitch.database.news import News
from softswitch.mail.outbox import Outbox
from softswitch.mail.postman import Postman
from softswitch.operations.context import (
    Context,
    Reload,
    submitting,
)
from softswitch.operations.dispatch import Dispatcher, LiveOperations
from softswitch.operations.installation.setup import epoch_ms, secret_of_all
from softswitch.process import clustering
from softswitch.process.books_check import LOOK_SECONDS, BooksCheck
from softswitch.process.certificate_fetch import CertificateFetch
from softswitch.process.chance import Chance
from softswitch.process.composition import Books, Machine, Network, media_settings
from softswitch.process.housekeeping import DueRound, GarbageRound, NewsRound, Rounds
from softswitch.process.keeping import BindingKeeper, JournalKeeper
from softswitch.process.live import LIVE_OPERATIONS, Live
from softswitch.process.local_addresses import is_local_address
from softswitch.process.machine import loop_factory, raise_file_limit
from softswitch.process.membership import Membership
from softswitch.process.metrics import CommitClock, Scrape, SwitchCollector
from softswitch.process.metrics_listener import MetricsError, MetricsListener
from softswitch.process.portal_socket import portal_server
from softswitch.process.push_post import PushPost
from softswitch.process.supervision import Pulse, Supervisor
from softswitch.process.switch import Switch
from softswitch.process.watching import check_watch
from softswitch.process.working_set import WorkingSet, WorkingSetLoader
from softswitch.prompts.library import scan
from softswitch.reception.trunk_flows import ResolvedFlows, reach_of
from softswitch.scheduled.due import first_looks
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.service_store import ServiceStore
from softswitch.trace.hep import HepSender
from softswitch.trace.log import Log

HOUSEKEEPING_SECONDS = 10.0
THREAD_SWITCH_SECONDS = 0.0002
"""How long a thread keeps the interpreter while another wants it. With Python's 5 ms every answer
of the books waits as long for the calls, and the calls for it."""
DUE_SECONDS = 1.0
"""The longest delay of a renewal or a bonus."""
NEWS_SECONDS = 1.0
"""The longest delay until a change by another process counts here."""
EXPIRY_SECONDS = 60.0
"""The longest delay until an expired message is deleted."""
FIGURES_SECONDS = 5.0
"""The interval of the figures for watchers."""
MAIL_SECONDS = 5.0
"""The interval between looks into the outbox."""

DRAIN_RINGING_SECONDS = 20.0
"""Calls that ring when the switch stops have so long to be answered: phones may be gone."""
DRAIN_SILENCE_SECONDS = 10.0
"""A call without sound for so long isn't waited for when the switch stops: its phones are gone."""

FATAL = (
    ListenError, AlreadyRunning, StoreError, MediaError, OperationError, ConfigError, TlsError,
    MetricsError,
)  # fmt: skip
"""Errors that end the start with one line that names the cause."""


def run(config: Config) -> int:
    """Serve until told to stop; returns the exit status."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(config))
    except ListenError as error:
        print(f"softswitch: {error}; [sip] listen in {config.path} chooses", file=sys.stderr)
        return 1
    except FATAL as error:
        print(f"softswitch: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config) -> None:
    server = Server(config)
    try:
        await server.start()
        await server.until_stopped()
    finally:
        await server.close()


class Server:
    """Sockets, processes, files and signals around one :class:`Switch`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._log: Log = structlog.get_logger("softswitch")
        self._stops = 0
        self._supervisor = Supervisor()
        self._reloading: asyncio.Task[None] | None = None
        self._texts_reloading: asyncio.Task[None] | None = None
        self._hep: HepSender | None = None
        self._stopped = asyncio.Event()
        self._hurry = asyncio.Event()
        self._rounds = Rounds(self._loop, self._log)
        self._garbage = GarbageRound()
        # Durations go by the monotonic clock, stamps by the wall clock. Both are read here only.
        self._store = Store(config.database.url)
        self._directory_store = DirectoryStore(self._store.engine)
        self._journal = JournalKeeper(config.journal_dir, self._loop, self._log)
        self._bindings = BindingKeeper(
            self._directory_store, config.switch.node, self._loop, self._log
        )
        self._bus = clustering.bus(config, self._store, self._loop, self._log)
        self._resolver = self._build_resolver()
        self._trunk_flows = ResolvedFlows(
            self._resolver,
            lambda: self.switch.endpoint.listening,
            lambda host: self.switch.guard.trust(host),
            self._log,
        )
        self._tls = self._read_certificates()
        self._media = self._media_workers()
        self._membership = Membership(config, self._store.engine, self._loop, self._log, self._end)
        self._news = News(self._store.engine, secrets.token_hex(8))  # before the database is read
        known = WorkingSet()
        self._working_set = WorkingSetLoader(self._store, self._directory_store, known)
        self._working_set.load()
        self._hub = WatchHub()
        self.switch = self._build_switch(known)
        self._books_check = BooksCheck(config.path, time.time, self._log)
        self._metrics = self._build_metrics()
        self._postman = self._build_postman()
        self._context = Context(
            config,
            self._store,
            self._directory_store,
            submitting(self._loop, self.switch.money.submit),
            epoch_ms,
            refused_registrations=self.switch.reception.refused,
        )
        self._others = NewsRound(
            self._context,
            self._news,
            self._reload,
            self._load_again,
            self.switch.accounts_changed,
            self._log,
        )
        self._due = self._due_round()
        perform = self._dispatcher().perform
        self._control = ControlServer(config.control_socket, perform, self._hub, check_watch)
        self._portal = portal_server(config.portal_socket, perform, self._hub, check_watch)

    def _due_round(self) -> DueRound:
        return DueRound(
            self._context,
            self._reload,
            self.switch.accounts_changed,
            self.switch.texting.own.leave,
            self._log,
        )

    def _build_resolver(self) -> Resolver:
        return Resolver(
            self._loop,
            lambda: reach_of(self.switch.endpoint.listening),
            secrets.randbelow,
            self._name_failed,
        )

    def _read_certificates(self) -> Tls | None:
        settings = self._config.tls.settings()
        return None if settings is None else Tls(settings)

    def _build_metrics(self) -> MetricsListener:
        collector = SwitchCollector(self.switch, self._books_check, self._commits)
        return MetricsListener(Scrape(collector, self._media, self._config.media.workers).page)

    def _build_postman(self) -> Postman:
        config = self._config
        return Postman(
            config.mail,
            Outbox(self._store.engine),
            config.data_dir,
            config.switch.domain,
            epoch_ms,
            self._log,
            self.switch.publisher.mail_left,
        )

    def _media_workers(self) -> MediaWorkers:
        media = self._config.media
        return MediaWorkers(
            self._config.media_bind_address,
            media.ports,
            media.workers,
            media_settings(self._config, epoch_ms()),
            on_silent=self._silent,
            on_one_way=self._one_way,
            on_source=self._source,
            on_lost=self._lost,
            on_started=self._worker_started,
        )

    def _build_switch(self, known: WorkingSet) -> Switch:
        config, store = self._config, self._store
        self._certificate_fetch = CertificateFetch()
        self._push = PushPost(config.portal.webhook_networks)
        self._commits = CommitClock(store.apply)

        def open_money(changed: AccountsChanged) -> GroupCommit:
            return GroupCommit(self._commits.apply, self._loop, on_accounts_changed=changed)

        return Switch(
            config,
            Machine(
                self._loop,
                asyncio.to_thread,
                epoch_ms,
                Chance().bits,
                secret_of_all(config, self._directory_store),
                self._log,
            ),
            Network(
                self._media,
                self._trunk_flows,
                is_local_address if config.listens_everywhere() else no_address,
                self._tls,
                self._certificate_fetch,
                self._push,
            ),
            Books(
                store,
                known,
                open_money,
                self._journal.append,
                self._bindings,
                self._membership.admits,
                self._bus,
            ),
            self._hub,
            prompts=scan(config),
        )

    def _dispatcher(self) -> Dispatcher:
        def live(context: Context) -> Live:
            workers = self._config.media.workers
            return Live(context, self.switch, self._media, workers, self._reload_prompts)

        return Dispatcher(self._context, LiveOperations(live, LIVE_OPERATIONS), self._reload)

    # Start

    async def start(self) -> None:
        """Open everything, and log it.

        Raises:
            ListenError, AlreadyRunning, StoreError, MediaError: a resource that can't be had, by
                name.
        """
        raise_file_limit()
        # Before recovery, which ends the calls of a switch that died.
        await self._membership.join(self.switch)
        await self._control.start()
        await self._portal.start()
        cut_off = self._recover()
        zone = self._config.switch.time_zone
        works = (first_work(epoch_ms(), zone), *first_looks(epoch_ms(), zone))
        self._store.apply([EnsureWork(work) for work in works])
        await self._media.start()
        if self._bus is None:
            node = self._config.switch.node
            self.switch.restore(self._directory_store.bindings(time.time(), node))
        recent = ServiceStore(self._store.engine).recent_calls()
        self.switch.directory.restore_last_calls(recent)
        for listen in self._config.sip.listen:
            await self.switch.endpoint.listen(Listen(listen.transport, listen.host, listen.port))
        await self._trunk_flows.prepare(self.switch.directory.trunks())
        clustering.join(self.switch, self._others.do_soon)
        self.switch.accounts_changed(())
        await self._send_to_collector()
        if self._config.metrics.listen is not None:
            await self._metrics.start(self._config.metrics.listen)
        self.switch.start()
        await self.switch.texting.start()
        await self.switch.farewells.send(cut_off)
        self._install_signals()
        self._begin_rounds()
        self._garbage.begin()
        sys.setswitchinterval(THREAD_SWITCH_SECONDS)
        where = " ".join(f"{x.transport}:{x.host}:{x.port}" for x in self.switch.endpoint.listening)
        self._log.info("ready", listen=where)
        self._supervisor.ready()
        print(f"ready {where}", flush=True)

    def _recover(self) -> list[StoredDialogs]:
        """End the calls of a switch that died; the dialogs of those whose ends don't know it."""
        node = self._config.switch.node if self._config.database_file is None else None
        cut_off = self._store.dialogs(node)
        cdrs = self._store.recover(node)
        for cdr in cdrs:
            self._journal.append(cdr)
        if cdrs:
            self._log.warning(
                "calls of the previous run were ended at their last proof of life", calls=len(cdrs)
            )
        self._recover_files("messages", self.switch.voicemail.recover)
        self._recover_files("recordings", self.switch.recordings.recover)
        return cut_off

    def _recover_files(self, kind: str, recover: Callable[[], tuple[int, int]]) -> None:
        try:
            kept, strangers = recover()
        except (OSError, SQLAlchemyError) as error:
            self._log.error(f"{kind} of the previous run can't be finished", why=str(error))
        else:
            if kept or strangers:
                self._log.warning(
                    f"{kind} of the previous run were finished", kept=kept, removed=strangers
                )

    def _begin_rounds(self) -> None:
        every = self._rounds.every
        every(self._config.calls.journal_seconds, self.switch.prove_life)
        every(HOUSEKEEPING_SECONDS, self._keep_house)
        every(GarbageRound.YOUNG_SECONDS, self._garbage.scan_young)
        every(NEWS_SECONDS, self._membership.look)
        every(DUE_SECONDS, self._due.do)
        every(NEWS_SECONDS, self._others.do)
        every(FIGURES_SECONDS, self._tell_figures)
        Pulse(self._loop, self._supervisor, self.switch.figures.late).start()
        every(MAIL_SECONDS, self._postman.carry)
        every(EXPIRY_SECONDS, self._expire_messages)
        every(LOOK_SECONDS, self._books_check.do_if_due)

    def _install_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload_all)

    # Stop

    def _stop(self) -> None:
        """Handle a signal: the first drains, the second ends at once."""
        self._stops += 1
        self._membership.close()
        self._media.drain(DRAIN_SILENCE_SECONDS)
        self.switch.live_calls.draining = True
        self._stopped.set()
        if self._stops > 1:
            self._hurry.set()

    def _end(self) -> None:
        """End at once."""
        self._stop()
        self._hurry.set()

    async def until_stopped(self) -> None:
        """Serve; after a signal, let calls end by themselves for the configured time."""
        await self._stopped.wait()
        calls = len(self.switch.calls)
        self._log.info("draining", calls=calls)
        self._supervisor.stopping(calls)
        if calls:
            print(f"draining {calls} calls; a second signal ends them", flush=True)
        waits = [
            self._loop.create_task(self.switch.drained()),
            self._loop.create_task(_wait(self._hurry)),
        ]
        limit = self._config.calls.drain_seconds
        end_unanswered = self.switch.live_calls.end_unanswered
        ringing = self._loop.call_later(min(limit, DRAIN_RINGING_SECONDS), end_unanswered)
        await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        ringing.cancel()
        for wait in waits:
            wait.cancel()

    async def close(self) -> None:
        """Settle what still lives, then close everything in the order of need."""
        await self.switch.finish()
        self._rounds.stop()
        await asyncio.sleep(0)
        await self._portal.close()
        await self._control.close()
        self._metrics.close()
        await self.switch.endpoint.close()
        self._resolver.close()
        self._certificate_fetch.close()
        self._push.close()
        if self._hep is not None:
            self._hep.close()
        await self.switch.texting.stop()
        await self.switch.voicemail.close()
        await self.switch.recordings.close()
        await self._media.close()
        await self._bindings.close()
        if self.switch.node is not None:
            await self.switch.node.leave()
        if self._bus is not None:
            await self._bus.close()
        await self._journal.close()
        await self.switch.money.close()
        self._membership.leave()
        self._store.close()
        self._log.info("stopped")

    # What happens again and again

    async def _tell_figures(self) -> None:
        self.switch.publisher.figures()

    async def _send_to_collector(self) -> None:
        """Send messages as HEP to the collector; a collector that can't be reached is retried."""
        collector = self._config.trace.hep
        if collector is None or self._hep is not None:
            return
        try:
            self._hep = await asyncio.to_thread(
                HepSender,
                collector,
                agent=self._config.trace.hep_agent_id,
                call_of=self.switch.call_of,
                wall_us=lambda: time.time_ns() // 1000,
            )
        except OSError as error:
            self._log.warning("the collector can't be reached", host=collector.host, why=str(error))
        else:
            self.switch.agent.stack.add_tap(self._hep)

    async def _keep_house(self) -> None:
        await self._send_to_collector()
        self.switch.expire()
        self._refresh_certificates()
        self._journal.retry()
        self._garbage.do(len(self.switch.calls), self.switch.agent.stack.layer.under_way)

    async def _expire_messages(self) -> None:
        expired = await self.switch.voicemail.expire()
        if expired:
            self._log.info("old messages deleted", messages=expired)
        expired = await self.switch.recordings.expire()
        if expired:
            self._log.info("old recordings deleted", recordings=expired)
        expired = await self.switch.texting.tidy()
        if expired:
            self._log.info("texts given up that nothing took in time", texts=expired)

    # What others tell

    def _silent(self, session: MediaSession, last_packet_at: int | None) -> None:
        if isinstance(session.owner, Legs):
            last = None if last_packet_at is None else self._media.monotonic(last_packet_at)
            session.owner.post(Silent(last))

    def _one_way(self, session: MediaSession, side: Side, heard: bool) -> None:
        call = session.owner
        if isinstance(call, Legs):
            news = "a side is heard again" if heard else "one-way audio: a side isn't heard"
            person = "caller" if side == "a" else "callee"
            self._log.warning(news, call=call.id, side=person)

    def _source(
        self, session: MediaSession, side: Side, source: tuple[str, int], heard: bool
    ) -> None:
        call = session.owner
        if not isinstance(call, Legs):
            return
        news = (
            "a side's sound comes from a new port"
            if heard
            else "a silent side sends from another port, which isn't heard before it negotiates,"
            " refreshes its session or registers"
        )
        person, (host, port) = "caller" if side == "a" else "callee", source
        self._log.warning(news, call=call.id, side=person, source=f"{host}:{port}")

    def _lost(self, session: MediaSession) -> None:
        if isinstance(session.owner, Legs):
            session.owner.post(MediaLost())

    def _worker_started(self, started: Started) -> None:
        self._log.info(
            "media worker ready",
            fast_path=started.fast_path or "none",
            **({"why": started.problem} if started.problem else {}),
        )
        if started.ports_held < started.ports_shared:
            self._log.warning(
                "media ports that other programs may get",
                pairs=started.ports_shared - started.ports_held,
                what="calls pass over those that are used; see softswitch check",
            )

    def _name_failed(self, host: str, why: str) -> None:
        self._log.warning("a trunk's name can't be resolved", host=host, why=why)

    # Changes while serving

    def _trunks_changed(self) -> None:
        self.switch.trunks_changed()
        for trunk in self.switch.directory.trunks():
            self._trunk_flows.known(trunk)  # starts the look-up of names that are new

    def _refresh_certificates(self, *, force: bool = False) -> None:
        """Load renewed certificates; broken ones change nothing."""
        try:
            if self._tls is not None and self._tls.refresh(force=force):
                self._log.info("certificates read")
        except TlsError as error:
            self._log.error("the certificates weren't reloaded", why=str(error))

    def _reload(self, reload: Reload) -> None:
        """Put the changes of an operation into the running switch."""
        self.switch.lines_changing(reload.lines, reload.removed_lines)
        self._working_set.put(reload)
        self.switch.lines_changed([*(line.id for line in reload.lines), *reload.removed_lines])
        if reload.trunks is not None:
            self._trunks_changed()
        if reload.texts:
            self._texts_changed()

    def _texts_changed(self) -> None:
        self._texts_reloading = self._loop.create_task(self.switch.texting.changed())

    async def _reload_prompts(self) -> int:
        """Reload the recordings of prompts; returns how many there are."""
        library = await asyncio.to_thread(scan, self._config)
        self.switch.announcer.library = library
        self._log.info("prompts read", recordings=len(library))
        return len(library)

    def _reload_all(self) -> None:
        """SIGHUP: read the configuration and the directory anew. A broken file changes nothing."""
        try:
            fresh = load(self._config.path)
        except ConfigError as error:
            self._log.error("the configuration wasn't reloaded", why=str(error))
            return
        self._refresh_certificates(force=True)
        self._reloading = self._loop.create_task(self._reload_rest(fresh != self._config))

    async def _reload_rest(self, needs_restart: bool) -> None:
        """Reload the database and prompts; calls go on meanwhile."""
        try:
            await self._load_again()
            await self._reload_prompts()
        except (StoreError, SQLAlchemyError, OSError) as error:
            self._log.error("not everything was reloaded", why=str(error))
        else:
            self._log.info("reloaded", needs_restart=needs_restart)

    async def _load_again(self) -> None:
        """Reload all of the database that is held in memory."""
        await self._working_set.load_again(asyncio.to_thread, self._take_lines)
        self._trunks_changed()

    def _take_lines(self, lines: Sequence[Line], removed: Sequence[int]) -> None:
        directory = self.switch.directory
        self.switch.lines_changing(lines, removed)
        directory.put_lines(lines)
        for line_id in removed:
            directory.forget_line(line_id)
        self.switch.lines_changed([*(line.id for line in lines), *removed])


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
