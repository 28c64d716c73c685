"""Events of the running switch for watchers: a snapshot, then numbered changes.

The switch publishes to a :class:`WatchHub` only what is watched; each :class:`Watcher` has a queue
of its own with a limit. A watcher that falls behind loses its queue: it is told to `resync`, and
gets fresh snapshots. One that doesn't read at all is closed by the control server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from softswitch.control.values import Row

Topic = Literal["calls", "registrations", "trunks", "balances", "notices", "texts", "figures"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
Kind = Literal["snapshot", "changed", "gone", "resync"]

MAX_QUEUED = 1_000
"""The limit of events that wait for one watcher."""


class WatchEvent(msgspec.Struct, omit_defaults=True):
    """One event, as a line of JSON.

    Args:
        topic: None for a `resync`, which is followed by a snapshot of every topic.
        number: counts the events of all topics up by one; a snapshot has that of the last event
            before it.
        kind: `changed` brings the whole row of `key`, `gone` only the key.
    """

    kind: Kind
    number: int
    topic: Topic | None = None
    key: str | int | None = None
    row: dict[str, Any] | None = None
    """Any: msgspec has no name for a type that holds itself; see `values.Row`."""
    rows: list[dict[str, Any]] | None = None
    """Of a snapshot. Any: as above."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WatchEvent).decode


def read_event(line: bytes) -> WatchEvent:
    """Raises msgspec.MsgspecError when the line is no event."""
    return _decode(line)


Snapshot = Callable[[], Sequence[Row]]
"""The rows of a topic as they are now; called inside the event loop."""


class Watcher:
    """One who watches: its topics, and the lines that wait for it."""

    def __init__(self, hub: WatchHub, topics: Iterable[Topic]) -> None:
        self._hub = hub
        self.topics = tuple(dict.fromkeys(topics))
        self._lines: deque[bytes] = deque()
        self._more = asyncio.Event()

    def put(self, line: bytes) -> None:
        """Queue an event; a full queue is dropped for a resync."""
        if len(self._lines) >= MAX_QUEUED:
            self._begin_again(resync=True)
        else:
            self._lines.append(line)
        self._more.set()

    def begin(self) -> None:
        """Queue the snapshots of all topics."""
        self._begin_again(resync=False)
        self._more.set()

    async def lines(self) -> bytes:
        """Everything that waits, at least one event; each ends in a line feed."""
        while not self._lines:
            self._more.clear()
            await self._more.wait()
        found = b"".join(self._lines)
        self._lines.clear()
        return found

    def _begin_again(self, *, resync: bool) -> None:
        self._lines.clear()
        number = self._hub.number
        if resync:
            self._lines.append(_encode(WatchEvent("resync", number)) + b"\n")
        for topic in self.topics:
            rows = list(self._hub.snapshot(topic))
            event = WatchEvent("snapshot", number, topic, rows=rows)
            self._lines.append(_encode(event) + b"\n")


class WatchHub:
    """The watched topics with their watchers.

    A room looks into `watchers` before it builds a row: none is built without a watcher.
    """

    def __init__(self) -> None:
        self.number = 0
        """The number of the last event."""
        self.watchers: dict[Topic, tuple[Watcher, ...]] = dict.fromkeys(TOPICS, ())
        """Those who watch each topic."""
        self._snapshots: Mapping[Topic, Snapshot] = {}

    def serve(self, snapshots: Mapping[Topic, Snapshot]) -> None:
        """Say how the state of each topic is read; topics without one begin with no rows."""
        self._snapshots = snapshots

    def snapshot(self, topic: Topic) -> Sequence[Row]:
        """The rows of a topic as they are now."""
        read = self._snapshots.get(topic)
        return () if read is None else read()

    def open(self, topics: Iterable[Topic]) -> Watcher:
        """Begin to watch; the first lines are the snapshots."""
        watcher = Watcher(self, topics)
        for topic in watcher.topics:
            self.watchers[topic] = (*self.watchers[topic], watcher)
        watcher.begin()
        return watcher

    def close(self, watcher: Watcher) -> None:
        """Watch no more."""
        for topic in watcher.topics:
            self.watchers[topic] = tuple(w for w in self.watchers[topic] if w is not watcher)

    def changed(self, topic: Topic, key: str | int, row: Row) -> None:
        """Something is new or different; the whole row is told."""
        self._publish(WatchEvent("changed", self.number + 1, topic, key, row))

    def gone(self, topic: Topic, key: str | int) -> None:
        """Something is there no more."""
        self._publish(WatchEvent("gone", self.number + 1, topic, key))

    def _publish(self, event: WatchEvent) -> None:
        assert event.topic is not None
        watchers = self.watchers[event.topic]
        if not watchers:
            return
        self.number = event.number
        line = _encode(event) + b"\n"  # once, however many watch
        for watcher in watchers:
            watcher.put(line)
