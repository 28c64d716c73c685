"""Sessions of one engine, as the switch keeps them: what is open, and what is still awaited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from rtp.control import (
    Close,
    Closed,
    Digit,
    Elsewhere,
    Figures,
    FromWorker,
    Keyed,
    Latched,
    OneWay,
    Open,
    Opened,
    OpenFailed,
    Play,
    Played,
    PlayItem,
    Record,
    Recorded,
    RecordedSides,
    Side,
    SideSpec,
    Silent,
    Speaker,
    TellFigures,
    ToWorker,
)
from rtp.figures import SessionFigures
from rtp.session import MediaError, MediaSession, WorkerLost

_Awaited: TypeAlias = (
    asyncio.Future[MediaSession]
    | asyncio.Future[SessionFigures]
    | asyncio.Future[SessionFigures | None]
    | asyncio.Future[Played]
    | asyncio.Future[Recorded]
)

SilentCallback = Callable[[MediaSession, int | None], None]
"""Called with the session, and the time of its last packet: epoch milliseconds, None for never."""
OneWayCallback = Callable[[MediaSession, Side, bool], None]
"""Called with the session, the side, and True if the side is heard (again)."""
SourceCallback = Callable[[MediaSession, Side, tuple[str, int], bool], None]
"""Called with the session, the side, the new source of its sound, and True if that is heard."""
LostCallback = Callable[[MediaSession], None]


class SessionBook:
    """The sessions of one engine, and the answers that are awaited from it.

    Args:
        send: carries a message to the engine.
        on_silent: called when a session receives nothing from either side any more.
        on_one_way: called when a side isn't heard though it is spoken to, or is again.
        on_source: called when the source of a latched side's sound changes.
        send_patiently: carries a message that may wait some milliseconds for others; None: as
            `send` does.
    """

    __slots__ = (
        "_asked",
        "_closing",
        "_last_id",
        "_on_one_way",
        "_on_silent",
        "_on_source",
        "_opening",
        "_playings",
        "_recordings",
        "_sessions",
        "send",
        "send_patiently",
    )

    def __init__(
        self,
        send: Callable[[ToWorker], None],
        on_silent: SilentCallback,
        on_one_way: OneWayCallback,
        on_source: SourceCallback,
        send_patiently: Callable[[ToWorker], None] | None = None,
    ) -> None:
        self.send = send
        self.send_patiently = send_patiently or send
        self._on_silent = on_silent
        self._on_one_way = on_one_way
        self._on_source = on_source
        self._asked: deque[asyncio.Future[SessionFigures | None]] = deque()
        self._opening: dict[int, asyncio.Future[MediaSession]] = {}
        self._sessions: dict[int, MediaSession] = {}
        self._closing: dict[int, asyncio.Future[SessionFigures]] = {}
        self._last_id = 0
        self._playings: dict[int, tuple[int, asyncio.Future[Played]]] = {}
        self._recordings: dict[int, asyncio.Future[Recorded]] = {}

    def __len__(self) -> int:
        return len(self._opening) + len(self._sessions)

    @property
    def opening(self) -> int:
        """Sessions whose ports are awaited."""
        return len(self._opening)

    def open(
        self, session: int, side_a: SideSpec, side_b: SideSpec | None
    ) -> asyncio.Future[MediaSession]:
        """Order a session's ports; the future fails with MediaError."""
        future: asyncio.Future[MediaSession] = asyncio.get_running_loop().create_future()
        self._opening[session] = future
        self.send(Open(session, side_a, side_b))
        return future

    def figures(self, session: MediaSession) -> asyncio.Future[SessionFigures | None]:
        """Ask for a session's figures; the result is None if it is closed."""
        future: asyncio.Future[SessionFigures | None] = asyncio.get_running_loop().create_future()
        if session.id not in self._sessions:
            future.set_result(None)
            return future
        self._asked.append(future)
        self.send(TellFigures(session.id))
        return future

    def play(
        self,
        session: MediaSession,
        side: Side,
        items: tuple[PlayItem, ...],
        *,
        barge_in: bool,
        repeat: bool,
        over: bool,
    ) -> asyncio.Future[Played]:
        """Order a playing; see :meth:`MediaSession.play`."""
        future: asyncio.Future[Played] = asyncio.get_running_loop().create_future()
        self._last_id += 1
        if session.id not in self._sessions:
            future.set_result(Played(session.id, side, self._last_id, "stopped"))
            return future
        self._playings[self._last_id] = (session.id, future)
        self.send(Play(session.id, side, self._last_id, items, barge_in, repeat, over))
        return future

    def record(
        self,
        session: MediaSession,
        path: str,
        sides: RecordedSides,
        *,
        max_seconds: float,
        silence_seconds: float,
        end_digits: str,
    ) -> tuple[int, asyncio.Future[Recorded]]:
        """Order a recording; see :meth:`MediaSession.record`."""
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._last_id += 1
        recording = self._last_id
        if session.id not in self._sessions:
            future.set_result(Recorded(session.id, recording, 0, "closed", "the session is closed"))
            return recording, future
        self._recordings[recording] = future
        self.send(
            Record(session.id, recording, path, sides, max_seconds, silence_seconds, end_digits)
        )
        return recording, future

    def close(self, session: MediaSession) -> asyncio.Future[SessionFigures]:
        """Close a session; the result are its last figures."""
        future: asyncio.Future[SessionFigures] = asyncio.get_running_loop().create_future()
        if self._sessions.pop(session.id, None) is None:
            future.set_exception(WorkerLost("the media worker of this call died"))
            return future
        self._closing[session.id] = future
        self._stop_waiting(session.id)
        self.send_patiently(Close(session.id))
        return future

    def _stop_waiting(self, session: int) -> None:
        """Fail the playings of a session that closes; recordings report their own end."""
        for playing, (where, future) in list(self._playings.items()):
            if where == session:
                del self._playings[playing]
                if not future.done():
                    future.set_result(Played(session, "a", playing, "stopped"))

    def take(self, message: FromWorker) -> None:
        """Deal with what the engine says of a session."""
        match message:
            case Opened(session, a_port, b_port, ice_tcp_port):
                self._opened(MediaSession(session, self, a_port, b_port, ice_tcp_port))
            case Closed(session, figures):
                closing = self._closing.pop(session)
                if not closing.done():
                    closing.set_result(figures)
            case Latched(session, side, address, port):
                found = self._sessions.get(session)
                if found is not None:
                    moved = found.latch(side, (address, port))
                    if moved:
                        self._on_source(found, side, (address, port), True)
            case Elsewhere(session, side, address, port):
                found = self._sessions.get(session)
                if found is not None:
                    found.elsewhere = {**found.elsewhere, side: (address, port)}
                    self._on_source(found, side, (address, port), False)
            case Silent(session, last_packet_at):
                found = self._sessions.get(session)
                if found is not None:
                    self._on_silent(found, last_packet_at)
            case Figures(session, asked_figures):
                found = self._sessions.get(session)
                if found is not None:
                    found.take_figures(message)
                asked = self._asked.popleft()  # answers come in the order of the questions
                if not asked.done():
                    asked.set_result(asked_figures)
            case Keyed(session, side, keys):
                found = self._sessions.get(session)
                if found is not None:
                    found.keyed = {**found.keyed, side: keys}
            case OneWay(session, side, heard):
                found = self._sessions.get(session)
                if found is not None:
                    found.unheard = found.unheard - {side} if heard else found.unheard | {side}
                    self._on_one_way(found, side, heard)
            case Played():
                _, playing = self._playings.pop(message.playing, (0, None))
                if playing is not None and not playing.done():
                    playing.set_result(message)
            case Recorded():
                recording = self._recordings.pop(message.recording, None)
                if recording is not None and not recording.done():
                    recording.set_result(message)
            case Digit(session):
                found = self._sessions.get(session)
                if found is not None and found.on_digit is not None:
                    found.on_digit(message)
            case Speaker(_, session):
                found = self._sessions.get(session)
                if found is not None and found.on_speaker is not None:
                    found.on_speaker(message)
            case OpenFailed(session, reason):
                opening = self._opening.pop(session)
                if not opening.done():
                    opening.set_exception(MediaError(reason))

    def _opened(self, session: MediaSession) -> None:
        opening = self._opening.pop(session.id)
        if opening.done():
            # Its requester is gone, so it must be closed here.
            self._closing[session.id] = asyncio.get_running_loop().create_future()
            self.send(Close(session.id))
            return
        self._sessions[session.id] = session
        opening.set_result(session)

    def lost(self) -> list[MediaSession]:
        """The engine is gone: fail what is awaited; returns the sessions that were open."""
        error = WorkerLost("the media worker of this call died")
        awaited: list[_Awaited] = [
            *self._opening.values(),
            *self._closing.values(),
            *self._asked,
            *(future for _, future in self._playings.values()),
            *self._recordings.values(),
        ]
        for future in awaited:
            if not future.done():
                future.set_exception(error)
                future.exception()  # its exception is expected
        sessions = list(self._sessions.values())
        self._opening.clear()
        self._closing.clear()
        self._asked.clear()
        self._playings.clear()
        self._recordings.clear()
        self._sessions.clear()
        return sessions
