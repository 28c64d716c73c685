"""The loop of a media worker, which opens ports, latches, forwards and counts.

A call's first packets take the careful way: source, then engine, then out. As soon as both sides
are latched their sockets are connected, so that the kernel keeps strangers out, and packets take
the fast lane: read, forward, count.
"""

from __future__ import annotations

import os
import random
import select
import socket
import struct
import time
from heapq import heappop, heappush

from rtp.control import MAX_BATCH, Start, Started, TellStatus, decode_to_worker
from rtp.control_channel import ControlChannel
from rtp.disk import DiskThread
from rtp.engine import Engine, Session
from rtp.fast_path import FastPath
from rtp.figures import Status
from rtp.frame_table import FrameTable
from rtp.ice_tcp import IceTcp
from rtp.lanes import Lane, ListeningLane, RenumberedLane, SecureLane, SingleLanes
from rtp.packet import HEADER, is_rtp
from rtp.ports import PortPool
from rtp.ring_lanes import RingLanes, ring_lanes
from rtp.sockets import MediaSocket, UdpSockets, can_send_to
from rtp.sound import Outgoing, SoundTier
from rtp.stun import TCP_MARK

MAX_DATAGRAM = 2048
"""RTP keeps under the MTU; what is longer is cut."""
MAX_EVENTS = 512
MORE_POLLS = 7
"""Further polls of a turn with a tick, while they are full: it must read what comes in 20 ms."""
LATE_SECONDS = 0.005
"""A tick that is so late reads first what came to the ring meanwhile."""
MAX_DRAIN = 4096
"""Packets read from one socket in a row before it is connected all the same."""
TICK_SECONDS = 0.001
"""Under load packets are fetched once in so long: waking for each would cost more than to forward
it."""
SENT_TOGETHER = 32
"""From so many packets of a tick on they are sent together."""
BATCH_TICK_SECONDS = 0.002
"""The interval of a batch: the more packets are forwarded together, the better."""
TICK_FROM_PACKETS = 4
"""Load means so many packets in a tick ..."""
TICK_FROM_CONTROL_SECONDS = 0.002
"""... or news from the switch twice in so long."""
MOVE_SECONDS = 0.005
"""The time that a turn spends on moving lanes into the batch. While a lane isn't there, each of
its packets costs twice as much: moved four in a turn, 1,000 browsers' calls needed five seconds."""
POLL_SECONDS = 0.001
"""The interval at which descriptors are polled that epoll can't watch precisely."""
REVIEW_SECONDS = 0.25
"""Between two looks at a latch whose source may have fallen silent."""
DISK_SECONDS = 2.0
"""The time for recordings to be written when the worker ends."""


