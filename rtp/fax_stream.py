"""The T.38 stream of one side of a session (ITU-T T.38 over UDPTL).

It comes to the upper port of the side's pair, where RTCP comes during sound, so it has a latch of
its own: a phone sends fax from another port than sound, and its NAT gives it another one, too.
"""

from __future__ import annotations

from rtp.latch import Address, Latch
from rtp.udptl import sequence_of

_SSRC = 0
"""UDPTL has no source identifier: a stream is known by its address and sequence numbers alone."""


class FaxStream:
    """Latches a peer's UDPTL, and says where UDPTL for the peer goes.

    Args:
        signalling_host: the address that the peer's SIP comes from, if known.
        latch_seconds: how long after a negotiation the source may be learned.
    """

    __slots__ = ("last_at", "latch", "packets")

    def __init__(self, signalling_host: str | None, latch_seconds: float) -> None:
        self.latch = Latch(signalling_host, latch_seconds)
        self.packets = 0
        self.last_at: float | None = None
        """Monotonic seconds of the last packet."""

    def accept(self, data: bytes, source: Address, now: float) -> bool:
        """True if a datagram is a UDPTL packet of the peer's; it may latch its source."""
        sequence = sequence_of(data)
        if sequence is None or not self.latch.accept(source, sequence, _SSRC, now):
            return False
        self.packets += 1
        self.last_at = now
        return True
