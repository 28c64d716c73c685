"""The sessions of one worker: messages and packets in, messages and packets out.

An engine touches no socket and no clock. A worker process runs one over real sockets; a simulation
runs one over a virtual network.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from heapq import heappop, heappush
from typing import Protocol

from rtp.control import (
    Agree,
    Close,
    Closed,
    Drain,
    Elsewhere,
    Figures,
    FromWorker,
    Keyed,
    Latched,
    OneWay,
    Open,
    Opened,
    OpenFailed,
    Ping,
    Pong,
    Relearn,
    SetRemote,
    Side,
    Silent,
    Start,
    TellFigures,
    TellStatus,
    TellTick,
    ToSound,
    ToWorker,
)
from rtp.disk import Result
from rtp.dtls import DtlsContext
from rtp.figures import Tier
from rtp.latch import Address
from rtp.one_way import Rounds, changed_sides
from rtp.ports import PortPool, PortsExhausted
from rtp.relay import SIDE_A, SIDE_B, Component, Relay, RelaySide
from rtp.sound import Outgoing, SoundTier
from rtp.sound_side import SoundSession
from rtp.web_peer import WebPeer

GIVEN_UP_SECONDS = 5.0
"""The interval at which a browser that is gone is reported again."""
_COMPONENTS = (Component.RTP, Component.RTCP)
"""By the lowest bit of the port."""
MAX_BIND_TRIES = 64
"""Pairs tried for one side, if other programs sit on ports of the range."""


class Sockets(Protocol):
    """The real ports behind an engine."""

    def bind(self, rtp_port: int) -> None:
        """Open a port pair.

        Raises:
            OSError: EADDRINUSE if another program has one of them.
        """

    def release(self, rtp_port: int) -> None:
        """Close a port pair, or keep it for a later session."""

    def keep_none(self) -> None:
        """Keep no port pairs for later sessions any more."""


class Session:
    """One session: its relay, its ports, and the sound that the switch makes in it."""

    __slots__ = ("id", "is_reached", "ports", "relay", "reported_at", "silent_at", "sound")

    def __init__(self, session: int, relay: Relay, ports: tuple[int, ...]) -> None:
        self.id = session
        self.relay = relay
        self.ports = ports
        """Even RTP ports of side a and, if there is one, b."""
        self.sound = SoundSession(session, relay, ports)
        self.is_reached = False
        """True once a datagram came to one of its ports otherwise than by a lane, which counts."""
        self.reported_at: float | None = None
        """Since when the silence lasts that was reported."""
        self.silent_at: float | None = None
        """When to look whether it is silent."""

    def side_of(self, port: int) -> int:
        """The side that has a port, RTP or RTCP."""
        return SIDE_A if port & ~1 == self.ports[0] else SIDE_B

    @property
    def tier(self) -> Tier:
        """The tier that passes the session's packets on now."""
        if any(side.inbound is not None or side.spoken_to for side in self.relay.sides):
            return "sound"
        if any(side.in_kernel for side in self.relay.sides):
            return "kernel"
        return "relay"