class Worker:
    """The loop, round an engine.

    Args:
        control: the channel to the switch, which has sent its Start.
    """

    def __init__(
        self, start: Start, pool: PortPool, epoll: select.epoll, control: ControlChannel
    ) -> None:
        self._start = start
        self._pool = pool
        self._epoll = epoll
        self._control = control
        self._fast_path = FastPath(start)
        if self._fast_path.changes_fd is not None:
            epoll.register(self._fast_path.changes_fd, select.EPOLLIN)
        self._sockets = UdpSockets(start.address, epoll, self._closes, time.monotonic)
        self._ring: RingLanes | None = None
        table = FrameTable()
        if start.batch_from is not None:
            self._ring = ring_lanes(MAX_DATAGRAM, self._sockets.address_octets, table)
        self._batches_secure = self._ring is not None and can_send_to(self._ring)
        if self._ring is not None:
            epoll.register(self._ring.fd, select.EPOLLIN | select.EPOLLET)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        epoll.register(self._wake_fd, select.EPOLLIN)
        self._disk = DiskThread(self._wake)
        draw = random.SystemRandom().getrandbits
        sound = SoundTier(self._disk, draw, start.epoch_offset_ms, table)
        self._engine = Engine(start, pool, self._sockets, sound)
        self._ice_tcp: IceTcp | None = None
        if start.ice_tcp_port is not None and start.certificate is not None:
            self._ice_tcp = IceTcp(
                start.address, start.ice_tcp_port, epoll, self._engine.port_of, self._pass_on
            )
        self._lanes = SingleLanes()
        self._laned: set[int] = set()
        """Descriptors that may have a lane of any kind."""
        self._unsettled: list[tuple[float, int]] = []
        """A heap of when to look which session's latches have settled."""
        self._controlled_at = 0.0
        self._ticks, self._tick_seconds = False, TICK_SECONDS
        self._running = True
        self._due_at: float | None = None
        """When something is due by the clock alone; None for never."""

    def run(self) -> None:
        """Work until the switch closes the control socket.

        Raises:
            OSError: the address can't be bound.
        """
        self._sockets.check()
        self._sockets.hold_shared(self._start.first_port, self._start.last_port)
        method, problem = self._fast_path.method, self._fast_path.problem
        shared, held = self._sockets.shared_pairs, self._sockets.held_pairs
        self._control.send([Started(method, problem, shared, held)])
        while self._running:
            self._turn()
        self._engine.end(time.monotonic())
        if self._ice_tcp is not None:
            self._ice_tcp.close()
        self._fast_path.close()
        if self._ring is not None:
            self._ring.close()
        self._disk.stop(DISK_SECONDS)

    # The loop

    def _turn(self) -> None:
        """Wait, forward what came, then see to everything else."""
        self._due_at = due_at = self._next_deadline()
        timeout = -1.0 if due_at is None else max(0.0, due_at - time.monotonic())
        events = self._epoll.poll(timeout, MAX_EVENTS)
        now = time.monotonic()
        self._ticks = len(events) >= TICK_FROM_PACKETS
        self._tick_seconds = TICK_SECONDS
        if self._engine.tick_due_at is None:
            self._forward(events, now)
        else:
            self._tick(now, 0.0)
            self._forward(events, now)
            for _ in range(MORE_POLLS):
                if len(events) < MAX_EVENTS:
                    break
                events = self._epoll.poll(0, MAX_EVENTS)
                self._forward(events, now)
            self._tick(time.monotonic(), POLL_SECONDS)
        self._housekeep(now)
        if self._ticks:
            ends_at = now + self._tick_seconds
            if self._engine.tick_due_at is not None:
                ends_at = min(ends_at, self._engine.tick_due_at)
            time.sleep(max(0.0, ends_at - time.monotonic()))

    def _next_deadline(self) -> float | None:
        tick_at = self._engine.tick_due_at
        deadline = self._engine.next_deadline()
        for due_at in (
            self._engine.watch_due_at,
            self._fast_path.check_due_at,
            self._unsettled[0][0] if self._unsettled else None,
            # epoll waits for whole milliseconds, rounded up; the rest is slept off before the tick.
            None if tick_at is None else tick_at - POLL_SECONDS,
            None if self._ice_tcp is None else self._ice_tcp.due_at,
        ):
            if due_at is not None and (deadline is None or due_at < deadline):
                deadline = due_at
        return deadline

    def _tick(self, now: float, soon: float) -> None:
        """Do what is due, or will be in `soon` seconds, at its time."""
        due_at = self._engine.tick_due_at
        if due_at is None or due_at > now + soon:
            return
        if due_at > now:
            time.sleep(due_at - now)
            now = time.monotonic()
        elif now - due_at > LATE_SECONDS and self._ring is not None:
            # Else that would be taken for lost, and to conceal it makes the next tick late, too.
            self._ring.pass_all_on(now)
        by_port, write = self._sockets.by_port, os.write
        outgoing = self._engine.tick(now)
        if self._ring is not None and len(outgoing) >= SENT_TOGETHER:
            outgoing = self._send_together(self._ring, outgoing)
        for port, data, target in outgoing:
            out = by_port[port]
            try:
                if out.peer == target:
                    write(out.fd, data)
                elif self._ice_tcp is not None and target[0].startswith(TCP_MARK):
                    self._ice_tcp.send(data, target)
                else:
                    out.socket.sendto(data, target)
            except OSError:
                continue  # no route, or a full buffer, or an ICMP error: lost, as on any network

    def _send_together(self, ring: RingLanes, outgoing: list[Outgoing]) -> list[Outgoing]:
        """Send the packets of a tick that leave by connected sockets; the others."""
        by_port = self._sockets.by_port
        fds, packets, others = list[int](), list[bytes](), list[Outgoing]()
        for packet in outgoing:
            port, data, target = packet
            out = by_port[port]
            if out.peer == target:
                fds.append(out.fd)
                packets.append(data)
            else:
                others.append(packet)
        ring.send_together(fds, packets)
        return others

    def _forward(self, events: list[tuple[int, int]], now: float) -> None:
        lanes = self._lanes.plain
        read, write, unpack = os.read, os.write, HEADER.unpack_from
        for fd, mask in events:
            lane = lanes.get(fd)
            if lane is None:
                self._other_event(fd, mask, now)
                continue
            try:
                data = read(fd, MAX_DATAGRAM)
                first, second, sequence, timestamp, ssrc = unpack(data)
                if first >> 6 != 2 or 192 <= second <= 223:
                    self._careful(self._sockets.by_fd[fd], data, now)
                    continue
                write(lane.out_fd, data)
            except OSError:
                # An ICMP error or a full send buffer: gone, as on any network. A refused peer
                # comes back, or falls silent.
                continue
            except struct.error:
                self._careful(self._sockets.by_fd[fd], data, now)  # a short report
                continue
            lane.stream.count(sequence, timestamp, ssrc, len(data), now)

    def _other_event(self, fd: int, mask: int, now: float) -> None:
        if fd == self._control.fd:
            self._control_event(mask, now)
            return
        listening = self._lanes.listening.get(fd)
        if listening is not None:
            self._hear(listening, fd, now)
            return
        renumbered = self._lanes.renumbered.get(fd)
        if renumbered is not None:
            self._renumber(renumbered, fd, now)
            return
        secure = self._lanes.secure.get(fd)
        if secure is not None:
            self._pass_secure(secure, self._sockets.by_fd[fd], now)
            return
        media_socket = self._sockets.by_fd.get(fd)
        if media_socket is not None:
            self._receive(media_socket, now)
        elif fd == self._wake_fd:
            self._disk_event(now)
        elif fd == self._fast_path.changes_fd:
            self._fast_path.network_changed()
        elif self._ring is not None and fd == self._ring.fd:
            self._batch_event(self._ring, now)
        elif self._ice_tcp is not None and self._ice_tcp.has(fd):
            self._ice_tcp.ready(fd, now)

    def _batch_event(self, ring: RingLanes, now: float) -> None:
        if ring.pass_on(now) >= TICK_FROM_PACKETS:
            self._ticks, self._tick_seconds = True, BATCH_TICK_SECONDS

    def _hear(self, lane: ListeningLane, fd: int, now: float) -> None:
        """Receive as :meth:`_forward` does, where nothing is forwarded."""
        try:
            data = os.read(fd, MAX_DATAGRAM)
        except OSError:
            return
        size = len(data)
        if size < HEADER.size or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
            self._careful(self._sockets.by_fd[fd], data, now)
            return
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        lane.stream.count(sequence, timestamp, ssrc, size, now)
        lane.inbound.take(data, first, second, timestamp, ssrc)

    def _renumber(self, lane: RenumberedLane, fd: int, now: float) -> None:
        """Forward one packet as :meth:`_forward` does, by the payload type that its receiver knows.
        Apart from that way, so that every other packet is spared the look-up."""
        try:
            data = os.read(fd, MAX_DATAGRAM)
            if not is_rtp(data):
                self._careful(self._sockets.by_fd[fd], data, now)
                return
            os.write(lane.out_fd, lane.side.renumbered(data))
        except OSError:
            return
        _, _, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        lane.side.stream.count(sequence, timestamp, ssrc, len(data), now)

    def _pass_secure(self, lane: SecureLane, media_socket: MediaSocket, now: float) -> None:
        """Forward one packet through SRTP; what isn't the peer's RTP goes the careful way."""
        try:
            data, source = media_socket.socket.recvfrom(MAX_DATAGRAM)
        except OSError:
            return
        source = source[:2]
        if (lane.source is not None and source != lane.source) or not is_rtp(data):
            self._pass_on(media_socket.port, data, source, now)
            return
        passed = lane.passed(data, now)
        if passed is None:
            return
        try:
            if lane.target is None:
                os.write(lane.out_fd, passed)
            else:
                self._sockets.by_fd[lane.out_fd].socket.sendto(passed, lane.target)
        except OSError:
            return

    def _wake(self) -> None:
        """Called by the disk's thread when it has results."""
        os.eventfd_write(self._wake_fd, 1)

    def _disk_event(self, now: float) -> None:
        os.eventfd_read(self._wake_fd)
        for result in self._disk.results():
            self._engine.disk_told(result, now)

    def _receive(self, media_socket: MediaSocket, now: float) -> bool:
        """Take one packet with its source; whether there was one."""
        try:
            data, source = media_socket.socket.recvfrom(MAX_DATAGRAM)
        except BlockingIOError:
            return False
        except OSError:
            return True  # an ICMP error for something that was sent before
        self._pass_on(media_socket.port, data, source[:2], now)
        return True

    def _careful(self, media_socket: MediaSocket, data: bytes, now: float) -> None:
        """Handle a packet at a connected socket that isn't plain RTP, like multiplexed RTCP."""
        if media_socket.peer is not None:
            self._pass_on(media_socket.port, data, media_socket.peer, now)

    def _pass_on(self, port: int, data: bytes, source: tuple[str, int], now: float) -> None:
        forward = self._engine.receive(port, data, source, now)
        if forward is not None:
            self._send(*forward)

    def _send(self, port: int, data: bytes, target: tuple[str, int]) -> None:
        if self._ice_tcp is not None and target[0].startswith(TCP_MARK):
            self._ice_tcp.send(data, target)
            return
        out = self._sockets.by_port[port].socket
        try:
            out.sendto(data, target)
        except ConnectionRefusedError:
            self._send_again(out, data, target)
        except OSError:
            return  # no route, or a full buffer: lost, as on any network

    def _send_again(self, out: socket.socket, data: bytes, target: tuple[str, int]) -> None:
        """Send a packet again: the error was an earlier packet's."""
        try:
            out.sendto(data, target)
        except OSError:
            return

    # Control

    def _control_event(self, mask: int, now: float) -> None:
        """Handle control messages, a limited number a turn so that media never waits long."""
        if mask & select.EPOLLOUT:
            self._control.flush()
        self._ticks = self._ticks or now - self._controlled_at < TICK_FROM_CONTROL_SECONDS
        self._controlled_at = now
        handled = 0
        while handled < MAX_BATCH:
            record = self._control.receive()
            if record is None:
                return
            if not record:
                self._running = False
                return
            for message in decode_to_worker(record):
                if isinstance(message, TellStatus):
                    self._control.send([self._status()])
                else:
                    self._engine.handle(message, now)
                handled += 1
        self._ticks = False

    def _status(self) -> Status:
        fast_path = self._fast_path
        return Status(
            sessions=len(self._engine),
            kernel_lanes=len(fast_path),
            relay_lanes=self._relayed,
            ports_in_use=self._pool.in_use,
            ports_resting=self._pool.resting,
            ports_free=self._pool.free,
            ports_shared=self._sockets.shared_pairs,
            ports_held=self._sockets.held_pairs,
            files=len(os.listdir("/proc/self/fd")),
            fast_path=fast_path.method,
            interfaces=tuple(fast_path.interfaces),
            refused=fast_path.refused,
            relays_by="epoll" if self._ring is None else "io_uring",
            niceness=os.getpriority(os.PRIO_PROCESS, 0),
        )

    def _housekeep(self, now: float) -> None:
        """Deadlines, sockets to connect anew, and news for the switch."""
        if self._ring is not None:
            self._see_to_ring(self._ring, now)
        if self._due_at is not None and self._due_at <= now:
            self._see_to_deadlines(now)
        for session in self._engine.take_changed():
            if self._engine.session(session.id) is session:
                self._plumb(session, now)
        for port, data, target in self._engine.take_datagrams():
            if port in self._sockets.by_port:
                self._send(port, data, target)
        messages = self._engine.take_messages()
        if messages:
            self._control.send(messages)

    def _see_to_deadlines(self, now: float) -> None:
        if self._ice_tcp is not None:
            self._ice_tcp.sweep(now)
        self._engine.expire(now)
        self._engine.watch(now)
        while self._unsettled and self._unsettled[0][0] <= now:
            session = self._engine.session(heappop(self._unsettled)[1])
            if session is not None:
                self._review(session, now)
        for session_id in self._fast_path.to_renew(now):
            session = self._engine.session(session_id)
            if session is not None:
                self._plumb(session, now)

    def _see_to_ring(self, ring: RingLanes, now: float) -> None:
        """Do what it leaves to us."""
        while ring.failed:
            fd, out_fd, stream = ring.failed.pop()
            self._close_lanes(fd)
            if stream is not None:
                self._lanes.plain[fd] = Lane(out_fd, stream)
                self._laned.add(fd)
        if ring.unusual:
            unusual, ring.unusual = ring.unusual, []
            for fd, data, source in unusual:
                media_socket = self._sockets.by_fd[fd]
                if source is None:
                    self._careful(media_socket, data, now)
                else:
                    self._pass_on(media_socket.port, data, source, now)
        if not self._lanes.any_movable:
            return
        listening = len(self._lanes.listening) + ring.listening
        if self._relayed + listening < (self._start.batch_from or 0):
            return
        ends_at = time.monotonic() + MOVE_SECONDS
        while self._lanes.movable and time.monotonic() < ends_at:
            fd, lane = self._lanes.movable.popitem()
            del self._lanes.plain[fd]
            self._epoll.unregister(fd)
            ring.open(fd, lane.out_fd, lane.stream)
        while self._lanes.listening and time.monotonic() < ends_at:
            fd, heard = self._lanes.listening.popitem()
            self._epoll.unregister(fd)
            ring.open_listening(fd, heard)
        while self._lanes.movable_secure and time.monotonic() < ends_at:
            fd = self._lanes.movable_secure.pop()
            if ring.open_secure(fd, self._lanes.secure[fd]):
                del self._lanes.secure[fd]
                self._epoll.unregister(fd)

    @property
    def _relayed(self) -> int:
        """Directions that the worker itself passes on."""
        batched = 0 if self._ring is None else len(self._ring) - self._ring.listening
        return len(self._lanes) - len(self._fast_path) + batched

    # Sockets

    def _review(self, session: Session, now: float) -> None:
        """See whether time, or the silence of a latched source, changed who may be heard."""
        session.relay.catch_up()
        for port, side in zip(session.ports, session.relay.sides, strict=False):
            heard = side.heard_alone(now)
            if heard != self._sockets.by_port[port].peer:
                self._plumb(session, now)
                return
        self._review_later(session, now)

    def _review_later(self, session: Session, now: float) -> None:
        """Come back to a session while a latch of it may change without a packet that shows it."""
        due: list[float] = []
        for _, side in zip(session.ports, session.relay.sides, strict=False):
            if side.web is not None:
                continue
            if side.latch.review_until(now) is not None:
                due.append(now + REVIEW_SECONDS)
            elif side.latch.source is not None and not side.latch.settled(now):
                due.append(now + self._start.latch_seconds)
        if due:
            heappush(self._unsettled, (min(due), session.id))

    def _plumb(self, session: Session, now: float) -> None:
        """Connect what is latched, and open the fast lanes that can be."""
        relay, by_port = session.relay, self._sockets.by_port
        relay.catch_up()
        sockets = [by_port[port] for port in session.ports]
        for media_socket, side in zip(sockets, relay.sides, strict=False):
            self._connect(media_socket, side.heard_alone(now), now)
        self._review_later(session, now)
        for media_socket in sockets:
            self._close_lanes(media_socket.fd)
        secure = relay.secure
        for index, media_socket in enumerate(sockets):
            if not secure and media_socket.peer is None:
                continue
            self._laned.add(media_socket.fd)
            if secure:
                self._open_secure_lane(session, index, sockets)
            else:
                self._open_lane(session, index, sockets)

    def _open_secure_lane(self, session: Session, index: int, sockets: list[MediaSocket]) -> None:
        """Let packets that SRTP opens or seals take a fast way, if there is one."""
        mine = session.relay.sides[index]
        if len(sockets) == 1 or mine.inbound is not None:
            return
        theirs, came, out = session.relay.sides[1 - index], sockets[index], sockets[1 - index]
        if theirs.spoken_to:
            return
        lane = SecureLane.between(mine, theirs, out.fd, came.peer, out.peer)
        if lane is not None:
            self._lanes.secure[came.fd] = lane
            if self._batches_secure:
                self._lanes.movable_secure.add(came.fd)

    def _open_lane(self, session: Session, index: int, sockets: list[MediaSocket]) -> None:
        """Let packets of a connected side take a fast way, if there is one."""
        mine, theirs = session.relay.sides[index], session.relay.sides[1 - index]
        fd = sockets[index].fd
        alone = len(sockets) == 1 or theirs.spoken_to
        if mine.inbound is not None:
            if alone:
                self._lanes.listening[fd] = ListeningLane(mine.inbound, mine.stream)
            return
        if alone:
            return
        out = sockets[1 - index]
        if out.peer is not None and out.peer == theirs.rtp_destination:
            if mine.renumbering:
                self._lanes.renumbered[fd] = RenumberedLane(out.fd, mine)
            else:
                self._lanes.plain[fd] = Lane(out.fd, mine.stream)
            peer = sockets[index].peer
            assert peer is not None
            way_in, way_out = (sockets[index].address, peer), (out.address, out.peer)
            self._fast_path.take(fd, session.id, mine, way_in, way_out)
            ring_may = self._ring is not None and not self._fast_path.has(fd)
            if ring_may and not mine.renumbering:
                self._lanes.movable[fd] = self._lanes.plain[fd]

    def _close_lanes(self, fd: int) -> None:
        if fd not in self._laned:
            return
        self._laned.remove(fd)
        self._lanes.close(fd)
        self._fast_path.take_back(fd)
        if self._ring is not None and self._ring.close_lane(fd):
            self._epoll.register(fd, select.EPOLLIN)

    def _closes(self, fd: int) -> None:
        """A socket closes: nothing may be received or sent by its number any more."""
        self._close_lanes(fd)
        if self._ring is not None:
            other = self._ring.source_of(fd)
            if other is not None:
                self._close_lanes(other)
            self._ring.forget(fd)

    def _connect(self, media_socket: MediaSocket, peer: tuple[str, int] | None, now: float) -> None:
        """Connect, then read what strangers may have queued before; its sources still tell."""
        if media_socket.peer == peer:
            return
        self._close_lanes(media_socket.fd)
        if self._sockets.connect(media_socket, peer) and peer is not None:
            for _ in range(MAX_DRAIN):
                if not self._receive(media_socket, now):
                    return
