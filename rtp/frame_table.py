"""The frames of all regular streams of a worker, in arrays, so that a tick takes no step for each.

A stream is regular while each of its packets is a frame of 20 ms of G.711 in step with playing, and
there always is one to play. What isn't so (a packet that is lost, late or of another length, a key,
another codec or source, a delay to shorten) is dealt with by the stream's own
:class:`~rtp.inbound.InboundSound`, which leaves the table for it and enters again when that is
over. Both ways play the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rtp.batch import LAW_INDEX
from rtp.jitter_buffer import RESERVE, RING, SHRINK_FRAMES, Regular
from rtp.packet import HEADER_BYTES, PLAIN
from rtp.samples import FRAME_SAMPLES

if TYPE_CHECKING:
    from rtp.inbound import InboundSound

FIRST_ROWS = 64
FRAMES = 16
"""Places of each row, which go round: what waits, and what was played last."""
MAX_AHEAD = 9 * FRAME_SAMPLES
"""A frame that comes earlier would wait for more than the jitter buffer allows."""
HISTORY_FRAMES = 3
"""Played frames that are kept to conceal a loss; MAX_AHEAD leaves them their places."""
SHORTENED_AT_ONCE = 64
"""Streams that shorten their delay in one tick, which takes each as long as twenty ticks: many of
them are as old as each other, if they began together."""
PACKET_BYTES = HEADER_BYTES + FRAME_SAMPLES
_CLOCK, _HALF_CLOCK = 0xFFFFFFFF, 0x80000000
_ROW = np.dtype(
    [
        ("next", "i8"),
        ("end", "i8"),
        ("frames", "i8"),
        ("fewest", "i8"),
        ("at", "i8"),
        ("played", "i8"),
        ("ssrc", "i8"),
        ("law", "i8"),
        ("place", "i8"),
        ("regular", "?"),
    ]
)
"""The first four as in a :class:`~rtp.jitter_buffer.JitterBuffer`; `at` is the place of the next
frame to play, `place` where the owner wants its frames."""

_NO_OCTETS = np.empty((0, FRAME_SAMPLES), np.uint8)

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Octets = NDArray[np.uint8]


class FrameTable:
    """A row for each stream whose packets come many at once; those that are regular use it."""

    def __init__(self) -> None:
        self._rows = np.zeros(FIRST_ROWS, _ROW)
        self._octets = np.zeros((FIRST_ROWS, FRAMES, FRAME_SAMPLES), np.uint8)
        self._waits = np.zeros((FIRST_ROWS, FRAMES), np.bool_)
        self._types = np.zeros((FIRST_ROWS, 128), np.bool_)
        """Which payload types are of the row's law."""
        self._owners: list[InboundSound | None] = [None] * FIRST_ROWS
        self._free = list(range(FIRST_ROWS))
        self._regular: Numbers | None = None
        """The rows in use; None until they are looked for."""

    # Streams

    def join(self, inbound: InboundSound) -> int:
        """Give a stream a row, which is to be used when it is regular."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._owners[row] = inbound
        inbound.table, inbound.table_row = self, row
        return row

    def part(self, inbound: InboundSound) -> None:
        """Have the row of a stream back."""
        if inbound.is_regular:
            self.leave(inbound)
        self._owners[inbound.table_row] = None
        self._free.append(inbound.table_row)
        inbound.table = None

    def enter(self, inbound: InboundSound, regular: Regular, place: int) -> None:
        """Keep a stream's frames from now on.

        Args:
            place: where :meth:`take` is to put them.
        """
        row = inbound.table_row
        values = self._rows[row]
        values["next"], values["end"], values["frames"], values["fewest"] = regular[:4]
        values["at"] = values["played"] = 0
        values["ssrc"], values["law"], values["place"] = inbound.ssrc, LAW_INDEX[inbound.law], place
        values["regular"] = True
        self._types[row] = False
        self._types[row, inbound.law_types] = True
        self._waits[row] = False
        for start, payload in regular.waiting.items():
            at = (start - regular.next) // FRAME_SAMPLES
            self._octets[row, at] = np.frombuffer(payload, np.uint8)
            self._waits[row, at] = True
        inbound.is_regular = True
        self._regular = None

    def leave(self, inbound: InboundSound) -> None:
        """Give a stream what is kept of it; it goes on by itself."""
        row = inbound.table_row
        first, end, frames, fewest, at, played = self._rows[row].item()[:6]
        self._rows["regular"][row] = False
        waiting = {
            first + (there - at) % FRAMES * FRAME_SAMPLES: self._frame(row, there)
            for there, waits in enumerate(self._waits[row].tolist())
            if waits
        }
        heard = [self._frame(row, at - ago) for ago in range(min(played, HISTORY_FRAMES), 0, -1)]
        self._regular = None
        inbound.go_on(Regular(first, end, frames, fewest, waiting), heard)

    def _frame(self, row: int, at: int) -> bytes:
        frame: Octets = self._octets[row, at % FRAMES]
        return frame.tobytes()

    def place(self, inbound: InboundSound, place: int) -> None:
        """Have the frames of a stream put elsewhere."""
        self._rows["place"][inbound.table_row] = place

    def _grow(self) -> None:
        size = len(self._owners)
        self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
        self._octets = np.concatenate((self._octets, np.zeros_like(self._octets)))
        self._waits = np.concatenate((self._waits, np.zeros_like(self._waits)))
        self._types = np.concatenate((self._types, np.zeros_like(self._types)))
        self._owners += [None] * size
        self._free += range(size, 2 * size)

    # Packets

    def put(self, rows: Numbers, heads: np.ndarray, sizes: Numbers, payloads: Octets) -> Mask:
        """Take packets; which of them were taken.

        The others have to be dealt with by their streams, one by one: so are all that came with
        such a packet in one stream, for their order matters then.

        Args:
            heads: with the fields of an RTP header.
            payloads: the first 160 octets of each.
        """
        of_row = self._rows[rows]
        second = heads["second"] & 0x7F
        next_ = of_row["next"]
        # As in JitterBuffer.put: the difference as a signed number of 32 bits.
        ahead = heads["timestamp"].astype(np.int64) - next_
        ahead = (ahead + _HALF_CLOCK & _CLOCK) - _HALF_CLOCK
        taken: Mask = of_row["regular"] & (sizes == PACKET_BYTES) & (heads["first"] == PLAIN)
        taken &= self._types[rows, second] & (of_row["ssrc"] == heads["ssrc"])
        taken &= (ahead >= 0) & (ahead <= MAX_AHEAD)
        frames, rest = np.divmod(ahead, FRAME_SAMPLES)
        taken &= rest == 0
        at = (of_row["at"] + frames) % FRAMES
        end = next_ + ahead + FRAME_SAMPLES
        if not taken.all():
            taken &= ~np.isin(rows, rows[~taken])
            rows, at, end, payloads = rows[taken], at[taken], end[taken], payloads[taken]
        self._octets[rows, at] = payloads
        self._waits[rows, at] = True
        np.maximum.at(self._rows["end"], rows, end)
        return taken

    # Playing

    def take(self) -> tuple[Numbers, Numbers, Octets]:
        """The next frames of all regular streams: the places where they belong, the laws they are
        in, and their octets. Streams that have none, or have a delay to shorten, leave before."""
        rows = self._regular_rows()
        if not len(rows):
            return rows, rows, _NO_OCTETS
        of_row = self._rows[rows]
        waits = self._waits[rows, of_row["at"]]
        fewest = np.minimum(of_row["fewest"], of_row["end"] - of_row["next"] - FRAME_SAMPLES)
        spans_end = of_row["frames"] + 1 >= SHRINK_FRAMES
        excessive = np.flatnonzero(spans_end & (fewest >= RESERVE + FRAME_SAMPLES))
        spans_end[excessive[SHORTENED_AT_ONCE:]] = False  # these go on until the next tick
        leaves = ~waits
        leaves[excessive[:SHORTENED_AT_ONCE]] = True
        if leaves.any():
            for row in rows[leaves].tolist():
                owner = self._owners[row]
                assert owner is not None
                self.leave(owner)
            stays = ~leaves
            rows, of_row, fewest, spans_end = (
                rows[stays], of_row[stays], fewest[stays], spans_end[stays],
            )  # fmt: skip
        at = of_row["at"]
        octets = self._octets[rows, at]
        self._waits[rows, at] = False
        of_row["next"] += FRAME_SAMPLES
        of_row["at"] = (at + 1) % FRAMES
        of_row["frames"] = np.where(spans_end, 0, of_row["frames"] + 1)
        of_row["fewest"] = np.where(spans_end, RING, fewest)
        of_row["played"] += 1
        self._rows[rows] = of_row
        return of_row["place"], of_row["law"], octets

    def _regular_rows(self) -> Numbers:
        if self._regular is None:
            self._regular = np.flatnonzero(self._rows["regular"])
        return self._regular
