"""UDP port pairs of a worker, and who may be heard on them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import socket
import struct
from collections.abc import Callable

from rtp.latch import Address
from rtp.ports import pairs
from rtp.ring_lanes import RingLanes
from rtp.shared_ports import shared_ports
from rtp.socket_address import IPV4_OCTETS, IPV6_OCTETS, address_octets

FILES_BESIDE_PORTS = 256
"""Descriptors for recordings, prompts and ourselves."""
_AF_UNSPEC = struct.pack("=H14x", socket.AF_UNSPEC)
_libc = ctypes.CDLL(None, use_errno=True)


class MediaSocket:
    """One port. Connected, the kernel takes packets from the peer only."""

    __slots__ = ("_bound", "fd", "peer", "port", "socket")

    def __init__(self, family: int, host: str, port: int) -> None:
        self._bound = (host, port)
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self.socket.bind((host, port))
        except OSError:
            self.socket.close()
            raise
        self.fd = self.socket.fileno()
        self.port = port
        self.peer: Address | None = None

    @property
    def address(self) -> Address:
        """Ours; of a connected socket the one that its peer sees."""
        host, port = self.socket.getsockname()[:2]
        return host, port

    def connect(self, peer: Address | None) -> bool:
        """Hear this peer only, or (None) everybody.

        Packets of others may still be queued: read them with their sources before relying on it.

        Returns:
            Whether it worked; a peer to which there is no route can't be connected to.
        """
        if peer is None:
            self._dissolve()
            return True
        try:
            self.socket.connect(peer)
        except OSError:
            self._dissolve()
            return False
        self.peer = peer
        return True

    def _dissolve(self) -> None:
        """Connect to AF_UNSPEC, which the socket module can't say; the port stays bound."""
        self.peer = None
        if self.socket.family == socket.AF_INET6:
            self._renew()
        elif _libc.connect(self.fd, _AF_UNSPEC, len(_AF_UNSPEC)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def _renew(self) -> None:
        """Put a new socket in this one's place, by the same descriptor: of IPv6 Linux forgets the
        peer's port when it should forget the peer, and goes on to drop what comes from others."""
        with socket.socket(self.socket.family, self.socket.type | socket.SOCK_NONBLOCK) as new:
            os.dup2(new.fileno(), self.fd, inheritable=False)
        self.socket.bind(self._bound)


def can_send_to(ring: RingLanes) -> bool:
    """True if a ring sends from a socket that isn't connected; tried on this machine itself."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        try:
            there.bind(("127.0.0.1", 0))
        except OSError:
            return False
        target = address_octets(there.getsockname())
        return target is not None and ring.can_send_to(out.fileno(), target)


Pair = tuple[MediaSocket, MediaSocket]
"""The sockets for RTP, and for RTCP on the port above."""


class UdpSockets:
    """The engine's sockets (:class:`rtp.engine.Sockets`), watched by an epoll.

    Receive buffers stay as the system gives them: its default holds seconds of a stream, and sound
    that is older is of no use.

    Args:
        host: numeric address to bind on.
        closes: told of a descriptor before it is closed, and its number given to another one.
    """

    def __init__(self, host: str, epoll: select.epoll, closes: Callable[[int], None]) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._epoll = epoll
        self._closes = closes
        self.shared_pairs = 0
        """Pairs of which the system might give a port to others."""
        self._kept: set[int] = set()
        self._held: dict[int, Pair] = {}
        self.by_fd: dict[int, MediaSocket] = {}
        self.by_port: dict[int, MediaSocket] = {}

    @property
    def address_octets(self) -> int:
        """The length of an address as the system writes it."""
        return IPV6_OCTETS if self._family == socket.AF_INET6 else IPV4_OCTETS

    def check(self) -> None:
        """Try the address.

        Raises:
            OSError: it isn't one of this machine's.
        """
        MediaSocket(self._family, self._host, 0).socket.close()

    def hold_shared(self, first: int, last: int) -> None:
        """Keep the ports of a range that the system might give to others, as long as this process
        lives, whether a session has them or not; if all of the range may be open at once. A pair
        that another process has becomes usable when that process has closed it and a session
        got it."""
        shared = {port - port % 2 for port in shared_ports(first, last)}
        shared &= set(pairs(first, last))
        self.shared_pairs = len(shared)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if last - first + FILES_BESIDE_PORTS <= files:
            self._kept = shared
        for rtp_port in self._kept:
            self._hold(rtp_port)

    @property
    def held_pairs(self) -> int:
        """Shared pairs that no other program can get now."""
        return sum(port in self._held or port in self.by_port for port in self._kept)

    def connect(self, media_socket: MediaSocket, peer: Address | None) -> bool:
        """As :meth:`MediaSocket.connect`, of a socket that a session has. If another program was
        quick enough to get a renewed socket's port, that session is silent, and ends so."""
        try:
            connected = media_socket.connect(peer)
        except OSError:
            connected = False
        if media_socket.peer is None and self._family == socket.AF_INET6:
            self._epoll.register(media_socket.fd, select.EPOLLIN)  # it is another socket now
        return connected

    def _hold(self, rtp_port: int) -> None:
        with contextlib.suppress(OSError):  # another program has it, or we have too many files
            pair = self._open(rtp_port)
            for media_socket in pair:
                # To itself, so that it hears nobody and nothing piles up.
                media_socket.connect((self._host, media_socket.port))
            self._held[rtp_port] = pair

    def _open(self, rtp_port: int) -> Pair:
        """Raises OSError and leaves nothing open."""
        rtp = MediaSocket(self._family, self._host, rtp_port)
        try:
            return rtp, MediaSocket(self._family, self._host, rtp_port + 1)
        except OSError:
            rtp.socket.close()
            raise

    def _taken(self, rtp_port: int) -> Pair:
        """One that was held; from now on it hears everybody."""
        pair = self._held.pop(rtp_port)
        for media_socket in pair:
            media_socket.connect(None)
        return pair

    def bind(self, rtp_port: int) -> None:
        """Open a pair; raises OSError and leaves nothing open."""
        pair = self._taken(rtp_port) if rtp_port in self._held else self._open(rtp_port)
        for media_socket in pair:
            self.by_fd[media_socket.fd] = media_socket
            self.by_port[media_socket.port] = media_socket
            self._epoll.register(media_socket.fd, select.EPOLLIN)

    def release(self, rtp_port: int) -> None:
        """Close a pair, and with it what waits in its queues; hold it again."""
        for port in (rtp_port, rtp_port + 1):
            media_socket = self.by_port.pop(port)
            del self.by_fd[media_socket.fd]
            self._closes(media_socket.fd)
            media_socket.socket.close()
        if rtp_port in self._kept:
            self._hold(rtp_port)
