"""Connections without a network: what a loop would tell of them, in virtual time."""

import math

from sip.flow import Flow
from sip.transport.connection import Connection
from sip.transport.connections import Connections
from sip.transport.settings import ConnectionLimits

LISTENING = ("192.0.2.1", 5060)


class Line:
    """The kernel's side of a connection, as asyncio shows it."""

    def __init__(self, remote):
        self.remote = remote
        self.written = b""
        self.reading = True
        self.closed = False
        self.full = 0
        self.options = {}

    def get_extra_info(self, name):
        return {"sockname": LISTENING, "peername": self.remote, "socket": self}.get(name)

    def setsockopt(self, _level, option, value):
        self.options[option] = value

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return self.full

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    abort = close


class Exchange:
    """A pool of connections and what it tells its keeper."""

    def __init__(self, loop, **limits):
        self.loop = loop
        self.messages = []
        self.closed = []
        self.needed = {}
        self.congested = False
        self.free = set()
        self.pool = Connections(loop, self, ConnectionLimits(**limits), None, None)

    def arrived(self, message, flow):
        self.messages.append((message, flow))

    def flow_closed(self, flow):
        self.closed.append(flow)

    def patience(self, flow):
        return self.needed.get(flow)

    def unlimited(self, host):
        return host in self.free

    def need(self, flow, seconds=math.inf):
        self.needed[flow] = seconds

    def connect(self, host="192.0.2.9", port=40_000, transport="tcp"):
        """A peer connects; the connection and its line."""
        line = Line((host, port))
        connection = Connection(self.pool, transport, self.pool._framing(transport))
        if self.pool.admit(host):
            connection.connection_made(line)
        else:
            line.close()
        return connection, line

    def settle(self, *pairs):
        """Report the connections that were closed."""
        for connection, line in pairs:
            if line.closed:
                connection.connection_lost(None)


def flow_of(host="192.0.2.9", port=40_000, transport="tcp"):
    return Flow(transport, LISTENING, (host, port))
