"""The worker's end of its control socket."""

from __future__ import annotations

import select
import socket
from collections import deque

from rtp.control import MAX_BATCH, MAX_RECORD_BYTES, FromWorker, encode


class ControlChannel:
    """Records from and to the switch."""

    def __init__(self, channel: socket.socket, epoll: select.epoll) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._epoll = epoll
        self._buffer = bytearray(MAX_RECORD_BYTES)
        self._view = memoryview(self._buffer)
        self._backlog: deque[bytes] = deque()
        self._blocked = False
        self.fd = channel.fileno()
        epoll.register(self.fd, select.EPOLLIN)

    def receive(self) -> memoryview | None:
        """The next record; empty at the end; None if there is none now."""
        try:
            return self._view[: self._channel.recv_into(self._buffer)]
        except BlockingIOError:
            return None
        except OSError:
            return self._view[:0]

    def send(self, messages: list[FromWorker]) -> None:
        """Send messages to the switch, in records of at most `MAX_BATCH`; what the socket
        doesn't take waits."""
        for first in range(0, len(messages), MAX_BATCH):
            self._backlog.append(encode(messages[first : first + MAX_BATCH]))
        self.flush()

    def flush(self) -> None:
        """Write what can be written; the rest when the switch has read."""
        while self._backlog:
            try:
                self._channel.send(self._backlog[0])
            except BlockingIOError:
                if not self._blocked:
                    self._block(True)
                return
            except OSError:
                self._backlog.clear()  # the switch is gone, which the next read says, too
            else:
                self._backlog.popleft()
        if self._blocked:
            self._block(False)

    def _block(self, blocked: bool) -> None:
        self._blocked = blocked
        out = select.EPOLLOUT if blocked else 0
        self._epoll.modify(self.fd, select.EPOLLIN | out)
