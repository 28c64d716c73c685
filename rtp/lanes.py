"""Lanes: the fast ways of a worker, one for each direction whose socket is connected to its peer.

A packet of a lane is read, counted and passed on without asking whose it is: the kernel keeps
strangers out of a connected socket.
"""

from __future__ import annotations

from rtp.inbound import InboundSound
from rtp.latch import Address
from rtp.packet import HEADER
from rtp.relay import RelaySide
from rtp.source import ReceivedStream
from rtp.stun import TCP_MARK


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


class SecureLane:
    """One direction between two sides of which at least one has SRTP; a browser's socket isn't
    connected, so that its packets are told by their source.

    Args:
        out_fd: the socket that its packets leave by.
        mine, theirs: the side that they come from, and the other one.
        source: the one address that is heard; None: the socket is connected to it.
        target: where they go; None: the socket that they leave by is connected to it.
    """

    __slots__ = ("opens", "out_fd", "renumbers", "seals", "side", "source", "target")

    def __init__(
        self,
        out_fd: int,
        mine: RelaySide,
        theirs: RelaySide,
        source: Address | None,
        target: Address | None,
    ) -> None:
        self.out_fd = out_fd
        self.side = mine
        self.source, self.target = source, target
        self.renumbers = bool(mine.renumbering)
        self.opens, self.seals = mine.secure, theirs.secure

    @classmethod
    def between(
        cls,
        mine: RelaySide,
        theirs: RelaySide,
        out_fd: int,
        peer: Address | None,
        out_peer: Address | None,
    ) -> SecureLane | None:
        """The lane of a direction that has SRTP on a side; None while its packets need more care.

        Args:
            peer, out_peer: what the sockets of both sides are connected to.
        """
        target = theirs.rtp_destination
        if target is None or (mine.web is None and peer is None):
            return None
        if theirs.web is None and target != out_peer:
            return None
        source = None if mine.web is None else mine.web.ice.selected
        browsers = [side for side in (mine, theirs) if side.web is not None]
        for side in browsers:
            selected = side.latch.source
            if side.secure is None or selected is None or selected[0].startswith(TCP_MARK):
                return None
        if mine.web is not None and source != mine.latch.source:
            return None
        return cls(out_fd, mine, theirs, source, None if theirs.web is None else target)

    def passed(self, data: bytes, now: float) -> bytes | None:
        """A packet of the peer's, counted, as it goes to the other side; None if it doesn't."""
        _, _, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        clear = data if self.opens is None else self.opens.open_rtp(data, sequence, ssrc)
        if clear is None:
            self.side.strays += 1
            return None
        self.side.stream.count(sequence, timestamp, ssrc, len(clear), now)
        if self.renumbers:
            clear = self.side.renumbered(clear)
        return clear if self.seals is None else self.seals.seal_rtp(clear, sequence, ssrc)


class SingleLanes:
    """The lanes whose packets are passed on one by one, by the descriptor that they come to."""

    __slots__ = ("listening", "movable", "movable_secure", "plain", "renumbered", "secure")

    def __init__(self) -> None:
        self.plain: dict[int, Lane] = {}
        self.renumbered: dict[int, RenumberedLane] = {}
        self.secure: dict[int, SecureLane] = {}
        self.listening: dict[int, ListeningLane] = {}
        self.movable: dict[int, Lane] = {}
        """Plain ones whose packets could be passed on together with others."""
        self.movable_secure: set[int] = set()
        """The same of lanes with SRTP; those that listen can all be moved."""

    def __len__(self) -> int:
        """The lanes that lead to another socket."""
        return len(self.plain) + len(self.renumbered) + len(self.secure)

    @property
    def any_movable(self) -> bool:
        """True if packets of a lane could be passed on together with others."""
        return bool(self.movable or self.listening or self.movable_secure)

    def close(self, fd: int) -> None:
        """Leave a socket alone, whatever lane it had."""
        self.plain.pop(fd, None)
        self.renumbered.pop(fd, None)
        self.secure.pop(fd, None)
        self.listening.pop(fd, None)
        self.movable.pop(fd, None)
        self.movable_secure.discard(fd)
