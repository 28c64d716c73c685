"""The feed: one watch of the running switch, given on to every page that is open."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from softswitch.control.actor import Actor
from softswitch.control.client import NotRunning
from softswitch.control.errors import OperationError
from softswitch.control.watch import TOPICS, Topic, WatchEvent
from softswitch.control.watch_client import WatchClient

RECONNECT_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
COALESCED_SECONDS = 0.25
"""A page is told of changes at most four times a second."""
STREAMS_OF_A_SESSION = 3
"""A browser opens six connections to a host over HTTP/1.1: more streams would leave none for
pages."""
MAX_STREAMS = 2_000
RECENT_SECONDS = 5.0
"""A page hears of changes this long before its stream opened: they may have come after the page
was made."""
RECENT_EVENTS = 1_000
OWN_TOPICS: frozenset[Topic] = frozenset({"balances", "calls", "texts"})
"""Topics whose rows name their account: a subscriber hears of those alone."""
_ACTOR = Actor("portal", "auditor")


class Stream:
    """One open page: the names of topics that changed since it was last told.

    Args:
        session: the id of the session that opened it.
        account: whose changes it hears of; None: everybody's.
    """

    def __init__(self, session: str, topics: frozenset[Topic], account: int | None) -> None:
        self.session = session
        self._topics = topics if account is None else topics & OWN_TOPICS
        self._account = account
        self._waiting: set[str] = set()
        self._more = asyncio.Event()
        self.is_over = False

    def hear(self, event: WatchEvent) -> None:
        """Note an event, if it concerns the page."""
        if event.topic is None:
            self.tell(*self._topics)
        elif event.topic in self._topics and self._concerns(event):
            self.tell(event.topic)

    def tell(self, *names: str) -> None:
        self._waiting.update(names)
        self._more.set()

    def end(self) -> None:
        """Have the stream end, for good."""
        self.is_over = True
        self._more.set()

    async def names(self) -> list[str]:
        """What changed; an empty list after a heartbeat's time without any."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await self._more.wait()
        self._more.clear()
        found = sorted(self._waiting)
        self._waiting.clear()
        return found

    def _concerns(self, event: WatchEvent) -> bool:
        if self._account is None or event.kind in ("snapshot", "gone"):
            return True
        if event.row is None:
            return False
        # A text between two lines concerns the accounts of both.
        own = (event.row.get("account"), *event.row.get("accounts", ()))
        return self._account in own


class Feed:
    """Watches the switch, and tells the streams of open pages.

    Args:
        path: of the control socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: list[Stream] = []
        self._watching: asyncio.Task[None] | None = None
        self._recent: deque[tuple[float, WatchEvent]] = deque(maxlen=RECENT_EVENTS)
        self.is_away = False
        """True while no switch is there."""

    def open(self, session: str, topics: frozenset[Topic], account: int | None) -> Stream:
        """A stream for a page; the oldest of the session's ends when it has too many."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        own = [one for one in self._streams if one.session == session and not one.is_over]
        if len(own) >= STREAMS_OF_A_SESSION:
            own[0].end()
        elif len(self._streams) >= MAX_STREAMS:
            self._streams[0].end()
        stream = Stream(session, topics, account)
        self._streams.append(stream)
        now = asyncio.get_running_loop().time()
        for at, event in self._recent:
            if now - at < RECENT_SECONDS:
                stream.hear(event)
        return stream

    def closed(self, stream: Stream) -> None:
        """The page is gone."""
        if stream in self._streams:
            self._streams.remove(stream)

    def end_session(self, session: str) -> None:
        """End the streams of a session that signed out."""
        for stream in self._streams:
            if stream.session == session:
                stream.end()

    def look_again(self) -> None:
        """Have every stream see whether its session is still there."""
        for stream in self._streams:
            stream.tell()

    async def close(self) -> None:
        """End every stream and the watch."""
        for stream in self._streams:
            stream.end()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(NotRunning, OperationError, OSError):
                async with WatchClient(self._path, TOPICS, _ACTOR) as watch:
                    self._say(away=False)
                    async for event in watch:
                        self._recent.append((asyncio.get_running_loop().time(), event))
                        for stream in self._streams:
                            stream.hear(event)
            self._say(away=True)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _say(self, *, away: bool) -> None:
        if away != self.is_away:
            self.is_away = away
            for stream in self._streams:
                stream.tell("away" if away else "back")


async def lines_of(
    stream: Stream, feed: Feed, is_open: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """The stream as server-sent events: `event: TOPIC` for each topic that changed, first `away` if
    the switch isn't there, `over` at the end."""
    yield "event: away\ndata: \n\n" if feed.is_away else ": hello\n\n"
    try:
        while True:
            names = await stream.names()
            if stream.is_over or not await is_open():
                yield "event: over\ndata: \n\n"
                return
            if not names and feed.is_away:
                names = ["away"]  # once more, for a page that was just loading when it was told
            yield "".join(f"event: {name}\ndata: \n\n" for name in names) or ": still here\n\n"
            await asyncio.sleep(COALESCED_SECONDS)
    finally:
        feed.closed(stream)
