"""UDP port pairs of a worker, and who may be heard on them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
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
UNUSED_SECONDS = 60.0
"""A pair that rests open is closed when no session has needed it for so long."""
TIDY_SECONDS = 1.0
"""Between two looks for such pairs, and at most so many are closed at once:"""
CLOSED_AT_ONCE = 50
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_DONT_WAIT = int(socket.MSG_DONTWAIT)
_AF_UNSPEC = struct.pack("=H14x", socket.AF_UNSPEC)
_libc = ctypes.CDLL(None, use_errno=True)
_connect, _receive = _libc.connect, _libc.recv
_connect.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
_receive.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_receive.restype = ctypes.c_ssize_t


class MediaSocket:
    """One port. Connected, the kernel takes packets from the peer only."""

    __slots__ = ("_host", "fd", "peer", "port", "socket")

    def __init__(self, family: int, host: str, port: int) -> None:
        self._host = host
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

    def rest(self) -> bool:
        """Hear nobody, so that nothing piles up; False if it can't be. The port stays ours."""
        return self.connect((self._host, self.port))

    def wake(self) -> None:
        """Hear everybody after a rest, but nothing of the time before it: what waits came then, and
        nothing can come between emptying the queue and hearing."""
        # Not by `socket.recv`, whose exception for an empty queue costs more than the call.
        while _receive(self.fd, None, 0, _DONT_WAIT) >= 0 or ctypes.get_errno() != errno.EAGAIN:
            pass  # a packet, or the error of one that was sent
        self._dissolve()

    def _dissolve(self) -> None:
        """Connect to AF_UNSPEC, which the socket module can't say; the port stays bound."""
        self.peer = None
        if ":" in self._host:
            self._renew()
        elif _connect(self.fd, _AF_UNSPEC, len(_AF_UNSPEC)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def _renew(self) -> None:
        """Put a new socket in this one's place, by the same descriptor: of IPv6 Linux forgets the
        peer's port when it should forget the peer, and goes on to drop what comes from others."""
        with socket.socket(self.socket.family, self.socket.type | socket.SOCK_NONBLOCK) as new:
            os.dup2(new.fileno(), self.fd, inheritable=False)
        self.socket.bind((self._host, self.port))


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

    A released pair stays open for a later session, as to open four sockets takes a fifth of the
    time that a call costs. Meanwhile each socket is connected to itself: the system answers late
    packets as those to a closed port. Receive buffers stay as the system gives them: its default
    holds seconds of a stream, and sound that is older is of no use.

    Args:
        host: numeric address to bind on.
        closes: told of a descriptor before its socket is closed or rests.
        clock: monotonic seconds.
        max_pairs: with more open than these none is kept for later; None: as many as the limit of
            descriptors allows.
    """

    def __init__(
        self,
        host: str,
        epoll: select.epoll,
        closes: Callable[[int], None],
        clock: Callable[[], float],
        max_pairs: int | None = None,
    ) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._epoll = epoll
        self._closes = closes
        self._clock = clock
        if max_pairs is None:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            max_pairs = max(0, files - FILES_BESIDE_PORTS) // 2
        self._max_pairs = max_pairs
        self.shared_pairs = 0
        """Pairs of which the system might give a port to others."""
        self._kept: set[int] = set()
        """Shared pairs, which are open as long as this process lives."""
        self._resting: dict[int, Pair] = {}
        """Open pairs that no session has."""
        self._unused_since: dict[int, float] = {}
        """Those of them that may be closed, from the one that has rested longest on."""
        self._tidy_at = 0.0
        self.by_fd: dict[int, MediaSocket] = {}
        """All that are open."""
        self.by_port: dict[int, MediaSocket] = {}
        """Those of sessions."""

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
        if (last - first) // 2 <= self._max_pairs:
            self._kept = shared
        for rtp_port in self._kept:
            with contextlib.suppress(OSError):  # another program has it, or we have too many files
                self._rest(rtp_port, self._open(rtp_port))

    @property
    def held_pairs(self) -> int:
        """Shared pairs that no other program can get now."""
        return sum(port in self._resting or port in self.by_port for port in self._kept)

    @property
    def resting_pairs(self) -> int:
        """Open pairs that no session has."""
        return len(self._resting)

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

    def bind(self, rtp_port: int) -> None:
        """Open a pair; raises OSError and leaves nothing open."""
        now = self._clock()
        if now >= self._tidy_at:
            self._close_unused(now)
        pair = self._resting.pop(rtp_port, None)
        if pair is None:
            if len(self.by_fd) >= 2 * self._max_pairs:
                self._close_resting()
            pair = self._open(rtp_port)
        else:
            self._unused_since.pop(rtp_port, None)
            self._wake(pair)
        for media_socket in pair:
            self.by_port[media_socket.port] = media_socket

    def release(self, rtp_port: int) -> None:
        """Take a pair back from its session; it rests, or is closed."""
        pair = self.by_port.pop(rtp_port), self.by_port.pop(rtp_port + 1)
        for media_socket in pair:
            self._closes(media_socket.fd)
        # Of IPv6 a connected socket has to be made anew before it hears everybody again.
        can_rest = self._family == socket.AF_INET and len(self.by_fd) <= 2 * self._max_pairs
        if can_rest or rtp_port in self._kept:
            self._rest(rtp_port, pair)
        else:
            self._close(pair)
            self._close_resting()

    def keep_none(self) -> None:
        """Few further sessions will come: from now on a pair that is released is closed, and with
        it one that rests."""
        self._max_pairs = 0

    def _open(self, rtp_port: int) -> Pair:
        """Raises OSError and leaves nothing open."""
        try:
            pair = self._opened(rtp_port)
        except OSError as error:
            if error.errno not in _OUT_OF_FILES or not self._close_resting():
                raise
            pair = self._opened(rtp_port)
        for media_socket in pair:
            self.by_fd[media_socket.fd] = media_socket
            self._epoll.register(media_socket.fd, select.EPOLLIN)
        return pair

    def _opened(self, rtp_port: int) -> Pair:
        rtp = MediaSocket(self._family, self._host, rtp_port)
        try:
            return rtp, MediaSocket(self._family, self._host, rtp_port + 1)
        except OSError:
            rtp.socket.close()
            raise

    def _close(self, pair: Pair) -> None:
        """Close sockets, and with them what waits in their queues."""
        for media_socket in pair:
            del self.by_fd[media_socket.fd]
            media_socket.socket.close()

    # Rest

    def _rest(self, rtp_port: int, pair: Pair) -> None:
        rtp, rtcp = pair
        if not rtp.rest() or not rtcp.rest():
            self._close(pair)  # the address is gone
            return
        self._resting[rtp_port] = pair
        if rtp_port not in self._kept:
            self._unused_since[rtp_port] = self._clock()

    def _wake(self, pair: Pair) -> None:
        """Have a resting pair hear everybody; raises OSError and leaves nothing open."""
        try:
            for media_socket in pair:
                media_socket.wake()
                if self._family == socket.AF_INET6:
                    self._epoll.register(media_socket.fd, select.EPOLLIN)  # it is another socket
        except OSError:
            self._close(pair)
            raise

    def _close_resting(self) -> bool:
        """Close the pair that has rested longest; False if there is none that may be closed."""
        rtp_port = next(iter(self._unused_since), None)
        if rtp_port is None:
            return False
        del self._unused_since[rtp_port]
        self._close(self._resting.pop(rtp_port))
        return True

    def _close_unused(self, now: float) -> None:
        """Close pairs that nobody has needed for a while."""
        self._tidy_at = now + TIDY_SECONDS
        for _ in range(CLOSED_AT_ONCE):
            since = next(iter(self._unused_since.values()), now)
            if since > now - UNUSED_SECONDS:
                return
            self._close_resting()
