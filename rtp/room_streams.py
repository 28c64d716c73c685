"""The RTP streams to members that hear their rooms and nothing else, in arrays, so that a tick
takes no step for each.

They are made together while nothing changes that could change one of them (what it carries, its
codec, its address); after a change each stream goes on by its own
:class:`~rtp.outbound.OutboundSound`, until members are left alone for some ticks. Both ways send
the same packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from rtp.batch import encoded_octets, law_numbers
from rtp.latch import Address
from rtp.packet import HEADER_BYTES, HEADER_FIELDS, PLAIN
from rtp.samples import FRAME_SAMPLES, Samples
from rtp.sound_side import SoundSide

_PACKET_BYTES = HEADER_BYTES + FRAME_SAMPLES
_PACKET = f"V{_PACKET_BYTES}"
SEEN_TICKS = 50
"""The interval, a second, at which each relay side notes that it is sent something; whether it is
matters after some seconds."""


class RoomStreams:
    """The streams to members that hear their rooms alone, in G.711 and packets of 20 ms, within a
    talkspurt.

    Args:
        sides: those for which :meth:`fits` is true.
        number: of the tick that follows.
    """

    def __init__(self, sides: list[SoundSide], number: int) -> None:
        self.sides = sides
        self.number = self._began_at = number
        """The number of the next tick."""
        for side in sides:
            side.in_room_streams = True
        self._now = 0.0
        members = [side.member for side in sides]
        self._rows = np.array([member.row for member in members if member is not None], np.int64)
        self._laws = law_numbers([side.relay_side.formats.encoding for side in sides])
        self._ports = [side.port for side in sides]
        self._targets = [target for side in sides if (target := side.relay_side.rtp_destination)]
        streams = [side.outbound for side in sides]
        self._sequences = np.array([stream.sequence for stream in streams], np.int64)
        self._timestamps = np.array([stream.time(number) for stream in streams], np.int64)
        self._steps = np.array([stream.step for stream in streams], np.int64)
        self._reports_at = np.array([side.report_at for side in sides], np.int64)
        self._packets = np.empty((len(sides), _PACKET_BYTES), np.uint8)
        self._heads = self._packets[:, :HEADER_BYTES].view(HEADER_FIELDS)[:, 0]
        self._heads["first"] = PLAIN
        self._heads["second"] = [side.law_payload_type or 0 for side in sides]
        self._heads["ssrc"] = [stream.ssrc for stream in streams]

    @staticmethod
    def fits(side: SoundSide, number: int) -> bool:
        """True if a tick's packet to a side is as the one before, with other sound."""
        return (
            side.member is not None
            and side.law_payload_type is not None
            and side.detector is None
            and side.relay_side.rtp_destination is not None
            and side.outbound.goes_on(number)
            and not (side.player.busy or side.overlay.busy or side.events.busy)
        )

    def goes_on(self, number: int, others: list[SoundSide]) -> bool:
        """True if a tick is the next one, and none of the sides beside may join."""
        return number == self.number and not any(self.fits(side, number) for side in others)

    def packets(self, mixed: Samples, now: float) -> Iterator[tuple[int, bytes, Address]]:
        """The packets of a tick.

        Args:
            mixed: what members hear, by their rows.
        """
        heads = self._heads
        self._sequences = self._sequences + 1 & 0xFFFF
        heads["sequence"], heads["timestamp"] = self._sequences, self._timestamps
        self._timestamps = self._timestamps + self._steps & 0xFFFFFFFF
        self._packets[:, HEADER_BYTES:] = encoded_octets(mixed.take(self._rows, 0), self._laws)
        for side in self.sides[self.number % SEEN_TICKS :: SEEN_TICKS]:
            side.relay_side.sent_at = now
        self.number += 1
        self._now = now
        # As opaque items of a row each: so numpy makes all the objects, in a tenth of the time.
        packets: list[bytes] = self._packets.view(_PACKET).ravel().tolist()
        return zip(self._ports, packets, self._targets, strict=True)

    def reporting(self, number: int) -> list[SoundSide]:
        """The sides to which a report is due, whose own streams know again what was sent."""
        due = np.flatnonzero(self._reports_at <= number).tolist()
        self._tell(due)
        return [self.sides[index] for index in due]

    def reported(self, number: int) -> None:
        """The reports were made, and the next ones have their times."""
        due = np.flatnonzero(self._reports_at <= number)
        self._reports_at[due] = [self.sides[index].report_at for index in due.tolist()]

    def end(self) -> None:
        """Have the streams themselves go on."""
        self._tell(range(len(self.sides)))
        for side in self.sides:
            side.in_room_streams = False

    def _tell(self, indices: Iterable[int]) -> None:
        for index in indices:
            side = self.sides[index]
            if self.number > self._began_at:
                side.relay_side.sent_at = self._now
            side.outbound.go_on(int(self._sequences[index]), self.number)
