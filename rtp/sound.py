"""The sound tier: every 20 ms what came is decoded, mixed, recorded, and what is said is sent.

All sides of a worker are done together, so that numpy is called a few times in a tick and not a few
times for each side. A side is here only while the switch itself says something to it or listens to
it; before and after its packets go by the relay alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatchmethod
from typing import Protocol

import numpy as np

from rtp.batch import encoded
from rtp.control import (
    Bridge,
    Digit,
    DigitMethod,
    FromSound,
    Hear,
    Listen,
    Mute,
    Play,
    Played,
    PlayedReason,
    Press,
    Record,
    Recorded,
    RecordedReason,
    SendDigits,
    Side,
    Speaker,
    StopPlaying,
    StopRecording,
    ToSound,
)
from rtp.disk import Loaded, Result, Written
from rtp.fax_tones import kinds
from rtp.figures import TickFigures
from rtp.frame_table import FrameTable
from rtp.inbound import frames_of
from rtp.latch import Address
from rtp.outbound import OutboundSound
from rtp.prompts import Prompts
from rtp.recording import Recording
from rtp.relay import SIDE_A, SIDE_B
from rtp.reports import OwnReports
from rtp.room_streams import RoomStreams
from rtp.rooms import Rooms
from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, SILENT_FRAME, Samples
from rtp.sound_side import NO_SIDES, NOBODY, SoundSession, SoundSide
from rtp.telephone_event import DEFAULT_DIGIT_MS, DIGITS
from rtp.tick import TickClock

Outgoing = tuple[int, bytes, Address]
"""Out of which port, what, and where to."""

_SIDES: tuple[Side, Side] = ("a", "b")
REPORT_TICKS = 250
"""5 s between reports, give or take half of it."""
QUIET_TICKS = 2
"""Ticks without a change of any member, after which their streams are made together."""


class Files(Protocol):
    """Prompts and recordings; results come to :meth:`SoundTier.disk_told`."""

    def load(self, path: str) -> None:
        """Read a prompt."""

    def open(self, recording: int, path: str, channels: int) -> None:
        """Begin the file of a recording, with 1 or 2 channels."""

    def write(self, recording: int, data: bytes) -> None:
        """Append 16-bit samples, as octets."""

    def close(self, recording: int) -> None:
        """Complete the file of a recording."""


class SoundTier:
    """Sides, rooms and recordings of one worker.

    Args:
        draw: random numbers of so many bits.
        epoch_offset_ms: epoch milliseconds at which the monotonic clock was 0.
        table: has the frames of regular streams whose packets come many at once; None: there are
            no such streams.
    """

    def __init__(
        self,
        files: Files,
        draw: Callable[[int], int],
        epoch_offset_ms: int = 0,
        table: FrameTable | None = None,
    ) -> None:
        self._table = FrameTable() if table is None else table
        self._files = files
        self._draw = draw
        self._epoch_offset_ms = epoch_offset_ms
        self._sides: list[SoundSide] = []
        self._rooms = Rooms()
        self._room_streams: RoomStreams | None = None
        self._quiet_at = 0
        """The tick from which members' streams may be made together again."""
        self._recordings: dict[int, tuple[SoundSession, Recording]] = {}
        self._ending: dict[int, Recorded] = {}
        self._prompts = Prompts(files.load, self._failed)
        self._clock = TickClock()
        self._messages: list[FromSound] = []
        self._changed: list[int] = []

    def __len__(self) -> int:
        """Sides in use."""
        return len(self._sides)

    # Commands of the switch

    def handle(self, message: ToSound, session: SoundSession, now: float) -> None:
        """Do what a message asks for."""
        self.moved(session)
        self._handle(message, session, now)
        for side in session.sides:
            if side is not None:
                self._disturb(side)
                self._settle(side, now)

    @singledispatchmethod
    def _handle(self, message: ToSound, session: SoundSession, now: float) -> None:
        raise TypeError(f"{message!r}")

    @_handle.register
    def _hear(self, message: Hear, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is None:
            return
        self._rooms.leave(side)
        side.hears = message.source
        if message.source == "room" and not self._rooms.enter(side, message):
            side.hears = "prompts"

    @_handle.register
    def _mute(self, message: Mute, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is not None and side.member is not None:
            self._rooms.mute(side.member, muted=message.muted)

    @_handle.register
    def _play(self, message: Play, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is None:
            return
        self._prompts.play(side, message)
        if message.over:  # what the other side says is mixed into
            self._side(session, "b" if message.side == "a" else "a")

    @_handle.register
    def _stop_playing(self, message: StopPlaying, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is not None:
            self._stopped(side, side.player.stop(), "stopped")

    @_handle.register
    def _listen(self, message: Listen, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is None:
            return
        side.listens = message.digits
        side.listens_in_band = message.digits and message.in_band
        side.relay_side.withholds_keys = message.digits and message.withheld
        side.choose_detector()
        side.inbound.digits = ""

    @_handle.register
    def _press(self, message: Press, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is not None and len(message.digit) == 1 and message.digit in DIGITS:
            self._pressed(side, message.digit, "info", now)

    @_handle.register
    def _send_digits(self, message: SendDigits, session: SoundSession, now: float) -> None:
        side = self._side(session, message.side)
        if side is not None:
            side.send_digits(message.digits, message.milliseconds)

    @_handle.register
    def _record(self, message: Record, session: SoundSession, now: float) -> None:
        if message.recording in self._recordings:
            return
        recording = Recording(
            message.recording,
            message.sides,
            max_seconds=message.max_seconds,
            silence_seconds=message.silence_seconds,
            end_digits=message.end_digits,
        )
        self._recordings[recording.id] = (session, recording)
        session.recordings += (recording,)
        self._side(session, "a")
        self._side(session, "b")
        self._files.open(recording.id, message.path, recording.channels)

    @_handle.register
    def _stop_recording(self, message: StopRecording, session: SoundSession, now: float) -> None:
        found = self._recordings.get(message.recording)
        if found is not None and found[0] is session:
            self._end_recording(found[1], "stopped")

    @_handle.register
    def _bridge(self, message: Bridge, session: SoundSession, now: float) -> None:
        if len(session.ports) < len(session.sides):
            return
        session.bridged = message.bridged
        for side in [self._side(session, letter) for letter in _SIDES]:
            if side is not None:
                side.choose_detector()

    def close(self, session: SoundSession) -> None:
        """A session ends, and what belongs to it."""
        for recording in session.recordings:
            self._end_recording(recording, "closed")
        self._prompts.forget(session)
        for side in session.sides:
            if side is None:
                continue
            self._disturb(side)
            self._rooms.leave(side)
            if side.relay_side.inbound is not None:
                self._leave(side)
        # They know each other; a worker has no garbage collector that would find that out.
        session.sides = NO_SIDES

    def moved(self, session: SoundSession) -> None:
        """A notice that a side is sent something else from now on, or at another address."""
        for side in session.sides:
            if side is not None:
                self._disturb(side)

    def negotiated(self, session: SoundSession) -> None:
        """A side said what it wants to hear."""
        for side in session.sides:
            if side is None:
                continue
            self._disturb(side)
            side.agree()
            if side.outbound.clock_rate != side.clock_rate:
                side.outbound = self._outbound(side.clock_rate)

    # Sides

    def _side(self, session: SoundSession, letter: Side) -> SoundSide | None:
        """A side of a session, made when it is needed first; None if there is none."""
        index = SIDE_A if letter == "a" else SIDE_B
        if index >= len(session.ports):
            return None
        side = session.sides[index]
        if side is None:
            relay_side = session.relay.sides[index]
            outbound = self._outbound(CLOCK_RATE)
            reports = OwnReports(b"%024x" % self._draw(96))
            side = SoundSide(session, letter, relay_side, outbound, reports)
            a, b = session.sides
            session.sides = (side, b) if index == SIDE_A else (a, side)
            self.negotiated(session)
        return side

    def _outbound(self, clock_rate: int) -> OutboundSound:
        return OutboundSound(self._draw(32), self._draw(15), self._draw(32), clock_rate)

    def _settle(self, side: SoundSide, now: float) -> None:
        """Have the relay leave to us what we do, and give back what we don't any more."""
        relay_side = side.relay_side
        spoken_to, in_use = side.spoken_to, side.in_use
        if relay_side.spoken_to != spoken_to:
            relay_side.spoken_to = spoken_to
            self._changed.append(side.session.id)
            if spoken_to:
                side.session.relay.begin_speaking(relay_side, now)
        if in_use == (relay_side.inbound is not None):
            return
        self._changed.append(side.session.id)
        if not in_use:
            self._leave(side)
            return
        if not self._sides:
            self._clock.start(now)
        side.inbound.buffer.restart()
        relay_side.inbound = side.inbound
        side.row = len(self._sides)
        self._sides.append(side)
        self._rooms.rows_changed()

    def _leave(self, side: SoundSide) -> None:
        """Have the relay alone take a side's packets; the others move up."""
        side.relay_side.inbound = None
        side.inbound.leave_table()
        self._sides.remove(side)
        for row, other in enumerate(self._sides):
            other.row = row
            if other.inbound.is_regular:
                self._table.place(other.inbound, row)
        self._rooms.rows_changed()

    # Playing

    def _failed(self, side: SoundSide, playing: int, problem: str) -> None:
        self._messages.append(Played(side.session.id, side.letter, playing, "failed", problem))

    def _stopped(self, side: SoundSide, playings: list[int], reason: PlayedReason) -> None:
        self._messages += [
            Played(side.session.id, side.letter, playing, reason)
            for playing in playings
            if playing != NOBODY
        ]

    def disk_told(self, result: Result, now: float) -> None:
        """A file was read or written."""
        match result:
            case Loaded():
                for side in self._prompts.loaded(result):
                    self._disturb(side)
                    self._settle(side, now)
            case Written(recording, reason):
                self._written(recording, reason, now)

    # Digits

    def _pressed(self, side: SoundSide, digit: str, method: DigitMethod, now: float) -> None:
        if not side.is_new(digit, method, now):
            return
        if side.listens:
            self._messages.append(Digit(side.session.id, side.letter, digit, method))
            self._stopped(side, side.player.barge_in(), "key")
        peer = side.peer
        passes = side.passes_decoded and not side.relay_side.withholds_keys
        if passes and peer is not None:
            peer.send_digits(digit, DEFAULT_DIGIT_MS)
        for recording in side.session.recordings:
            if recording.sides in (side.letter, "both"):
                recording.press(digit)

    # Recordings

    def _end_recording(self, recording: Recording, reason: RecordedReason) -> None:
        session, _ = self._recordings.pop(recording.id)
        session.drop(recording)
        self._ending[recording.id] = Recorded(
            session.id, recording.id, recording.duration_ms, reason
        )
        rest = recording.take_block()
        if rest:
            self._files.write(recording.id, rest)
        self._files.close(recording.id)

    def _written(self, recording: int, problem: str, now: float) -> None:
        found = self._recordings.pop(recording, None)
        if found is not None:  # it failed while it went on
            session, it = found
            session.drop(it)
            self._messages.append(
                Recorded(session.id, recording, it.duration_ms, "failed", problem)
            )
            for side in session.sides:
                if side is not None:
                    self._settle(side, now)
            return
        ended = self._ending.pop(recording, None)
        if ended is None:
            return
        if problem:
            ended = Recorded(ended.session, recording, ended.duration_ms, "failed", problem)
        self._messages.append(ended)

    # The tick

    @property
    def due_at(self) -> float | None:
        """Monotonic seconds at which the next tick is due; None while no side is in use."""
        return self._clock.due_at if self._sides else None

    def tick(self, now: float) -> list[Outgoing]:
        """Do the ticks that are due, and say what is to be sent."""
        outgoing: list[Outgoing] = []
        if self._sides:
            for number in self._clock.due(now):
                self._tick(number, now, outgoing)
        return outgoing

    def figures(self, seconds: float) -> TickFigures:
        """Lateness of the ticks of the last so many seconds, at most five minutes."""
        return self._clock.figures(len(self._sides), seconds)

    def _tick(self, number: int, now: float, outgoing: list[Outgoing]) -> None:
        sides = list(self._sides)
        frames, alone = frames_of([side.inbound for side in sides], self._table)
        others = [side for side in sides if not side.in_room_streams]
        if self._room_streams is None or not self._room_streams.goes_on(number, others):
            self._choose_room_streams(sides, number)
            others = [side for side in sides if not side.in_room_streams]
        # A member whose frame came from the table has pressed no key, and has no detector if its
        # stream is one of the room streams.
        for row in sorted({*alone, *[side.row for side in others]}):
            self._take_keys(sides[row], frames[row], now)
        self._look_for_fax(number, others, frames)
        self._record_frames(frames)
        mixed, speakers = self._rooms.mixed(frames)
        self._messages += [Speaker(side.room, side.session.id, side.letter) for side in speakers]
        spoken_to = [side for side in others if side.relay_side.spoken_to]
        reporting = [side for side in spoken_to if number >= side.report_at]
        if self._room_streams is not None:
            outgoing += self._room_streams.packets(mixed, now)
            reporting += self._room_streams.reporting(number)
        if spoken_to:
            heard = self._to_hear(spoken_to, mixed, frames)
            self._speak(number, spoken_to, heard, now, outgoing)
        for side in sorted(reporting, key=_row_of):
            self._report(side, number, now, outgoing)
        if self._room_streams is not None:
            self._room_streams.reported(number)
        for side in others:
            if side.player.finished or side.overlay.finished:
                self._tell_finished(side)
            if side.hears == "peer":  # others stay until the switch says otherwise
                self._settle(side, now)

    def _choose_room_streams(self, sides: list[SoundSide], number: int) -> None:
        """See which members' streams can be made together from now on; none while members change
        all the time, for it costs as much as to make each for some ticks."""
        self._end_room_streams()
        if number >= self._quiet_at:
            fitting = [side for side in sides if RoomStreams.fits(side, number)]
            if fitting:
                self._rooms.mixer()  # which numbers them
                self._room_streams = RoomStreams(fitting, number)

    def _end_room_streams(self) -> None:
        if self._room_streams is not None:
            self._room_streams.end()
            self._room_streams = None

    def _disturb(self, side: SoundSide) -> None:
        """A side changes; if it is a member, the streams to all members may."""
        if side.member is not None:
            self._end_room_streams()
            self._quiet_at = self._clock.number + QUIET_TICKS

    def _take_keys(self, side: SoundSide, frame: Samples, now: float) -> None:
        inbound = side.inbound
        if inbound.digits:
            digits, inbound.digits = inbound.digits, ""
            for digit in digits:
                self._pressed(side, digit, "event", now)
        if side.detector is not None:
            for digit in side.detector.feed(frame):
                self._pressed(side, digit, "tone", now)

    def _look_for_fax(self, number: int, sides: list[SoundSide], frames: Samples) -> None:
        """Keep calls clear in which a fax begins."""
        awaiting = [side for side in sides if side.fax_tones is not None]
        if not awaiting:
            return
        found = kinds(frames[[side.row for side in awaiting]])
        for index in np.flatnonzero(found):
            side = awaiting[index]
            tones = side.fax_tones
            if tones is not None and tones.take(int(found[index]), number, frames[side.row]):
                _keep_clear(side.session)

    def _record_frames(self, frames: Samples) -> None:
        if not self._recordings:
            return
        for session, recording in list(self._recordings.values()):
            a, b = (SILENT_FRAME if side is None else frames[side.row] for side in session.sides)
            block = recording.add(a, b)
            if block is not None:
                self._files.write(recording.id, block)
            if recording.reason is not None:
                self._end_recording(recording, recording.reason)

    def _to_hear(self, spoken_to: list[SoundSide], mixed: Samples, frames: Samples) -> Samples:
        """The sound for each side that is spoken to alone."""
        heard = np.zeros((len(spoken_to), FRAME_SAMPLES), np.int16)
        members = [side.member for side in spoken_to]
        inside = [row for row, member in enumerate(members) if member is not None]
        heard[inside] = mixed[[member.row for member in members if member is not None]]
        for row, side in enumerate(spoken_to):
            if side.member is not None and not (side.player.busy or side.overlay.busy):
                continue  # it hears its room alone
            frame = side.player.frame() if side.player.busy else None
            if frame is not None:
                heard[row] = frame
            elif side.hears == "echo":
                heard[row] = frames[side.row]
            elif side.member is None and (side.session.bridged or side.overlay.busy):
                heard[row] = _bridged(side, frames)
            if side.overlay.busy:
                heard[row] = side.overlay.over(heard[row])
        return heard

    def _speak(
        self,
        number: int,
        sides: list[SoundSide],
        heard: Samples,
        now: float,
        outgoing: list[Outgoing],
    ) -> None:
        """Encode and packetise what the sides hear."""
        octets = encoded(heard, [side.relay_side.formats.encoding for side in sides])
        for row, (side, own) in enumerate(zip(sides, octets, strict=True)):
            relay_side = side.relay_side
            target = relay_side.rtp_destination
            formats = relay_side.formats
            if target is None or formats.encoding is None:
                continue
            relay_side.sent_at = now
            if side.law_payload_type is not None and not side.events.digits:
                packet = side.outbound.packet(number, own, side.law_payload_type)
                outgoing.append((side.port, packet, target))
                continue
            if side.events.digits:
                event = side.events.next_packet(side.outbound.time(number))
                if event is not None and formats.event_payload_type is not None:
                    packet = side.outbound.event(number, event, formats.event_payload_type)
                    outgoing.append((side.port, packet, target))
                    continue
            for packet in side.packets(number, heard[row], own):
                outgoing.append((side.port, packet, target))

    def _report(self, side: SoundSide, number: int, now: float, outgoing: list[Outgoing]) -> None:
        """Send RTCP, at intervals of chance (RFC 3550 section 6.2)."""
        first = side.report_at == 0
        side.report_at = number + REPORT_TICKS // 2 + self._draw(16) * REPORT_TICKS // (1 << 16)
        relay_side = side.relay_side
        target = relay_side.rtcp_destination
        if first or target is None:
            return
        port = side.session.ports[SIDE_A if side.letter == "a" else SIDE_B]
        data = side.reports.report(
            side.outbound,
            side.outbound.time(number),
            relay_side.stream,
            relay_side.reports,
            now,
            self._epoch_offset_ms + round(now * 1000),
        )
        outgoing.append((port if relay_side.multiplexes else port + 1, data, target))

    def _tell_finished(self, side: SoundSide) -> None:
        self._messages += [
            Played(side.session.id, side.letter, playing, "end")
            for playing in (*side.player.finished, *side.overlay.finished)
            if playing != NOBODY
        ]
        side.player.finished.clear()
        side.overlay.finished.clear()

    # Outgoing sound

    def take_messages(self) -> list[FromSound]:
        """Messages for the switch; each is returned once."""
        messages, self._messages = self._messages, []
        return messages

    def take_changed(self) -> list[int]:
        """Sessions whose packets go another way now."""
        changed, self._changed = self._changed, []
        return changed


def _bridged(side: SoundSide, frames: Samples) -> Samples:
    """The other side's sound; without the tone of a key that is sent in another way."""
    peer = side.peer
    if side.hears != "peer" or peer is None or peer.hears != "peer":
        return SILENT_FRAME
    told = side.relay_side.formats.event_payload_type is not None or peer.relay_side.withholds_keys
    if told and peer.detector is not None and peer.detector.sounding:
        return SILENT_FRAME
    said: Samples = frames[peer.row]
    return said


def _row_of(side: SoundSide) -> int:
    return side.row


def _keep_clear(session: SoundSession) -> None:
    """Pass both sides' sound on as a modem needs it, for the rest of the call."""
    session.is_fax = True
    for side in session.sides:
        if side is not None:
            side.inbound.keep_clear()
            side.choose_detector()
