"""The fast way of many directions at once: all packets of a turn are received, forwarded and
counted together, by io_uring and numpy, so that hardly anything is done for a single packet. So are
those that the sound tier alone hears.

What is out of the ordinary (another source, a jump of the sequence numbers) goes by
:meth:`ReceivedStream.count`, and so does the first packet of all. SRTP is opened and sealed packet
by packet, between receiving and sending that are done for all.
"""

from __future__ import annotations

import errno

import numpy as np

from rtp.frame_table import PACKET_BYTES, FrameTable
from rtp.inbound import InboundSound
from rtp.io_uring import (
    BUFFER_SHIFT,
    FETCHED_AT_ONCE,
    GOES_ON,
    HAS_BUFFER,
    NAMES_AT,
    SENT,
    Ring,
)
from rtp.lanes import ListeningLane, SecureLane
from rtp.latch import Address
from rtp.packet import HEADER_BYTES, HEADER_FIELDS
from rtp.relay import RelaySide
from rtp.sequence import MAX_DROPOUT, MAX_MISORDER
from rtp.socket_address import IPV4_OCTETS, IPV6_OCTETS, address_octets, address_of
from rtp.source import MAX_TRANSIT_STEP_SECONDS, Counted, ReceivedStream
from rtp.srtp import MAX_OCTETS, InPlace, Srtp, memory_at, open_in_place, seal_in_place

BUFFERS = 2048
"""Packets that may come in one turn; 20 ms of 1,000 calls."""
FIRST_SLOTS = 256
MAX_TURNS = 7
"""In which what has come while a worker was held up is passed on."""
NOWHERE = -1
"""In place of the descriptor by which packets leave."""
_COUNTS = np.dtype(
    [
        ("mark", "u8"),
        ("fd", "i4"),
        ("out_fd", "i4"),
        ("packets", "i8"),
        ("octets", "i8"),
        ("last_at", "f8"),
        ("jitter", "i8"),
        ("transit", "i8"),
        ("ssrc", "i8"),
        ("sequence", "i8"),
        ("clock_rate", "i8"),
        ("ahead", "i8"),
        ("last", "i8"),
        ("heard", "?"),
        ("table_row", "i8"),
        ("secure", "?"),
        ("opens", "?"),
        ("renumbers", "?"),
        ("seals", "?"),
        ("at", "i8"),
        ("target_length", "u4"),
    ]
)
"""A row for each lane; `ahead` and `last` to work with, `at` where a datagram stands in its
buffer."""
_ADDRESS_WORDS = 4
"""Of eight octets, for an address."""
_REPEATED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOBUFS})
"""Faults after which receiving goes on: an ICMP error of what was sent, no buffer free."""


class _Lane:
    """The owner of a slot's sum."""

    __slots__ = ("fd", "lanes", "mark", "out_fd", "slot", "stream")

    def __init__(
        self,
        lanes: RingLanes,
        slot: int,
        mark: int,
        fd: int,
        out_fd: int,
        stream: ReceivedStream,
    ) -> None:
        self.lanes = lanes
        self.slot = slot
        self.mark = mark
        self.fd = fd
        self.out_fd = out_fd
        self.stream = stream

    def news(self) -> Counted:
        return self.lanes.news(self.slot)


