"""Trunk monitoring: OPTIONS pings to each trunk (RFC 3261 section 11)."""

from __future__ import annotations

from collections.abc import Callable

from billing.facts.cdr import show_stamp
from sip.events import Replied
from sip.flow import Flow
from sip.standalone import Errand, StandaloneRequest
from sip.user_agent import UserAgent
from softswitch.control.values import Row
from softswitch.services.trunk_health import BAD_ANSWERS, REST_SECONDS, TrunkAnswers, TrunkHealth
from softswitch.subscribers.directory import Directory, Trunk
from softswitch.trace.log import Log

TICK_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
"""The timeout of a ping; shorter than any interval."""


AGAIN_SECONDS = 5.0
"""The interval after a lost ping, so that a trunk that is down is found out soon."""


class TrunkMonitor:
    """Pings trunks, and keeps their health.

    Args:
        flow_to: how to reach a trunk; None while its name can't be resolved.
        ping_seconds: between two pings of a trunk that has no interval of its own; 0: none.
        domain: ours.
        now: monotonic seconds.
        wall_seconds: epoch.
        on_changed: called when a trunk has come up or gone down.
    """

    def __init__(
        self,
        agent: UserAgent,
        directory: Directory,
        *,
        flow_to: Callable[[Trunk], Flow | None],
        ping_seconds: int,
        domain: bytes,
        now: Callable[[], float],
        wall_seconds: Callable[[], float],
        log: Log,
        on_changed: Callable[[Trunk], None],
    ) -> None:
        self._agent = agent
        self._directory = directory
        self._flow_to = flow_to
        self._ping_seconds = ping_seconds
        self._address = b"<sip:%s>" % domain
        self._now = now
        self._wall_seconds = wall_seconds
        self._log = log
        self._on_changed = on_changed
        self._health: dict[int, TrunkHealth] = {}
        self._answers: dict[int, TrunkAnswers] = {}
        """The answers of trunks whose last call got an unusable one."""
        self._due: dict[int, float] = {}
        """The time of the next ping of each trunk."""

    def start(self, now: float) -> None:
        """Begin to ping."""
        self._agent.stack.timers.arm(TICK_SECONDS, now, _tick, self)

    def is_down(self, trunk: Trunk) -> bool:
        """True if calls should avoid the trunk."""
        if self._answers and self._rests(trunk):
            return True
        health = self._health.get(trunk.id)
        return health is not None and health.state == "down"

    def _rests(self, trunk: Trunk) -> bool:
        answers = self._answers.get(trunk.id)
        return answers is not None and answers.rests(self._now())

    def row(self, trunk: Trunk) -> Row:
        """The health of a trunk, for people and scripts."""
        health = self._health.get(trunk.id)
        if health is None:
            row: Row = dict.fromkeys(("health", "health_since", "round_trip_ms", "lost_of_10"))
            return row | self._answers_row(trunk)
        trip = health.round_trip
        row = {
            "health": health.state,
            "health_since": show_stamp(round(health.since * 1000)),
            "round_trip_ms": None if trip is None else round(trip * 1000),
            "lost_of_10": health.lost,
        }
        return row | self._answers_row(trunk)

    def _answers_row(self, trunk: Trunk) -> Row:
        answers = self._answers.get(trunk.id)
        row: Row = {"bad_answers": 0 if answers is None else answers.bad}
        return row | {"health": "down"} if self._rests(trunk) else row

    def call_answered(self, trunk: Trunk, usable: bool) -> None:
        """Count how a trunk answered a call: a trunk whose answers stay unusable rests, and one
        usable answer heals it."""
        if usable:
            healed = self._answers.pop(trunk.id, None)
            if healed is not None and healed.bad >= BAD_ANSWERS:
                self._log.info("trunk answers", trunk=trunk.name, usable=True)
                self._on_changed(trunk)
            return
        answers = self._answers.setdefault(trunk.id, TrunkAnswers())
        if answers.failed(self._now()):
            self._log.warning(
                "trunk answers", trunk=trunk.name, usable=False, bad_in_a_row=answers.bad,
                rests_seconds=round(REST_SECONDS),
            )  # fmt: skip
            self._on_changed(trunk)

    def tick(self, now: float) -> None:
        """Ping the trunks that are due."""
        self._agent.stack.timers.arm(TICK_SECONDS, now, _tick, self)
        asked: dict[int, Trunk] = {
            trunk.id: trunk
            for trunk in self._directory.trunks()
            if trunk.is_active and self._interval(trunk)
        }
        self._end_rests(now)
        for known in [*self._due]:
            if known not in asked:
                del self._due[known]
                self._health.pop(known, None)
        for trunk in asked.values():
            interval = self._interval(trunk)
            due = self._due.get(trunk.id)
            if due is None:
                # Spread at random, so that a hundred trunks aren't always pinged at the same
                # moment.
                self._due[trunk.id] = now + self._agent.stack.pick(interval * 1000) / 1000
            elif due <= now:
                self._due[trunk.id] = due + interval if due + interval > now else now + interval
                self._ping(trunk, now)

    def _end_rests(self, now: float) -> None:
        """Let calls try the trunks again that have rested; the next unusable answer has them rest
        at once."""
        trunks = {trunk.id: trunk for trunk in self._directory.trunks() if self._answers}
        for known, answers in [*self._answers.items()]:
            trunk = trunks.get(known)
            if trunk is None:
                del self._answers[known]
            elif answers.end_rest(now):
                self._on_changed(trunk)

    def _interval(self, trunk: Trunk) -> int:
        return self._ping_seconds if trunk.ping_seconds is None else trunk.ping_seconds

    def _ping(self, trunk: Trunk, now: float) -> None:
        self._health.setdefault(trunk.id, TrunkHealth(self._wall_seconds()))
        flow = self._flow_to(trunk)
        if flow is None:
            self.note(trunk, None, now)
            return
        target = trunk.target.encode("utf-8")
        # Without credentials: any answer proves that the trunk is alive.
        options = StandaloneRequest(
            "OPTIONS", flow, target, self._address, b"<" + target + b">",
            extra=((b"Accept", b"application/sdp"), (b"Contact", self._agent.stack.contact(flow))),
        )  # fmt: skip
        ping = _Ping(self, trunk, now)
        ping.errand = self._agent.send_standalone(options, ping.heard, now)
        self._agent.stack.timers.arm(PATIENCE_SECONDS, now, _lose_patience, ping)

    def note(self, trunk: Trunk, round_trip: float | None, now: float) -> None:
        """Note the result of a ping; None for a lost one."""
        health = self._health.get(trunk.id)
        if health is None:  # suspended or removed meanwhile
            return
        before, wall = health.state, self._wall_seconds()
        changed = health.failed(wall) if round_trip is None else health.answered(round_trip, wall)
        if round_trip is None and trunk.id in self._due:
            self._due[trunk.id] = min(self._due[trunk.id], now + AGAIN_SECONDS)
        if changed:
            tell = self._log.info if health.state == "up" else self._log.warning
            tell("trunk health", trunk=trunk.name, health=health.state, before=before)
            self._on_changed(trunk)


class _Ping:
    """One OPTIONS under way."""

    __slots__ = ("_monitor", "_over", "_sent_at", "_trunk", "errand")

    def __init__(self, monitor: TrunkMonitor, trunk: Trunk, now: float) -> None:
        self._monitor = monitor
        self._trunk = trunk
        self._sent_at = now
        self._over = False
        self.errand: Errand | None = None

    def heard(self, reply: Replied) -> None:
        """Note the answer: any one proves that the trunk is alive, but 503 means that it takes no
        calls now."""
        if not self._over:
            self._over = True
            alive = reply.response is not None and reply.status != 503
            round_trip = reply.at - self._sent_at if alive else None
            self._monitor.note(self._trunk, round_trip, reply.at)

    def lose_patience(self, now: float) -> None:
        if not self._over:
            self._over = True
            if self.errand is not None:
                self.errand.give_up()
            self._monitor.note(self._trunk, None, now)


def _tick(monitor: TrunkMonitor, now: float) -> None:
    monitor.tick(now)


def _lose_patience(ping: _Ping, now: float) -> None:
    ping.lose_patience(now)
