"""The sound received from one side: from packets to frames of 20 ms and digits."""

from __future__ import annotations

import numpy as np

from rtp import comfort_noise, g722, opus
from rtp.batch import LAW_INDEX, decoded
from rtp.comfort_noise import ComfortNoise
from rtp.concealment import Concealer
from rtp.formats import STATIC, Encoding, Formats
from rtp.frame_table import FrameTable
from rtp.g711 import LAWS, PCMU, Law
from rtp.g722 import G722
from rtp.jitter_buffer import Halves, JitterBuffer, Regular
from rtp.opus_stream import OpusStream
from rtp.packet import HEADER, HEADER_BYTES, PLAIN, PacketError, RtpPacket
from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, SILENT_FRAME, Samples, saturated
from rtp.telephone_event import EventReceiver

_NOTHING = bytes(FRAME_SAMPLES)
_RISE = (np.arange(FRAME_SAMPLES) + 0.5) / FRAME_SAMPLES


def _laws_of(encodings: dict[int, Encoding]) -> dict[int, Law]:
    """The laws of G.711 by payload type: nearly all packets are of one of them."""
    return {number: LAWS[name] for number, name in encodings.items() if name in LAWS}


class InboundSound:
    """One side's received stream, from packets to frames; the latch has checked whose packets
    they are."""

    __slots__ = (
        "_clear",
        "_concealer",
        "_encodings",
        "_events",
        "_laws",
        "_made",
        "_noise",
        "_noisy",
        "_opus",
        "_wide",
        "buffer",
        "clock_rate",
        "digits",
        "is_regular",
        "law",
        "ssrc",
        "table",
        "table_row",
    )

    def __init__(self) -> None:
        self.buffer = JitterBuffer()
        self.law: Law = PCMU
        """The law of the packet that is played now."""
        self._encodings: dict[int, Encoding] = STATIC
        """The encodings by payload type."""
        self._laws = _laws_of(STATIC)
        self.clock_rate = CLOCK_RATE
        """Hz of the timestamps."""
        self.digits = ""
        """Digits received in events and not yet taken."""
        self.ssrc: int | None = None
        self.table: FrameTable | None = None
        """The table that has a row for the stream: its packets come many at once."""
        self.table_row = 0
        self.is_regular = False
        """True while the table has the frames, and plays them."""
        self._wide: G722 | None = None
        self._opus: OpusStream | None = None
        """While that is what comes."""
        self._events = EventReceiver()
        self._concealer = Concealer()
        self._noise = ComfortNoise()
        self._noisy = False
        self._made: Samples = SILENT_FRAME
        self._clear = False

    def keep_clear(self) -> None:
        """Pass what comes as it is, at a constant delay, for a fax or modem: lost packets are
        silence, and nothing is faded, merged or made up."""
        self.leave_table()
        self._clear = True
        self.buffer.fix()

    # While it is regular

    @property
    def law_types(self) -> list[int]:
        """The payload types of the law that comes."""
        return [number for number, law in self._laws.items() if law is self.law]

    def enter_table(self, place: int) -> None:
        """Have the table keep and play the frames, if the stream is regular.

        Args:
            place: see :meth:`FrameTable.enter`.
        """
        if self.table is None or self._noisy or self._clear:
            return
        if self._opus is not None or self._wide is not None:  # their packets are no frames of a law
            return
        regular = self.buffer.lend() if self._concealer.is_steady else None
        if regular is not None:
            self.table.enter(self, regular, place)

    def leave_table(self) -> None:
        """Deal with the stream here again."""
        if self.is_regular and self.table is not None:
            self.table.leave(self)

    def go_on(self, regular: Regular, heard: list[bytes]) -> None:
        """The table no longer has the frames; the last ones that it played are `heard`."""
        self.is_regular = False
        self.buffer.go_on(regular)
        for frame in heard:
            self._concealer.note(frame)

    # In

    def agree(self, formats: Formats) -> None:
        """Take the payload types of what comes from now on."""
        self.leave_table()
        self._encodings = formats.meanings()
        self._laws = _laws_of(self._encodings)
        if formats.clock_rate != self.clock_rate:
            self.clock_rate = formats.clock_rate
            self._events = EventReceiver(formats.clock_rate)

    def receive(self, data: bytes) -> None:
        """Take an RTP packet; one that can't be read is passed over."""
        first, second, _, timestamp, ssrc = HEADER.unpack_from(data)
        self.take(data, first, second, timestamp, ssrc)

    def take(self, data: bytes, first: int, second: int, timestamp: int, ssrc: int) -> None:
        """Take an RTP packet as :meth:`receive`; its header was read."""
        if self.is_regular:
            self.leave_table()
        if (
            first == PLAIN
            and ssrc == self.ssrc
            and self._opus is None
            and self._laws.get(second & 0x7F) is self.law
        ):
            # As below, without two further calls: nearly every packet.
            self._noisy = False
            self.buffer.put(timestamp, data[HEADER_BYTES:])
            return
        try:
            payload = data[HEADER_BYTES:] if first == PLAIN else RtpPacket.parse(data).payload
            if ssrc != self.ssrc:
                self._restart(ssrc)
            self._take(second & 0x7F, timestamp, payload)
        except PacketError:
            return

    def _restart(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.buffer.restart()
        self._opus = None
        self._events = EventReceiver(self.clock_rate)

    def _take(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        law = self._laws.get(payload_type)
        if law is not None:
            if law is not self.law or self._opus is not None:
                self._begin_with(law)
            self._noisy = False
            self.buffer.put(timestamp, payload)
            return
        match self._encodings.get(payload_type):
            case "TELEPHONE-EVENT":
                self.digits += self._events.receive(timestamp, payload) or ""
            case "G722" if g722.AVAILABLE:
                self._take_g722(timestamp, payload)
            case "OPUS" if opus.AVAILABLE:
                self._take_opus(timestamp, payload)
            case "CN":
                self._quieten(payload)

    def _begin_with(self, law: Law) -> None:
        """Another codec follows, whose octets are in this law."""
        self._concealer.decode(self.law)
        self.law = law
        self._opus = None
        self.buffer.restart()

    def _take_g722(self, timestamp: int, payload: bytes) -> None:
        """Decoded as it comes, since the codec goes on from packet to packet; then it is handled
        as if it had come in G.711."""
        if self._wide is None or self.law is not PCMU or self._opus is not None:
            self._wide = self._wide or G722()
            self._begin_with(PCMU)
        self._noisy = False
        if len(payload) % 2 == 0 and payload:
            self.buffer.put(timestamp, PCMU.encode(self._wide.decode(payload)))

    def _take_opus(self, timestamp: int, payload: bytes) -> None:
        if self._opus is None:
            self._begin_with(PCMU)
            self._opus = OpusStream(self.buffer)
        self._noisy = False
        self._opus.put(timestamp, payload)

    def _quieten(self, payload: bytes) -> None:
        level = comfort_noise.level_db(payload)
        if level is not None:
            self._noise.set_level(level)
            self._noisy = True

    # Out

    def octets(self) -> bytes | None:
        """The next frame in `law`; None: it was synthesised, and :meth:`made` has it."""
        buffer = self.buffer
        octets = buffer.pop() if self._opus is None else self._pop()
        if (
            type(octets) is bytes
            and not buffer.excessive
            and (self._clear or self._concealer.note(octets))
        ):
            return octets
        self._made = self._make(octets)
        return None

    def _pop(self) -> bytes | Halves | None:
        if self._opus is not None:
            self._opus.prepare()
        return self.buffer.pop()

    def _came(self, frame: Samples) -> Samples:
        """A frame that came; the same, faded in after a gap."""
        return frame if self._clear else self._concealer.keep(frame)

    @property
    def made(self) -> Samples:
        """The last synthesised frame, of 160 samples."""
        return self._made

    def _make(self, octets: bytes | Halves | None) -> Samples:
        if octets is None:
            return self._missing()
        if isinstance(octets, bytes):
            frame = self._shortened(octets) if self.buffer.excessive else self.law.decode(octets)
            return self._came(frame)
        halves = [self._half(half) for half in octets]
        return np.concatenate(halves)

    def _missing(self) -> Samples:
        if self._clear:
            return SILENT_FRAME
        if self._noisy and self.buffer.starving:
            return self._noise.frame()
        if self._opus is not None and (noise := self._opus.noise()) is not None:
            return self._concealer.keep(noise)
        if self._concealer.gone:
            return SILENT_FRAME
        return self._concealer.conceal(self.law)

    def _half(self, octets: bytes | None) -> Samples:
        if octets is None:
            return self._missing_half()
        return self._came(self.law.decode(octets))

    def _missing_half(self) -> Samples:
        if self._clear:
            return SILENT_FRAME[: FRAME_SAMPLES // 2]
        return self._concealer.conceal(self.law, FRAME_SAMPLES // 2)

    def _shortened(self, octets: bytes) -> Samples:
        """One frame out of two, cross-faded: the delay shrinks."""
        frame = self.law.decode(octets)
        following = self._pop()
        if not isinstance(following, bytes):
            return frame
        return saturated(frame * (1 - _RISE) + self.law.decode(following) * _RISE)


def frames_of(streams: list[InboundSound], table: FrameTable) -> tuple[Samples, list[int]]:
    """The tick's frame of every stream, decoded together, and the rows of those that aren't in the
    table; its places are these rows."""
    octets = np.empty((len(streams), FRAME_SAMPLES), np.uint8)
    laws = np.zeros(len(streams), np.int64)
    alone = np.ones(len(streams), np.bool_)
    places, laws_there, octets_there = table.take()
    octets[places], laws[places], alone[places] = octets_there, laws_there, False
    rows: list[int] = np.flatnonzero(alone).tolist()
    if not rows:
        return decoded(octets, laws), rows
    others = [streams[row] for row in rows]
    parts = [inbound.octets() for inbound in others]
    joined = b"".join([_NOTHING if part is None else part for part in parts])
    octets[rows] = np.frombuffer(joined, np.uint8).reshape(-1, FRAME_SAMPLES)
    laws[rows] = [LAW_INDEX[inbound.law] for inbound in others]
    frames = decoded(octets, laws)
    for row, inbound, part in zip(rows, others, parts, strict=True):
        if part is None:
            frames[row] = inbound.made
        inbound.enter_table(row)
    return frames, rows