class RingLanes:
    """Directions of calls, by the descriptor their packets come to.

    Args:
        octets: what is longer is cut.
        name_octets: of an address of the sockets' family.
        table: gets the frames of regular streams that the sound tier hears; None: a table of its
            own.

    Raises:
        OSError: the system has no io_uring for us.
    """

    def __init__(
        self, octets: int, name_octets: int = IPV4_OCTETS, table: FrameTable | None = None
    ) -> None:
        self._table = FrameTable() if table is None else table
        self._name_octets = name_octets
        self._ring = Ring(BUFFERS, octets, self._name_octets)
        self._memory = memory_at(self._ring.buffers)
        self.fd = self._ring.fd
        """Readable when something came."""
        self.unusual: list[tuple[int, bytes, Address | None]] = []
        """Packets that aren't plain RTP, like multiplexed RTCP, with the descriptor at which they
        arrived, and the source if that isn't connected."""
        self.failed: list[tuple[int, int, ReceivedStream | None]] = []
        """As they were opened: lanes that can't go on in this way; None for those with SRTP, and
        those that lead to the sound tier."""
        self._lanes: dict[int, _Lane] = {}
        self._to: dict[int, int] = {}
        """Lanes by the descriptor by which packets leave."""
        self._by_slot: list[_Lane | None] = []
        self._free: list[int] = []
        self._secure: dict[int, SecureLane] = {}
        self._opens: dict[int, Srtp] = {}
        self._seals: dict[int, Srtp] = {}
        """Lanes with SRTP by their slots, what opens their packets, and what seals them."""
        self._heard: dict[int, InboundSound] = {}
        """The sound tier's ears, by the slots of the lanes that lead to them."""
        self._view = self._ring.buffers.reshape(-1).data
        self._slots = np.zeros(0, _COUNTS)
        self._sources = np.zeros((0, _ADDRESS_WORDS), np.uint64)
        self._targets = np.zeros((0, _ADDRESS_WORDS), np.uint64)
        self._last_mark = 0
        self._now = 0.0
        self._grow()

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def listening(self) -> int:
        """Lanes that lead to the sound tier."""
        return len(self._heard)

    def can_send_to(self, fd: int, target: bytes) -> bool:
        """True if lanes may lead to sockets that aren't connected; asked before the first one."""
        return self._ring.can_send_to(fd, target)

    def send_together(self, fds: list[int], packets: list[bytes]) -> None:
        """Send packets that aren't of lanes from connected sockets."""
        if fds:
            self._ring.send_octets(fds, packets)

    def close(self) -> None:
        """Give the ring back to the system."""
        self._ring.close()

    # Lanes

    def open_secure(self, fd: int, lane: SecureLane) -> bool:
        """Pass on what comes to a socket through SRTP; False if its addresses can't be written."""
        source = b"" if lane.source is None else address_octets(lane.source)
        target = b"" if lane.target is None else address_octets(lane.target)
        if source is None or target is None:
            return False
        slot = self._open(fd, lane.out_fd, lane.side.stream, source, target)
        row = self._slots[slot]
        self._secure[slot], row["secure"], row["renumbers"] = lane, True, lane.renumbers
        if lane.opens is not None:
            self._opens[slot], row["opens"] = lane.opens, True
        if lane.seals is not None:
            self._seals[slot], row["seals"] = lane.seals, True
        return True

    def open(self, fd: int, out_fd: int, stream: ReceivedStream) -> None:
        """Pass on what comes to one connected socket by another one."""
        self._open(fd, out_fd, stream, b"", b"")

    def open_listening(self, fd: int, lane: ListeningLane) -> None:
        """Let the sound tier hear what comes to a connected socket."""
        slot = self._open(fd, NOWHERE, lane.stream, b"", b"")
        self._heard[slot], self._slots["heard"][slot] = lane.inbound, True
        self._slots["table_row"][slot] = self._table.join(lane.inbound)

    def _open(
        self,
        fd: int,
        out_fd: int,
        stream: ReceivedStream,
        source: bytes,
        target: bytes,
    ) -> int:
        """The slot of a new lane: one that passes on what comes as it is."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._last_mark += 1
        lane = _Lane(self, slot, self._last_mark << 32 | slot, fd, out_fd, stream)
        self._lanes[fd] = self._by_slot[slot] = lane
        if out_fd != NOWHERE:
            self._to[out_fd] = fd
        row = self._slots[slot]
        row["mark"], row["fd"], row["out_fd"] = lane.mark, fd, out_fd
        row["target_length"] = len(target)
        row["at"] = NAMES_AT + self._name_octets if source else 0
        row["heard"] = row["secure"] = False
        row["opens"] = row["renumbers"] = row["seals"] = False
        self._sources[slot], self._targets[slot] = _words(source), _words(target)
        self._go_on_from(slot, stream)
        stream.elsewhere = lane.news
        self._receive(np.array([slot]))
        return slot

    def close_lane(self, fd: int) -> bool:
        """Leave a socket alone, with what wasn't fetched yet. Whether it had a lane."""
        lane = self._lanes.get(fd)
        if lane is None:
            return False
        self._ring.cancel(lane.mark)
        self.pass_on(self._now)
        del self._lanes[fd]
        self._to.pop(lane.out_fd, None)
        lane.stream.catch_up()
        lane.stream.elsewhere = None
        self._by_slot[lane.slot] = None
        inbound = self._heard.pop(lane.slot, None)
        if inbound is not None:
            self._table.part(inbound)
        for by_slot in (self._secure, self._opens, self._seals):
            by_slot.pop(lane.slot, None)
        self._slots["mark"][lane.slot] = 0
        self._free.append(lane.slot)
        self.failed = [failed for failed in self.failed if failed[0] != fd]
        return True

    def source_of(self, out_fd: int) -> int | None:
        """The descriptor of the lane whose packets leave by `out_fd`; None without one."""
        return self._to.get(out_fd)

    def forget(self, fd: int) -> None:
        """A socket closes: what came to it is of no use any more."""
        if self.unusual:
            self.unusual = [packet for packet in self.unusual if packet[0] != fd]

    def _grow(self) -> None:
        size = max(FIRST_SLOTS, len(self._slots))
        first = len(self._slots)
        addresses = np.zeros((size, _ADDRESS_WORDS), np.uint64)
        self._slots = np.concatenate((self._slots, np.zeros(size, _COUNTS)))
        self._sources = np.concatenate((self._sources, addresses))
        self._targets = np.concatenate((self._targets, addresses))
        self._by_slot += [None] * size
        self._free += range(first, first + size)

    def _receive(self, slots: np.ndarray) -> None:
        lanes = [self._by_slot[slot] for slot in slots.tolist()]
        marks = np.array([lane.mark for lane in lanes if lane is not None], np.uint64)
        self._ring.receive(self._slots["fd"][slots], marks, self._slots["at"][slots] > 0)

    # Packets

    def pass_on(self, now: float) -> int:
        """Forward and count what has come; how much it was."""
        self._now = now
        came = self._ring.completions()
        came = came[came["mark"] < SENT]
        if len(came):
            self._see_to(came, now)
        self._ring.rest()
        return len(came)

    def pass_all_on(self, now: float) -> None:
        """The same until nothing is left, or the buffers were used for several ticks' packets."""
        for _ in range(MAX_TURNS):
            if self.pass_on(now) < FETCHED_AT_ONCE:
                break

    def _see_to(self, came: np.ndarray, now: float) -> None:
        slots = (came["mark"] & 0xFFFF_FFFF).astype(np.int64)
        flags, sizes = came["flags"], came["result"].astype(np.int64)
        used = (flags >> BUFFER_SHIFT).astype(np.int64)
        buffers = used
        filled = (flags & HAS_BUFFER) != 0
        ours = filled & (self._slots["mark"][slots] == came["mark"])
        if not ours.all():
            slots, buffers, sizes = slots[ours], buffers[ours], sizes[ours]
        secure = self._slots["secure"][slots]
        if secure.any():
            self._take_secure(slots[secure], buffers[secure], sizes[secure], now)
            clear = ~secure
            slots, buffers, sizes = slots[clear], buffers[clear], sizes[clear]
        if len(slots):
            self._take(slots, buffers, sizes, now)
        self._ring.give_back(used[filled])
        ended = (flags & GOES_ON) == 0
        if ended.any():
            self._resume(came[ended])

    def _take(self, slots: np.ndarray, buffers: np.ndarray, sizes: np.ndarray, now: float) -> None:
        heads = self._ring.buffers[buffers, :HEADER_BYTES].view(HEADER_FIELDS)[:, 0]
        second = heads["second"]
        plain = (heads["first"] >> 6 == 2) & ((second < 192) | (second > 223))
        plain &= sizes >= HEADER_BYTES
        if not plain.all():
            self._set_aside(slots[~plain], buffers[~plain], sizes[~plain])
            slots, buffers, heads, sizes = slots[plain], buffers[plain], heads[plain], sizes[plain]
        places = buffers * self._ring.buffers.shape[1]
        heard = self._slots["heard"][slots]
        if heard.any():
            self._hear(slots[heard], buffers[heard], heads[heard], sizes[heard])
        if not heard.all():
            passed = ~heard
            self._ring.send(self._slots["out_fd"][slots[passed]], places[passed], sizes[passed])
        self._count(slots, heads, sizes, now)

    def _hear(
        self, slots: np.ndarray, buffers: np.ndarray, heads: np.ndarray, sizes: np.ndarray
    ) -> None:
        """Have regular streams' frames put into the table, and give the others theirs."""
        payloads = self._ring.buffers[buffers, HEADER_BYTES:PACKET_BYTES]
        taken = self._table.put(self._slots["table_row"][slots], heads, sizes, payloads)
        if taken.all():
            return
        alone = ~taken
        slots, heads, sizes = slots[alone], heads[alone], sizes[alone]
        places = buffers[alone] * self._ring.buffers.shape[1]
        for slot, at, size, (first, second, _, timestamp, ssrc) in zip(
            slots.tolist(), places.tolist(), sizes.tolist(), heads.tolist(), strict=True
        ):
            data = self._view[at : at + size].tobytes()
            self._heard[slot].take(data, first, second, timestamp, ssrc)

    def _take_secure(
        self, slots: np.ndarray, buffers: np.ndarray, sizes: np.ndarray, now: float
    ) -> None:
        """Open and seal packets where they stand, then send and count those that are authentic."""
        starts = self._slots["at"][slots]
        sizes = sizes - starts
        places = buffers * self._ring.buffers.shape[1] + starts
        octets = self._ring.buffers.reshape(-1)
        heads = octets[places[:, None] + np.arange(HEADER_BYTES)].view(HEADER_FIELDS)[:, 0]
        second = heads["second"]
        plain = (heads["first"] >> 6 == 2) & ((second < 192) | (second > 223))
        plain &= (sizes >= HEADER_BYTES) & (sizes <= MAX_OCTETS)
        plain &= self._from_peer(slots, buffers, starts)
        if not plain.all():
            self._set_aside(slots[~plain], buffers[~plain], sizes[~plain])
            slots, heads, sizes, places = slots[plain], heads[plain], sizes[plain], places[plain]
        clear = self._opened(slots, places, heads, sizes)
        sealed = self._sealed(slots, places, heads, clear)
        sent = sealed > 0
        if sent.any():
            used = slots[sent]
            lengths = self._slots["target_length"][used]
            targets = self._targets.ctypes.data + used * self._targets.strides[0]
            targets[lengths == 0] = 0
            out_fds = self._slots["out_fd"][used]
            self._ring.send_to(out_fds, places[sent], sealed[sent], targets, lengths)
        authentic = clear > 0
        if authentic.any():
            self._count(slots[authentic], heads[authentic], clear[authentic], now)

    def _from_peer(self, slots: np.ndarray, buffers: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """True for packets from the one address that a lane hears, and for all of connected
        sockets."""
        words = 3 if self._name_octets == IPV6_OCTETS else 1  # the rest has no part in it
        names = self._ring.buffers[buffers, NAMES_AT : NAMES_AT + 8 * words].view(np.uint64)
        heard: np.ndarray = (names == self._sources[slots, :words]).all(axis=1) | (starts == 0)
        return heard

    def _opened(
        self, slots: np.ndarray, places: np.ndarray, heads: np.ndarray, sizes: np.ndarray
    ) -> np.ndarray:
        """Octets of packets in the clear, under the payload types that the other sides know; 0 for
        one that isn't authentic."""
        clear, opens = sizes.copy(), self._slots["opens"][slots]
        if opens.any():
            sides = [self._opens[slot] for slot in slots[opens].tolist()]
            packets = self._in_place(places[opens], sizes[opens], heads[opens])
            clear[opens] = open_in_place(sides, packets)
            for slot in slots[clear == 0].tolist():
                self._secure[slot].side.strays += 1
        renumbers = self._slots["renumbers"][slots] & (clear > 0)
        for slot, at in zip(slots[renumbers].tolist(), places[renumbers].tolist(), strict=True):
            self._renumber(at, self._secure[slot].side)
        return clear

    def _sealed(
        self, slots: np.ndarray, places: np.ndarray, heads: np.ndarray, clear: np.ndarray
    ) -> np.ndarray:
        """Octets of packets as they are to be sent; 0 for one that may not be."""
        sealed, seals = clear.copy(), self._slots["seals"][slots] & (clear > 0)
        if seals.any():
            sides = [self._seals[slot] for slot in slots[seals].tolist()]
            packets = self._in_place(places[seals], clear[seals], heads[seals])
            sealed[seals] = seal_in_place(sides, packets)
        return sealed

    def _in_place(self, places: np.ndarray, octets: np.ndarray, heads: np.ndarray) -> InPlace:
        sequences, ssrcs = heads["sequence"].tolist(), heads["ssrc"].tolist()
        return InPlace(self._memory, places.tolist(), octets, sequences, ssrcs)

    def _renumber(self, at: int, side: RelaySide) -> None:
        """Write the payload type that the other side knows."""
        octets = self._ring.buffers.reshape(-1)
        second = int(octets[at + 1])
        octets[at + 1] = second & 0x80 | side.renumbering.get(second & 0x7F, second & 0x7F)

    def _set_aside(self, slots: np.ndarray, buffers: np.ndarray, sizes: np.ndarray) -> None:
        """Keep datagrams for the worker."""
        rows = self._slots[slots]
        for fd, at, number, size in zip(
            rows["fd"].tolist(), rows["at"].tolist(), buffers.tolist(), sizes.tolist(), strict=True
        ):
            buffer = self._ring.buffers[number]
            source = address_of(buffer[NAMES_AT:at].tobytes()) if at else None
            self.unusual.append((fd, buffer[at : at + max(0, size)].tobytes(), source))

    def _resume(self, ended: np.ndarray) -> None:
        """Receive again where that ended without being stopped."""
        again = []
        for mark, result in zip(ended["mark"].tolist(), ended["result"].tolist(), strict=True):
            lane = self._by_slot[mark & 0xFFFF_FFFF]
            if lane is None or lane.mark != mark or result == -errno.ECANCELED:
                continue
            if result >= 0 or -result in _REPEATED:
                again.append(lane.slot)
            else:
                passes = lane.slot not in self._secure and lane.slot not in self._heard
                stream = lane.stream if passes else None
                self.failed.append((lane.fd, lane.out_fd, stream))
        if again:
            self._receive(np.array(again))

    # Counts

    def _go_on_from(self, slot: int, stream: ReceivedStream) -> None:
        so_far = stream.so_far()
        row = self._slots[slot]
        row["packets"] = row["octets"] = 0
        row["last_at"], row["jitter"] = so_far.last_at, so_far.jitter
        row["transit"] = int(so_far.last_at * stream.clock_rate) - so_far.timestamp
        row["ssrc"], row["sequence"] = so_far.ssrc, so_far.sequence
        row["clock_rate"] = stream.clock_rate
        if stream.ssrc is None:
            row["ssrc"] = -1

    def news(self, slot: int) -> Counted:
        """Counts of a lane since they were taken last."""
        row = self._slots[slot]
        packets, octets, last_at, jitter, transit, ssrc, sequence, rate = row.item()[3:11]
        row["packets"] = row["octets"] = 0
        timestamp = int(last_at * rate) - transit & 0xFFFF_FFFF
        return Counted(packets, octets, last_at, jitter, timestamp, max(0, ssrc), sequence)

    def _count(self, slots: np.ndarray, heads: np.ndarray, sizes: np.ndarray, now: float) -> None:
        """Count packets of many lanes, of which a lane may have several.

        Hence `np.add.at` and not ``all_of["packets"][slots] += 1``, which counts a lane once,
        however often its slot stands in `slots`.
        """
        all_of = self._slots
        sequence = heads["sequence"].astype(np.int64)
        ssrc = heads["ssrc"].astype(np.int64)
        # Signed distance to the lane's highest number, over the wrap: -32768 to 32767.
        ahead = (sequence - all_of["sequence"][slots] + 0x8000 & 0xFFFF) - 0x8000
        odd = (ssrc != all_of["ssrc"][slots]) | (ahead >= MAX_DROPOUT) | (ahead <= -MAX_MISORDER)
        if odd.any():
            slow = np.isin(slots, slots[odd])
            self._count_slowly(slots[slow], heads[slow], sizes[slow], now)
            usual = ~slow
            slots, sizes, ahead = slots[usual], sizes[usual], ahead[usual]
            heads = heads[usual]
        np.add.at(all_of["packets"], slots, 1)
        np.add.at(all_of["octets"], slots, sizes - HEADER_BYTES)
        all_of["last_at"][slots] = now
        self._advance(slots, ahead)
        self._time(slots, heads["timestamp"].astype(np.int64), now)

    def _advance(self, slots: np.ndarray, ahead: np.ndarray) -> None:
        """Keep the highest sequence number of each lane.

        Example: the lane at 65534 gets 65535, 1 and 0 in one turn, which are 1, 3 and 2 ahead; the
        furthest ahead is 3, so it is at 65537 & 0xFFFF = 1 afterwards.
        """
        all_of = self._slots
        all_of["ahead"][slots] = 0
        np.maximum.at(all_of["ahead"], slots, ahead)
        highest = all_of["sequence"][slots] + all_of["ahead"][slots]
        all_of["sequence"][slots] = highest & 0xFFFF

    def _time(self, slots: np.ndarray, timestamps: np.ndarray, now: float) -> None:
        """Jitter (A.8), scaled by 16; of packets that were fetched together by the last one."""
        all_of = self._slots
        # A lane that stands several times in `slots` keeps the position that is written last, so
        # exactly the last packet of each lane finds its own position there again.
        order = np.arange(len(slots))
        all_of["last"][slots] = order
        last = all_of["last"][slots] == order
        if not last.all():
            slots, timestamps = slots[last], timestamps[last]
        rates = all_of["clock_rate"][slots]
        transit = (now * rates).astype(np.int64) - timestamps
        steps = np.abs(transit - all_of["transit"][slots])
        all_of["transit"][slots] = transit
        jitter = all_of["jitter"][slots]
        changes = steps - (jitter + 8 >> 4)
        changes[steps >= MAX_TRANSIT_STEP_SECONDS * rates] = 0
        all_of["jitter"][slots] = jitter + changes

    def _count_slowly(
        self, slots: np.ndarray, heads: np.ndarray, sizes: np.ndarray, now: float
    ) -> None:
        """As packets that come alone are counted."""
        for slot in set(slots.tolist()):
            lane = self._by_slot[slot]
            if lane is None:
                continue
            lane.stream.catch_up()
            mine = slots == slot
            for head, size in zip(heads[mine].tolist(), sizes[mine].tolist(), strict=True):
                _, _, sequence, timestamp, ssrc = head
                lane.stream.count(sequence, timestamp, ssrc, size, now)
            self._go_on_from(slot, lane.stream)


def _words(octets: bytes) -> np.ndarray:
    """An address as it stands in a row."""
    return np.frombuffer(octets.ljust(8 * _ADDRESS_WORDS, b"\0"), np.uint64)


def ring_lanes(octets: int, name_octets: int, table: FrameTable) -> RingLanes | None:
    """None where the system has no io_uring for us: it is too old, or a container forbids it."""
    try:
        return RingLanes(octets, name_octets, table)
    except OSError:
        return None
