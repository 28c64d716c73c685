"""Relay sessions as the switch sees them, whatever runs the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rtp.control import (
    Close,
    Closed,
    Direction,
    FromWorker,
    Latched,
    Open,
    Opened,
    OpenFailed,
    SessionFigures,
    SetRemote,
    Side,
    SideSpec,
    Silent,
    ToWorker,
)


class MediaError(Exception):
    """No ports, or no worker; one line that names the cause."""


class WorkerLost(MediaError, ConnectionError):
    """The worker of a session died."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """What every worker works by; seconds.

    Args:
        latch_seconds: how long after an offer or answer a side may be learned from its packets.
        silence_seconds: a session without RTP from either side for so long is reported.
        hold_silence_seconds: the same while a side is on hold.
        quarantine_seconds: how long a used port rests.
    """

    latch_seconds: float = 3.0
    silence_seconds: float = 60.0
    hold_silence_seconds: float = 300.0
    quarantine_seconds: float = 5.0


class MediaSession:
    """A relay session: a port pair for each side of a call.

    Args:
        a_port, b_port: the RTP ports; RTCP is one above.
    """

    __slots__ = ("_book", "_closing", "a_port", "b_port", "id", "latched", "owner")

    def __init__(self, session: int, book: SessionBook, a_port: int, b_port: int) -> None:
        self.id = session
        self.a_port = a_port
        self.b_port = b_port
        self.owner: Any = None
        """Whoever uses the session; not touched here."""
        self.latched: dict[Side, tuple[str, int]] = {}
        """Where each side's packets come from, as far as known."""
        self._book = book
        self._closing: asyncio.Future[SessionFigures] | None = None

    def set_remote(
        self,
        side: Side,
        address: str | None,
        rtp_port: int,
        rtcp_port: int,
        direction: Direction,
        telephone_event_payload_type: int | None = None,
        *,
        signalling_address: str | None = None,
        clock_rate: int = 8000,
    ) -> None:
        """Tell the relay what a side said in its offer or answer; see :class:`SetRemote`."""
        if self._closing is not None:
            return
        self._book.send(
            SetRemote(
                self.id,
                side,
                address,
                rtp_port,
                rtcp_port,
                direction,
                telephone_event_payload_type,
                signalling_address,
                clock_rate,
            )
        )

    def close(self) -> asyncio.Future[SessionFigures]:
        """Close the ports; the result are the last figures. Repeated: the same future.

        The future fails with WorkerLost if the worker died.
        """
        if self._closing is None:
            self._closing = self._book.close(self)
        return self._closing


SilentCallback = Callable[[MediaSession, int | None], None]
"""The session, and when its last packet came: epoch milliseconds, None for never."""
LostCallback = Callable[[MediaSession], None]


class SessionBook:
    """The sessions of one engine, and what is still awaited from it.

    Args:
        send: carries a message to the engine.
        on_silent: called when a session hears nothing from either side any more.
    """

    __slots__ = ("_closing", "_on_silent", "_opening", "_sessions", "send")

    def __init__(self, send: Callable[[ToWorker], None], on_silent: SilentCallback) -> None:
        self.send = send
        self._on_silent = on_silent
        self._opening: dict[int, asyncio.Future[MediaSession]] = {}
        self._sessions: dict[int, MediaSession] = {}
        self._closing: dict[int, asyncio.Future[SessionFigures]] = {}

    def __len__(self) -> int:
        return len(self._opening) + len(self._sessions)

    def open(
        self, session: int, a_signalling: str | None, b_signalling: str | None
    ) -> asyncio.Future[MediaSession]:
        future: asyncio.Future[MediaSession] = asyncio.get_running_loop().create_future()
        self._opening[session] = future
        self.send(Open(session, SideSpec(a_signalling), SideSpec(b_signalling)))
        return future

    def close(self, session: MediaSession) -> asyncio.Future[SessionFigures]:
        future: asyncio.Future[SessionFigures] = asyncio.get_running_loop().create_future()
        if self._sessions.pop(session.id, None) is None:
            future.set_exception(WorkerLost("the media worker of this call died"))
            return future
        self._closing[session.id] = future
        self.send(Close(session.id))
        return future

    def take(self, message: FromWorker) -> None:
        """Deal with what the engine says of a session."""
        match message:
            case Opened(session, a_port, b_port):
                self._opened(MediaSession(session, self, a_port, b_port))
            case Closed(session, figures):
                closing = self._closing.pop(session)
                if not closing.done():
                    closing.set_result(figures)
            case Latched(session, side, address, port):
                found = self._sessions.get(session)
                if found is not None:
                    found.latched[side] = (address, port)
            case Silent(session, last_packet_at):
                found = self._sessions.get(session)
                if found is not None:
                    self._on_silent(found, last_packet_at)
            case OpenFailed(session, reason):
                opening = self._opening.pop(session)
                if not opening.done():
                    opening.set_exception(MediaError(reason))

    def _opened(self, session: MediaSession) -> None:
        opening = self._opening.pop(session.id)
        if opening.done():
            # Whoever wanted it has gone; nobody else will close it.
            self._closing[session.id] = asyncio.get_running_loop().create_future()
            self.send(Close(session.id))
            return
        self._sessions[session.id] = session
        opening.set_result(session)

    def lost(self) -> list[MediaSession]:
        """The engine is gone: fail what is awaited; returns the sessions that were open."""
        error = WorkerLost("the media worker of this call died")
        awaited: list[asyncio.Future[Any]] = [*self._opening.values(), *self._closing.values()]
        for future in awaited:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody has to look at it
        sessions = list(self._sessions.values())
        self._opening.clear()
        self._closing.clear()
        self._sessions.clear()
        return sessions
