"""Metrics of the running switch for Prometheus, read when it asks.

Nothing is counted for Prometheus alone: each family is made of counters that the rooms have anyway,
so that a call costs the same when nobody scrapes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from billing.facts.command import Answer, Apply, Command
from billing.stores.group_commit import GroupCommit
from rtp.client import MediaWorkers
from rtp.figures import Status, TickFigures
from softswitch import version
from softswitch.process.books_check import BooksCheck
from softswitch.process.figures import Histogram
from softswitch.process.log import lost_lines
from softswitch.process.switch import Switch

FAMILY = "softswitch_"
"""The prefix of every metric of ours."""
MAX_TRUNKS = 500
"""Trunks with series of their own: a scrape stays small however many trunks come and go."""
MOS_HUNDREDTHS = (150, 200, 250, 300, 330, 360, 380, 400, 420, 440)
"""The upper bounds of the buckets of MOS; 3.6 divides sound that is fair from sound that isn't."""
WORKER_SECONDS = 2.0
"""The timeout for the workers' answers."""


class CommitClock:
    """The books' `apply`, with the time that it takes. It runs in the thread of the books."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self.seconds = 0.0
        """All commits together."""

    def apply(self, commands: Sequence[Command[Answer]]) -> Sequence[Answer | Exception]:
        """Apply a batch. Raises StoreError."""
        began = time.perf_counter()
        try:
            return self._apply(commands)
        finally:
            self.seconds += time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class MediaState:
    """The media workers as they answered just before the scrape.

    Args:
        expected: how many there should be.
        workers: the process id, status and ticks of each that answered.
        opening: calls that wait for their ports.
    """

    expected: int
    workers: tuple[tuple[int, Status, TickFigures | None], ...]
    opening: int


class SwitchCollector(Collector):
    """The metrics of one switch."""

    def __init__(self, switch: Switch, books: BooksCheck, commits: CommitClock) -> None:
        self._switch = switch
        self._books = books
        self._commits = commits
        self.media = MediaState(0, (), 0)
        """Set before each scrape: workers answer later than a collector may wait."""

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not scrape at the start to learn our names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family with its values of this moment."""
        info = InfoMetricFamily(FAMILY + "build", "The version that runs.")
        info.add_metric((), {"version": version()})
        yield info
        yield from self._calls()
        yield from self._trunks()
        yield from self._sound()
        yield from self._signalling()
        yield from self._overload()
        yield from self._guard()
        yield from commits(self._switch.money, self._commits.seconds)
        yield from self._books_verified()
        yield from self._texts()
        yield from media(self.media)

    def _calls(self) -> Iterator[Metric]:
        switch, figures = self._switch, self._switch.figures.totals
        yield gauge("calls", "Calls that live now.", len(switch.calls))
        yield gauge(
            "draining",
            "1 while the switch takes no new calls, because it stops.",
            switch.live_calls.draining,
        )
        yield gauge(
            "database_away",
            "1 while no call is admitted, because the database doesn't answer.",
            not switch.reception.admits(),
        )
        yield counter("call_attempts", "Calls that ended, answered or not.", figures.attempts)
        yield counter("call_answers", "Calls that ended and were answered.", figures.answers)
        refusals = CounterMetricFamily(
            FAMILY + "call_refusals",
            "Calls that were refused, by the code of the rule (docs: error codes).",
            labels=("rule",),
        )
        for rule, count in figures.refusals.items():
            refusals.add_metric((rule,), count)
        yield refusals
        proofs = CounterMetricFamily(
            FAMILY + "caller_proofs",
            "Calls by trunks that sign callers: attestation A, B or C, or unproven.",
            labels=("result",),
        )
        for result, count in switch.reception.proof.results.items():
            proofs.add_metric((result,), count)
        yield proofs

    def _trunks(self) -> Iterator[Metric]:
        switch, figures = self._switch, self._switch.figures.totals
        seizures = CounterMetricFamily(
            FAMILY + "trunk_seizures",
            "Calls offered to a trunk, by the final status that it gave; 408: it gave none.",
            labels=("trunk", "status"),
        )
        talk = CounterMetricFamily(
            FAMILY + "trunk_talk_seconds", "Talk time of answered calls.", labels=("trunk",)
        )
        delay = HistogramMetricFamily(
            FAMILY + "post_dial_delay_seconds",
            "Time from a call's INVITE to its ringing or answer.",
            labels=("trunk",),
        )
        up = GaugeMetricFamily(
            FAMILY + "trunk_up", "1 if calls may go by the trunk.", labels=("trunk",)
        )
        for number, (name, trunk) in enumerate(list(figures.trunks.items())):
            if number == MAX_TRUNKS:
                break
            for status, count in trunk.statuses.items():
                seizures.add_metric((name, str(status)), count)
            talk.add_metric((name,), trunk.talk_ms / 1000)
            add_histogram(delay, (name,), trunk.post_dial, 1000)
        for known in list(switch.directory.trunks())[:MAX_TRUNKS]:
            up.add_metric((known.name,), not switch.trunk_monitor.is_down(known))
        yield from (seizures, talk, delay, up)

    def _sound(self) -> Iterator[Metric]:
        figures = self._switch.figures.totals
        mos = HistogramMetricFamily(
            FAMILY + "mos",
            "MOS (G.107) of the sound that came from a side of a settled leg.",
            labels=("side",),
        )
        for side, counts in (("caller", figures.caller_mos), ("callee", figures.callee_mos)):
            histogram = Histogram(MOS_HUNDREDTHS)
            for hundredths, legs in counts.items():
                if hundredths is not None:
                    histogram.add_many(hundredths, legs)
            add_histogram(mos, (side,), histogram, 100)
        yield mos
        yield counter("one_way_legs", "Settled legs of which a side wasn't heard.", figures.one_way)

    def _signalling(self) -> Iterator[Metric]:
        switch = self._switch
        counters = switch.agent.counters
        yield gauge("registrations", "Contacts that are registered.", len(switch.registrar))
        yield gauge("legs", "Legs of calls: SIP sessions that live.", switch.agent.sessions)
        yield gauge("transactions", "SIP transactions that live.", len(switch.agent.stack.layer))
        yield counter(
            "sip_malformed_messages",
            "Messages that couldn't be read: refused or dropped.",
            counters.malformed,
        )
        yield counter(
            "sip_stray_responses",
            "Responses to no transaction of ours: late, repeated or forged.",
            counters.stray_responses,
        )
        yield counter(
            "sip_faults", "Messages that caused an internal error; the log has it.", counters.faults
        )
        lag = HistogramMetricFamily(
            FAMILY + "loop_lag_seconds", "Lateness of the event loop, measured twice a second."
        )
        add_histogram(lag, (), switch.figures.lag, 1000)
        yield lag
        yield counter("log_lines_lost", "Log lines that a full disk refused.", lost_lines())

    def _overload(self) -> Iterator[Metric]:
        endpoint = self._switch.endpoint
        yield counter(
            "overload_rejections",
            "Requests that were answered 503 because of overload.",
            endpoint.pressure.turned_away,
        )
        yield counter(
            "overload_drops",
            "Messages that were dropped unread because of overload.",
            endpoint.intake.dropped,
        )
        yield gauge("connections", "TCP, TLS and WebSocket connections.", len(endpoint.connections))
        yield counter(
            "connections_refused",
            "Connections that were refused because a limit was reached.",
            endpoint.connections.refused,
        )

    def _guard(self) -> Iterator[Metric]:
        guard = self._switch.guard
        refused = CounterMetricFamily(
            FAMILY + "guard_refusals", "Messages that the guard refused.", labels=("why",)
        )
        for why, count in asdict(guard.counters).items():
            refused.add_metric((why,), count)
        yield refused
        yield gauge("guard_sources", "Addresses that the guard remembers.", len(guard))
        bans = len(guard.bans(self._switch.now()))
        yield gauge("guard_bans", "Bans that are in force.", bans)

    def _books_verified(self) -> Iterator[Metric]:
        books = self._books
        if books.verified_at is not None:
            yield gauge(
                "books_verified_timestamp_seconds",
                "When the books were last verified in whole.",
                books.verified_at,
            )
            yield gauge(
                "books_differences",
                "Differences that the last verification found; must be 0.",
                books.differences,
            )

    def _texts(self) -> Iterator[Metric]:
        texts = CounterMetricFamily(
            FAMILY + "texts",
            "Texts that came into a state; kind: between lines, out to a network, in from one.",
            labels=("kind", "state"),
        )
        for (kind, state), count in self._switch.figures.texts.items():
            texts.add_metric((kind, state), count)
        yield texts


