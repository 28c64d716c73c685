"""Sequence numbers and loss (RFC 3550 appendices A.1 and A.3)."""

from __future__ import annotations

SEQUENCE_MODULUS = 1 << 16
MAX_DROPOUT = 3000
"""A jump ahead by more is a restart, not loss (A.1)."""
MAX_MISORDER = 100
"""A packet late by more is a restart (A.1)."""


class SequenceCounter:
    """The extended sequence number of one synchronization source.

    There is no probation as in A.1: the relay's latch is one already.

    Args:
        first: the first sequence number.
    """

    __slots__ = ("_bad", "_base", "_cycles", "_earlier", "highest")

    def __init__(self, first: int) -> None:
        self._base = first
        self._cycles = 0
        self._earlier = 0
        self._bad = SEQUENCE_MODULUS + 1
        self.highest = first

    def update(self, sequence: int) -> None:
        """Count a packet's sequence number in (A.1's update_seq)."""
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if sequence < self.highest:
                self._cycles += SEQUENCE_MODULUS
            self.highest = sequence
        elif ahead <= SEQUENCE_MODULUS - MAX_MISORDER:
            self._jumped(sequence)

    def advance(self, sequence: int, packets: int) -> None:
        """Count in the last of so many packets, the others of which weren't seen here."""
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead < min(packets + MAX_DROPOUT, SEQUENCE_MODULUS - MAX_MISORDER):
            if sequence < self.highest:
                self._cycles += SEQUENCE_MODULUS
            self.highest = sequence
        elif ahead <= SEQUENCE_MODULUS - MAX_MISORDER:
            self.restart(sequence - packets + 1 & 0xFFFF)
            self.advance(sequence, packets)

    def _jumped(self, sequence: int) -> None:
        """Two packets in a row after a jump: the sender restarted without saying so."""
        if sequence != self._bad:
            self._bad = (sequence + 1) & 0xFFFF
            return
        self._earlier = self.expected + 1  # the packet that jumped was received, too
        self._base = self.highest = sequence
        self._cycles = 0
        self._bad = SEQUENCE_MODULUS + 1

    def restart(self, sequence: int) -> None:
        """Another synchronization source follows; what was expected before stays counted."""
        self._earlier = self.expected
        self._base = self.highest = sequence
        self._cycles = 0
        self._bad = SEQUENCE_MODULUS + 1

    @property
    def extended_highest(self) -> int:
        """Highest sequence number received, with the cycles in front (section 6.4.1)."""
        return self._cycles + self.highest

    @property
    def expected(self) -> int:
        """Packets that should have come since the first (A.3)."""
        return self._earlier + self.extended_highest - self._base + 1
