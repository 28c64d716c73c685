"""UDP port pairs of a worker, and who may be heard on them."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
from collections.abc import Callable

from rtp.latch import Address

_AF_UNSPEC = struct.pack("=H14x", socket.AF_UNSPEC)
_libc = ctypes.CDLL(None, use_errno=True)


class MediaSocket:
    """One port. Connected, the kernel takes packets from the peer only."""

    __slots__ = ("fd", "peer", "port", "socket")

    def __init__(self, family: int, host: str, port: int) -> None:
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
        if _libc.connect(self.fd, _AF_UNSPEC, len(_AF_UNSPEC)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self.peer = None


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
        self.by_fd: dict[int, MediaSocket] = {}
        self.by_port: dict[int, MediaSocket] = {}

    def check(self) -> None:
        """Try the address.

        Raises:
            OSError: it isn't one of this machine's.
        """
        MediaSocket(self._family, self._host, 0).socket.close()

    def bind(self, rtp_port: int) -> None:
        """Open a pair; raises OSError and leaves nothing open."""
        rtp = MediaSocket(self._family, self._host, rtp_port)
        try:
            rtcp = MediaSocket(self._family, self._host, rtp_port + 1)
        except OSError:
            rtp.socket.close()
            raise
        for media_socket in (rtp, rtcp):
            self.by_fd[media_socket.fd] = media_socket
            self.by_port[media_socket.port] = media_socket
            self._epoll.register(media_socket.fd, select.EPOLLIN)

    def release(self, rtp_port: int) -> None:
        """Close a pair, and with it what waits in its queues."""
        for port in (rtp_port, rtp_port + 1):
            media_socket = self.by_port.pop(port)
            del self.by_fd[media_socket.fd]
            self._closes(media_socket.fd)
            media_socket.socket.close()
