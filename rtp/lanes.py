"""Lanes: the fast ways of a worker, one for each direction whose socket is connected to its peer.

A packet of a lane is read, counted and passed on without asking whose it is: the kernel keeps
strangers out of a connected socket.
"""

from __future__ import annotations

from rtp.inbound import InboundSound
from rtp.relay import RelaySide
from rtp.source import ReceivedStream


class Lane:
    """One direction that is relayed as it is.

    Args:
        out_fd: the connected socket that its packets leave by.
        stream: counts them.
    """

    __slots__ = ("out_fd", "stream")

    def __init__(self, out_fd: int, stream: ReceivedStream) -> None:
        self.out_fd = out_fd
        self.stream = stream


class RenumberedLane:
    """One direction whose packets leave under another payload type.

    Args:
        out_fd: the connected socket that its packets leave by.
        side: the side that they come from, which knows the numbers and counts.
    """

    __slots__ = ("out_fd", "side")

    def __init__(self, out_fd: int, side: RelaySide) -> None:
        self.out_fd = out_fd
        self.side = side


class ListeningLane:
    """One direction that the sound tier alone hears.

    Args:
        inbound: takes its packets.
        stream: counts them.
    """

    __slots__ = ("inbound", "stream")

    def __init__(self, inbound: InboundSound, stream: ReceivedStream) -> None:
        self.inbound = inbound
        self.stream = stream
