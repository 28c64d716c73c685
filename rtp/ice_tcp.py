"""ICE over TCP (RFC 6544), passive: for browsers whose network lets no UDP through.

All sessions of a worker share one port. The first frame of a connection has to be a check of a
browser that is expected, whose ICE name leads to its side; from then on its frames are that side's
datagrams, and come from an address that begins with "tcp".
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from rtp.latch import Address
from rtp.stream_frames import FrameError, FrameReader, frame
from rtp.stun import TCP_MARK, read_binding

MAX_CONNECTIONS = 2_000
MAX_PER_HOST = 64
"""Connections of one address; an office behind one NAT has as many."""
FIRST_CHECK_SECONDS = 5.0
"""A connection without a check for so long is closed."""
IDLE_SECONDS = 40.0
"""A browser checks its pair every few seconds; a connection silent for so long is closed."""
SWEEP_SECONDS = 1.0
READ_BYTES = 8192
ACCEPTED_AT_ONCE = 32
BACKLOG = 256

Deliver = Callable[[int, bytes, Address, float], None]
"""Takes a datagram: the local port of its side, its octets, its source, and the time."""


class _Connection:
    """One browser's."""

    __slots__ = ("address", "heard_at", "port", "reader", "socket", "unsent")

    def __init__(self, accepted: socket.socket, address: Address, now: float) -> None:
        self.socket = accepted
        self.address = address
        self.heard_at = now
        self.port: int | None = None
        """The local port of its side; None before its first check."""
        self.reader = FrameReader()
        self.unsent = b""
        """The rest of a frame that the system took only a part of."""

    def send(self, datagram: bytes) -> None:
        """Write a datagram, or lose it where the connection is congested, as on any network."""
        data = self.unsent + (b"" if self.unsent else frame(datagram))
        try:
            written = self.socket.send(data)
        except BlockingIOError:
            return
        self.unsent = data[written:]


class IceTcp:
    """The listening socket of a worker and its connections.

    Args:
        port_of: the local port of the side whose ICE name this is; None: nobody is expected.
        deliver: takes each datagram.

    Raises:
        OSError: the port can't be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        epoll: select.epoll,
        port_of: Callable[[str], int | None],
        deliver: Deliver,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(BACKLOG)
        except OSError as error:
            self._listener.close()
            raise OSError(error.errno, f"ICE over TCP, port {port}: {error.strerror}") from None
        self._epoll = epoll
        self._port_of = port_of
        self._deliver = deliver
        self._by_fd: dict[int, _Connection] = {}
        self._by_address: dict[Address, _Connection] = {}
        self._of_host: dict[str, int] = {}
        self._swept_at = 0.0
        epoll.register(self._listener.fileno(), select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._by_fd)

    @property
    def due_at(self) -> float | None:
        """Monotonic seconds at which :meth:`sweep` is due; None without connections."""
        return self._swept_at + SWEEP_SECONDS if self._by_fd else None

    def has(self, fd: int) -> bool:
        """True if a descriptor is one of these sockets'."""
        return fd in self._by_fd or fd == self._listener.fileno()

    def ready(self, fd: int, now: float) -> None:
        """Accept, or read what has come."""
        connection = self._by_fd.get(fd)
        if connection is None:
            self._accept(now)
            return
        try:
            data = connection.socket.recv(READ_BYTES)
            if not data:
                self._close(connection)
                return
            for datagram in connection.reader.feed(data):
                self._take(connection, datagram, now)
        except BlockingIOError:
            return
        except (OSError, FrameError):
            self._close(connection)

    def _accept(self, now: float) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, source = self._listener.accept()
            except OSError:
                return  # nobody more, or no descriptor is left
            host = source[0]
            if len(self) >= MAX_CONNECTIONS or self._of_host.get(host, 0) >= MAX_PER_HOST:
                accepted.close()
                continue
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(accepted, (TCP_MARK + host, source[1]), now)
            self._by_fd[accepted.fileno()] = connection
            self._by_address[connection.address] = connection
            self._of_host[host] = self._of_host.get(host, 0) + 1
            self._epoll.register(accepted.fileno(), select.EPOLLIN)

    def _take(self, connection: _Connection, datagram: bytes, now: float) -> None:
        if connection.port is None:
            binding = read_binding(datagram)
            ours = "" if binding is None else binding.username.partition(":")[0]
            connection.port = self._port_of(ours)
            if connection.port is None:
                raise FrameError("no check of a browser that is expected")
        connection.heard_at = now
        self._deliver(connection.port, datagram, connection.address, now)

    def send(self, datagram: bytes, target: Address) -> None:
        """Send to a browser; one whose connection is gone gets nothing."""
        connection = self._by_address.get(target)
        if connection is None:
            return
        try:
            connection.send(datagram)
        except OSError:
            self._close(connection)

    def sweep(self, now: float) -> None:
        """Close connections that say nothing."""
        if now < self._swept_at + SWEEP_SECONDS:
            return
        self._swept_at = now
        for connection in list(self._by_fd.values()):
            limit = FIRST_CHECK_SECONDS if connection.port is None else IDLE_SECONDS
            if now - connection.heard_at > limit:
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if self._by_address.pop(connection.address, None) is None:
            return
        del self._by_fd[connection.socket.fileno()]
        host = connection.address[0].removeprefix(TCP_MARK)
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]
        connection.socket.close()

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._by_fd.values()):
            self._close(connection)
        self._listener.close()