class Engine:
    """Sessions by id and by port.

    Args:
        start: the settings.
        pool: the ports.
        sockets: opens and closes them.
        sound: what the switch itself says and hears.
    """

    def __init__(self, start: Start, pool: PortPool, sockets: Sockets, sound: SoundTier) -> None:
        self._start = start
        self._silence_seconds = start.silence_seconds
        self._pool = pool
        self._sockets = sockets
        self._sound = sound
        self._sessions: dict[int, Session] = {}
        self._by_port: dict[int, Session] = {}
        """By the even RTP ports, which stand for the odd RTCP ports above them, too."""
        self._messages: list[FromWorker] = []
        self._silences: list[tuple[float, int]] = []
        """A heap of when which session would have been silent for too long, so that many calls are
        never looked through at once."""
        self._changed: dict[int, Session] = {}
        self._secure: set[int] = set()
        """Sessions that have had SRTP."""
        self._dtls = None if start.certificate is None else DtlsContext(start.certificate)
        self._web_due: list[tuple[float, int, int]] = []
        """A heap of when to look at the browser on which side of which session."""
        self._datagrams: list[Outgoing] = []
        self._by_ufrag: dict[str, int] = {}
        """The RTP port of the side for which a browser is expected by an ICE name of ours."""
        self._rounds = Rounds()

    def __len__(self) -> int:
        return len(self._sessions)

    def session(self, session: int) -> Session | None:
        """The session of an id; None if it is closed."""
        return self._sessions.get(session)

    # Messages of the switch

    def handle(self, message: ToWorker, now: float) -> None:
        """Do what a message asks for; what concerns a session that isn't there is passed over."""
        match message:
            case SetRemote():
                self._set_remote(message, now)
            case Agree():
                self._agree(message)
            case Relearn():
                self._relearn(message, now)
            case Open():
                self._open(message, now)
            case Close(session):
                self._close(session, now)
            case Ping():
                self._messages.append(Pong())
            case Drain(silence_seconds):
                self._sockets.keep_none()
                self._silence_seconds = min(self._silence_seconds, silence_seconds)
                for each in self._sessions.values():
                    self._watch_from(each, now)
            case TellFigures(session):
                found = self._sessions.get(session)
                if found is None:
                    self._messages.append(Figures(session, None))
                    return
                figures = found.relay.figures(self._start.epoch_offset_ms)
                a, b = found.relay.sides
                seen, sent = (a.seen, b.seen), (a.sent, b.sent)
                self._messages.append(Figures(session, figures, found.tier, seen, sent))
            case TellTick(seconds):
                self._messages.append(self._sound.figures(seconds))
            case Start() | TellStatus():
                raise TypeError(f"{message!r} is for the process")
            case _:
                self._sound_message(message, now)

    def _sound_message(self, message: ToSound, now: float) -> None:
        session = self._sessions.get(message.session)
        if session is not None:
            self._sound.handle(message, session.sound, now)
            self._watch_from(session, now)

    def _open(self, message: Open, now: float) -> None:
        taken: list[int] = []
        try:
            for _ in range(1 if message.side_b is None else 2):
                taken.append(self._bind(now))
        except (PortsExhausted, OSError) as error:
            for port in taken:
                self._release(port, now)
            self._messages.append(OpenFailed(message.session, _reason(error)))
            return
        relay = Relay(
            message.side_a.signalling_address,
            None if message.side_b is None else message.side_b.signalling_address,
            self._start.latch_seconds,
        )
        session = Session(message.session, relay, tuple(taken))
        self._sessions[session.id] = session
        for port in taken:
            self._by_port[port] = session
        self._rounds.opened(now)
        ports = (taken[0], 0 if message.side_b is None else taken[1])
        self._messages.append(Opened(session.id, *ports, self._start.ice_tcp_port or 0))

    def _bind(self, now: float) -> int:
        """A free port pair that no other process has."""
        for _ in range(MAX_BIND_TRIES):
            port = self._pool.take(now)
            try:
                self._sockets.bind(port)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    self._pool.occupied(port, now)
                    continue
                self._pool.give_back(port, now)
                raise
            return port
        raise PortsExhausted(
            f"{MAX_BIND_TRIES} port pairs in a row, the last at {port}, are used by other programs"
        )

    def _release(self, port: int, now: float) -> None:
        self._sockets.release(port)
        self._pool.give_back(port, now)

    def _set_remote(self, message: SetRemote, now: float) -> None:
        session = self._with_side(message.session, message.side)
        if session is None:
            return
        self._set_web(session, _index(message.side), message)
        session.relay.set_remote(message, now)
        if message.keys is not None or message.web is not None:
            self._secure.add(session.id)
        self._sound.negotiated(session.sound)
        session.reported_at = None
        self._watch_from(session, now)
        self._changed[session.id] = session

    def _set_web(self, session: Session, index: int, message: SetRemote) -> None:
        """Have a browser on a side, or no more."""
        side = session.relay.sides[index]
        self._expect_none(side)
        if message.web is None or self._dtls is None:
            side.web = None
            return
        self._by_ufrag[message.web.ufrag] = session.ports[index]
        if side.web is None:
            side.web = WebPeer(message.web, self._dtls, has_keys=message.keys is not None)
            side.secure_by(None)
            side.latch.forget()
            side.is_given_up = False
        elif side.web.renew(message.web, has_keys=message.keys is not None):
            side.secure_by(None)
            side.is_given_up = False

    def _expect_none(self, side: RelaySide) -> None:
        if side.web is not None:
            self._by_ufrag.pop(side.web.ufrag, None)

    def port_of(self, ufrag: str) -> int | None:
        """The RTP port of the side for which a browser is expected by an ICE name of ours."""
        return self._by_ufrag.get(ufrag)

    def _agree(self, message: Agree) -> None:
        session = self._with_side(message.session, message.side)
        if session is None:
            return
        session.relay.sides[_index(message.side)].agree(message.formats)
        self._sound.negotiated(session.sound)
        self._changed[session.id] = session  # the kernel counts by the clock of the timestamps

    def _relearn(self, message: Relearn, now: float) -> None:
        session = self._with_side(message.session, message.side)
        if session is not None:
            side = session.relay.sides[_index(message.side)]
            side.relearn(message.signalling_address, now)
            self._changed[session.id] = session

    def _with_side(self, session_id: int, side: Side) -> Session | None:
        """A session; None if it isn't there, or has no ports for such a side."""
        session = self._sessions.get(session_id)
        return None if session is None or _index(side) >= len(session.ports) else session

    def _watch_from(self, session: Session, now: float) -> None:
        """See to it that a session's silence is noticed, and a browser that never comes."""
        negotiated_at = session.relay.negotiated_at
        if negotiated_at is None:
            return
        due = now + self._limit(session)
        if session.silent_at is None or due < session.silent_at:
            session.silent_at = due
            heappush(self._silences, (due, session.id))
        for index, side in enumerate(session.relay.sides):
            if side.web is not None:
                side.web.ice.awaited_at = negotiated_at
                self._watch_web(session, index, side.web)

    def _close(self, session_id: int, now: float) -> None:
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        self._sound.close(session.sound)
        self._secure.discard(session_id)
        for side in session.relay.sides:
            self._expect_none(side)
        for port in session.ports:
            del self._by_port[port]
            self._sockets.release(port)
        figures = session.relay.figures(self._start.epoch_offset_ms)
        rests = session.is_reached or figures.a.packets + figures.b.packets > 0
        for port in session.ports:
            self._pool.give_back(port, now, rests=rests)
        self._messages.append(Closed(session_id, figures))

    # Incoming packets

    def receive(self, port: int, data: bytes, source: Address, now: float) -> Outgoing | None:
        """Take a datagram that came to a local port.

        Returns:
            The port that it leaves from, its octets and its target; None if it goes nowhere.
        """
        session = self._by_port.get(port & ~1)
        if session is None:
            return None
        index, own_component = session.side_of(port), _COMPONENTS[port & 1]
        session.is_reached = True
        mine = session.relay.sides[index]
        if mine.web is not None and not mine.web.is_media(data, source):
            if own_component is not Component.RTP or not mine.web.receive(data, source, now):
                mine.strays += 1
            self._see_to_web(session, index, mine.web, now)
            return None
        if mine.takes_fax(own_component, data, source):
            return self._pass_fax(session, index, data, source, now)
        clear = mine.opened(data)
        if clear is None:
            return None
        latch = mine.latch
        before, noted = latch.source, latch.elsewhere
        forward = session.relay.receive(index, own_component, clear, source, now)
        if latch.source is not before and latch.source is not None:
            self._latched(session, index, latch.source)
        if latch.elsewhere is not noted and latch.elsewhere is not None:
            self._messages.append(Elsewhere(session.id, _letter(index), *latch.elsewhere))
        if forward is None:
            return None
        side, component, target = forward
        if component is Component.RTP:
            clear = mine.renumbered(clear)
        sealed = session.relay.sides[side].sealed(clear)
        return None if sealed is None else (session.ports[side] + component, sealed, target)

    def _latched(self, session: Session, index: int, source: Address) -> None:
        """A side's packets come from there, and go there, from now on."""
        self._messages.append(Latched(session.id, _letter(index), *source))
        self._changed[session.id] = session
        self._sound.moved(session.sound)

    def _pass_fax(
        self, session: Session, index: int, data: bytes, source: Address, now: float
    ) -> Outgoing | None:
        """Pass a T.38 datagram on, out of the port that the other side knows for fax."""
        target = session.relay.receive_fax(index, data, source, now)
        if target is None:
            return None
        return session.ports[1 - index] + Component.RTCP, data, target

    def _see_to_web(self, session: Session, index: int, web: WebPeer, now: float) -> None:
        """Do what ICE and DTLS of a browser have come to."""
        side = session.relay.sides[index]
        port = session.ports[index]
        self._datagrams += [(port, data, target) for data, target in web.to_send()]
        selected = web.ice.selected
        if selected is not None and selected != side.latch.source:
            side.latch.fix(selected, now)
            self._latched(session, index, selected)
        if web.keys is not None and not side.has_keys(web.keys):
            side.secure_by(web.keys)
            self._changed[session.id] = session
            self._messages.append(Keyed(session.id, _letter(index), web.keys))
        if web.is_refused:
            if not side.is_given_up:
                self._give_up(session, index, None, now)
            return
        side.is_given_up = False
        if side.secure is not None:
            web.reports.begin(now)
        side.catch_up()
        report = web.reports.report(side.stream, side.reports, now)
        sealed = None if report is None else side.sealed(report)
        if sealed is not None and selected is not None:
            self._datagrams.append((port, sealed, selected))
        self._watch_web(session, index, web)

    def _watch_web(self, session: Session, index: int, web: WebPeer) -> None:
        """See to it that a browser's next deadline is kept."""
        side = session.relay.sides[index]
        due = web.next_deadline()
        if due is not None and (side.web_due_at is None or due < side.web_due_at):
            side.web_due_at = due
            heappush(self._web_due, (due, session.id, index))

    def _expire_web(self, now: float) -> None:
        """Repeat what browsers have not answered, and report those that are gone."""
        while self._web_due and self._web_due[0][0] <= now:
            due, session_id, index = heappop(self._web_due)
            session = self._sessions.get(session_id)
            side = None if session is None else session.relay.sides[index]
            if session is None or side is None or side.web is None or side.web_due_at != due:
                continue  # closed, or due at another time now
            side.web_due_at = None
            side.web.expire(now)
            if side.web.is_refused:
                self._give_up(session, index, None, now)
            elif side.web.is_gone(now):
                heard_at = max(side.web.ice.heard_at or 0.0, side.stream.last_at or 0.0) or None
                self._give_up(session, index, heard_at, now)
            else:
                self._see_to_web(session, index, side.web, now)

    def _give_up(self, session: Session, index: int, heard_at: float | None, now: float) -> None:
        """Report a browser that is gone, or isn't the right one; again after some seconds, for a
        call that rings does nothing about it yet."""
        side = session.relay.sides[index]
        side.is_given_up = True
        epoch = None if heard_at is None else self._epoch_ms(heard_at)
        self._messages.append(Silent(session.id, epoch))
        side.web_due_at = now + GIVEN_UP_SECONDS
        heappush(self._web_due, (side.web_due_at, session.id, index))

    def take_datagrams(self) -> list[Outgoing]:
        """Datagrams of ICE and DTLS to send; each is returned once."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    # Time

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which :meth:`expire` is due; None without sessions to watch."""
        silent_at = self._silences[0][0] if self._silences else None
        if not self._web_due:
            return silent_at
        web_at = self._web_due[0][0]
        return web_at if silent_at is None else min(silent_at, web_at)

    @property
    def watch_due_at(self) -> float | None:
        """Monotonic seconds at which :meth:`watch` is due; None while there are no sessions."""
        return self._rounds.due_at

    def watch(self, now: float) -> None:
        """Look for one-way sound in some of the sessions."""
        for session_id in self._rounds.turn(self._sessions, now):
            session = self._sessions.get(session_id)
            if session is None:
                continue
            session.relay.catch_up()
            for side in changed_sides(session.relay, now):
                heard = not session.relay.sides[side].one_way
                if not heard:
                    session.relay.sides[side].latch.listen(now)
                    self._changed[session.id] = session
                self._messages.append(OneWay(session_id, _letter(side), heard))

    @property
    def tick_due_at(self) -> float | None:
        """Monotonic seconds at which :meth:`tick` is due; None while the relay alone does
        everything."""
        return self._sound.due_at

    def tick(self, now: float) -> list[Outgoing]:
        """Do the sound tier's ticks that are due, and return the packets to send."""
        outgoing = self._sound.tick(now)
        return self._sealed(outgoing) if self._secure else outgoing

    def _sealed(self, outgoing: list[Outgoing]) -> list[Outgoing]:
        """The packets as they may be sent: encrypted for peers with SRTP."""
        result = []
        for port, data, target in outgoing:
            session = self._by_port[port & ~1]
            sealed = session.relay.sides[session.side_of(port)].sealed(data)
            if sealed is not None:
                result.append((port, sealed, target))
        return result

    def end(self, now: float) -> None:
        """Close every session, so that recordings are complete."""
        for session in list(self._sessions):
            self._close(session, now)

    def disk_told(self, result: Result, now: float) -> None:
        """A file was read or written."""
        self._sound.disk_told(result, now)

    def expire(self, now: float) -> None:
        """Report sessions that fell silent, and see to browsers."""
        self._expire_web(now)
        while self._silences and self._silences[0][0] <= now:
            due, session_id = heappop(self._silences)
            session = self._sessions.get(session_id)
            if session is None or session.silent_at != due:
                continue  # closed, or due at another time now
            session.silent_at = self._watch(session, now)
            if session.silent_at is not None:
                heappush(self._silences, (session.silent_at, session_id))

    def _watch(self, session: Session, now: float) -> float | None:
        """When to look at a session again; None for one that isn't negotiated yet."""
        relay = session.relay
        relay.catch_up()
        negotiated_at, last_packet_at = relay.negotiated_at, relay.last_packet_at
        if negotiated_at is None:
            return None
        since = negotiated_at if last_packet_at is None else max(last_packet_at, negotiated_at)
        limit = self._limit(session)
        if since == session.reported_at:
            return now + limit
        if since + limit > now:
            return since + limit
        session.reported_at = since
        epoch = None if last_packet_at is None else self._epoch_ms(last_packet_at)
        self._messages.append(Silent(session.id, epoch))
        return now + limit

    def _limit(self, session: Session) -> float:
        if session.relay.on_hold:
            return self._start.hold_silence_seconds
        return self._silence_seconds

    def _epoch_ms(self, monotonic: float) -> int:
        return self._start.epoch_offset_ms + round(monotonic * 1000)

    # Outgoing packets

    def take_messages(self) -> list[FromWorker]:
        """Messages for the switch; each is returned once."""
        messages, self._messages = self._messages, []
        messages += self._sound.take_messages()
        return messages

    def take_changed(self) -> Collection[Session]:
        """Sessions whose addresses or directions changed since the last call, some of them
        closed by now; the worker connects their sockets anew."""
        changed, self._changed = self._changed, {}
        for session in self._sound.take_changed():
            if session in self._sessions:
                changed[session] = self._sessions[session]
        return changed.values()


def _letter(side: int) -> Side:
    return "a" if side == SIDE_A else "b"


def _index(side: Side) -> int:
    return SIDE_A if side == "a" else SIDE_B


def _reason(error: Exception) -> str:
    """One line for a person who has to mend it."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            f"media worker is out of file descriptors ({error.strerror}): each call takes four;"
            " raise the limit (ulimit -n, LimitNOFILE)"
        )
    return str(error)
