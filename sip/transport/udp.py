"""UDP sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from sip.flow import Address, Flow

RECEIVE_BUFFER_BYTES = 8 << 20
"""A burst of registrations after a power cut must not be lost while Python is busy."""
SO_RCVBUFFORCE = 33
"""Linux's option to exceed the system's limit, for a privileged process (socket(7)); not in
`socket`."""
MAX_DATAGRAM_BYTES = 65_535
TURNS_ALONE = 8
"""Turns in which no more than one datagram is read, after one in which there was no second."""
_Source = tuple[str, int] | tuple[str, int, int, int]
"""A datagram's sender as a socket tells it; with flow label and scope over IPv6."""
SOURCES = 4_096
"""Sources whose flows are remembered: a phone sends some messages a call, from one address."""
LEAST_BYTES = 5
"""CRLF keep-alives are shorter than that, and so is no message (RFC 5626 section 4.4)."""


class DatagramSocket:
    """A bound UDP socket.

    Args:
        receive: called with each datagram and its flow.
        failed: called, later, with a flow by which nothing can be sent.
        begins: called before each turn of reading; how many datagrams to read at most.
        ends: called after it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        receive: Callable[[bytes, Flow], None],
        failed: Callable[[Flow], None],
        begins: Callable[[], int],
        ends: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._socket = bound
        self._receive = receive
        self._failed = failed
        self._begins = begins
        self._ends = ends
        # A message outlives its reading: for 32 s in its transaction, longer in its call's trace.
        # recvfrom() would leave each at the head of the 64 KB that were allocated for it, and the
        # heap between them in pieces that no next datagram fits into.
        self._buffer = memoryview(bytearray(MAX_DATAGRAM_BYTES))
        self.local: Address = bound.getsockname()[:2]
        self._flows: dict[_Source, Flow] = {}
        self._expected_alone = 0
        """The number of next turns for which one datagram is expected, not several."""
        loop.add_reader(bound.fileno(), self._readable)

    def _readable(self) -> None:
        flows, receive = self._flows, self._receive
        reads, found = self._begins(), 0
        if self._expected_alone:
            self._expected_alone -= 1
            reads = 1  # if there are more, the loop calls again
        try:
            for _ in range(reads):
                size, source = self._socket.recvfrom_into(self._buffer)
                found += 1
                if size >= LEAST_BYTES:
                    flow = flows.get(source) or self._flow(source)
                    receive(bytes(self._buffer[:size]), flow)
        except BlockingIOError:
            if found == 1:  # the second read was in vain, and an exception costs more than it
                self._expected_alone = TURNS_ALONE
        except OSError:
            pass  # an ICMP error doesn't name its message; timers decide
        self._ends()

    def _flow(self, source: _Source) -> Flow:
        """The flow of a source that wasn't remembered. Messages of a call outlive their reading,
        and share one flow instead of keeping an address each."""
        if len(self._flows) >= SOURCES:
            self._flows.clear()
        flow = self._flows[source] = Flow("udp", self.local, source[:2])
        return flow

    def sendto(self, data: bytes, remote: Address) -> None:
        """Send a datagram, or queue it while the socket is full."""
        try:
            self._socket.sendto(data, remote)
        except BlockingIOError:
            pass  # the send queue is full: lost, as any datagram may be
        except OSError:
            self._loop.call_soon(self._failed, Flow("udp", self.local, remote))

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def bind_udp(host: str, port: int) -> socket.socket:
    """A bound socket; raises OSError."""
    bound = _socket(host, socket.SOCK_DGRAM)
    try:
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def bind_tcp(host: str, port: int) -> socket.socket:
    """A bound socket, not yet listening; raises OSError."""
    bound = _socket(host, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _socket(host: str, kind: socket.SocketKind) -> socket.socket:
    """IPv4 and IPv6 never share a socket: the address of a flow would not be what it seems."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    made.setblocking(False)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made