def commits(money: GroupCommit, seconds: float) -> Iterator[Metric]:
    """Metrics of the books' writer, whose transactions took so long together."""
    yield counter("commits", "Transactions of the books.", money.batches)
    yield counter("commit_commands", "Commands that these transactions applied.", money.commands)
    yield counter("commit_seconds", "Time that these transactions took.", seconds)
    yield gauge("commit_waiting", "Commands that wait for the next transaction.", money.waiting)


def media(state: MediaState) -> Iterator[Metric]:
    """Metrics of the media workers together."""
    statuses = [status for _, status, _ in state.workers]
    yield gauge("media_workers_expected", "Media workers by the configuration.", state.expected)
    yield gauge("media_workers", "Media workers that answer.", len(statuses))
    yield gauge("media_sessions", "Sessions of sound.", sum(s.sessions for s in statuses))
    yield gauge("media_waiting", "Calls that wait for their ports.", state.opening)
    lanes = GaugeMetricFamily(
        FAMILY + "media_lanes", "Directions of sound, by who passes them on.", labels=("tier",)
    )
    lanes.add_metric(("kernel",), sum(s.kernel_lanes for s in statuses))
    lanes.add_metric(("relay",), sum(s.relay_lanes for s in statuses))
    yield lanes
    ports = GaugeMetricFamily(
        FAMILY + "media_port_pairs", "Pairs of media ports, by state.", labels=("state",)
    )
    ports.add_metric(("in_use",), sum(s.ports_in_use for s in statuses))
    ports.add_metric(("resting",), sum(s.ports_resting for s in statuses))
    ports.add_metric(("free",), sum(s.ports_free for s in statuses))
    yield ports
    late = [ticks.p99_ms for _, _, ticks in state.workers if ticks is not None]
    yield gauge(
        "media_tick_p99_seconds",
        "99th percentile of the lateness of the sound's ticks in the last five minutes; the"
        " worst worker's.",
        max(late, default=0.0) / 1000,
    )


class Scrape:
    """The metrics of the switch and of its process, as a page.

    Args:
        workers: how many media workers there should be.
    """

    def __init__(self, collector: SwitchCollector, media: MediaWorkers, workers: int) -> None:
        self._collector = collector
        self._media = media
        self._workers = workers
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    async def page(self) -> bytes:
        """The answer to a scrape, in the text format of Prometheus, version 0.0.4."""
        self._collector.media = await self._ask_workers()
        return generate_latest(self._registry)

    async def _ask_workers(self) -> MediaState:
        """The workers that answer in time; a worker that hangs must not hide all other metrics."""
        opening = self._media.opening
        try:
            async with asyncio.timeout(WORKER_SECONDS):
                statuses = await self._media.statuses()
                ticks = await self._media.tick_figures()
        except TimeoutError:
            return MediaState(self._workers, (), opening)
        answered = [(pid, status, ticks.get(pid)) for pid, status in statuses if status is not None]
        return MediaState(self._workers, tuple(answered), opening)


def counter(name: str, help_text: str, value: float) -> CounterMetricFamily:
    """A counter without labels."""
    return CounterMetricFamily(FAMILY + name, help_text, value=value)


def gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(FAMILY + name, help_text, value=value)


def add_histogram(
    family: HistogramMetricFamily, labels: tuple[str, ...], histogram: Histogram, unit: int
) -> None:
    """Add a histogram.

    Args:
        unit: how many of the histogram's units are one of the family's.
    """
    counts = histogram.cumulative()
    bounds = [*(f"{bound / unit:g}" for bound in histogram.bounds), "+Inf"]
    family.add_metric(labels, list(zip(bounds, counts, strict=True)), histogram.total / unit)
