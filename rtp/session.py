"""Relay sessions as the switch sees them, whatever runs the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from rtp.control import (
    Agree,
    Bridge,
    Certificate,
    Digit,
    Direction,
    FaxAddress,
    Figures,
    Hear,
    Keys,
    Listen,
    Mute,
    Played,
    PlayItem,
    Press,
    Recorded,
    RecordedSides,
    Relearn,
    Seen,
    SendDigits,
    SetRemote,
    Side,
    Source,
    Speaker,
    StopPlaying,
    StopRecording,
    ToSound,
    WebTerms,
)
from rtp.figures import SessionFigures, Tier
from rtp.formats import Formats

if TYPE_CHECKING:
    from rtp.session_book import SessionBook

PLAIN_FORMATS = Formats()
"""PCMU under its static number."""


# Shared by all sessions: an empty set of its own takes 216 octets of each, a dict 232.
_NO_SIDES: frozenset[Side] = frozenset()
_NO_ADDRESSES: Mapping[Side, tuple[str, int]] = MappingProxyType({})
_NO_KEYS: Mapping[Side, Keys] = MappingProxyType({})
_NOTHING: Mapping[Side, Seen] = MappingProxyType({"a": (), "b": ()})


class MediaError(Exception):
    """No ports, or no worker; one line that names the cause."""


class WorkerLost(MediaError, ConnectionError):
    """The worker of a session died."""


BATCH_FROM = 400
"""Directions of calls; in a batch there are then 40 packets."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Settings of every worker; times in seconds.

    Args:
        latch_seconds: how long after an offer or answer a side may be learned from its packets.
        silence_seconds: a session without RTP from either side for so long is reported.
        hold_silence_seconds: the same while a side is on hold.
        quarantine_seconds: how long a used port rests.
        fast_path: whether the kernel may take over what is only passed on.
        hung_seconds: a worker that has not answered for so long is killed and replaced.
        batch_from: from so many directions on that stay with a worker it passes them on together,
            by io_uring where there is one; None: never. A batch costs as much as 20 to 30 single
            packets, however few are in it.
        certificate: by which browsers know us; None: there are none.
        ice_tcp_port: of the first worker, for browsers that get no UDP through; each further worker
            has the next one. None: there is none.
        niceness: nice level of the workers, where the system allows it; 0: as the switch's.
    """

    latch_seconds: float = 3.0
    silence_seconds: float = 60.0
    hold_silence_seconds: float = 300.0
    quarantine_seconds: float = 5.0
    fast_path: bool = False
    hung_seconds: float = 20.0
    batch_from: int | None = BATCH_FROM
    certificate: Certificate | None = None
    ice_tcp_port: int | None = None
    niceness: int = 0


class MediaSession:
    """A relay session: a port pair for each side of a call.

    Args:
        a_port, b_port: the RTP ports; RTCP is one above. `b_port` is 0 where the switch itself is
            who was called.
        ice_tcp_port: for browsers that get no UDP through; 0: there is none.
    """

    __slots__ = (
        "_book",
        "_closing",
        "a_port",
        "b_port",
        "elsewhere",
        "ice_tcp_port",
        "id",
        "keyed",
        "latched",
        "on_digit",
        "on_speaker",
        "owner",
        "seen",
        "sent",
        "tier",
        "unheard",
    )

    def __init__(
        self, session: int, book: SessionBook, a_port: int, b_port: int, ice_tcp_port: int = 0
    ) -> None:
        self.id = session
        self.a_port = a_port
        self.b_port = b_port
        self.ice_tcp_port = ice_tcp_port
        self.owner: object = None
        """The user of the session; not touched here."""
        self.on_digit: Callable[[Digit], None] | None = None
        """Told of keys, on sides that are listened to."""
        self.on_speaker: Callable[[Speaker], None] | None = None
        """Told when a side of this session takes the floor of its room."""
        # An empty dict of its own would cost each session 64 octets, thrice.
        self.latched: Mapping[Side, tuple[str, int]] = _NO_ADDRESSES
        """The sources of each side's packets, as far as known."""
        self.elsewhere: Mapping[Side, tuple[str, int]] = _NO_ADDRESSES
        """Other ports of silent sides' hosts that send, and aren't heard."""
        self.unheard: frozenset[Side] = _NO_SIDES
        """Sides from which nothing comes now, though they are spoken to."""
        self.tier: Tier = "relay"
        """The tier that forwarded the packets when the figures were last asked for."""
        self.seen: Mapping[Side, Seen] = _NOTHING
        """The SRTP packets of each side by its key, when the figures were last asked for."""
        self.sent: Mapping[Side, Seen] = _NOTHING
        """Those that went to each side by our key, where that can't be changed."""
        self.keyed: Mapping[Side, Keys] = _NO_KEYS
        """The SRTP keys that DTLS has agreed on with browsers."""
        self._book = book
        self._closing: asyncio.Future[SessionFigures] | None = None

    def latch(self, side: Side, source: tuple[str, int]) -> bool:
        """Note the latched source of a side; True if it had another one."""
        moved = side in self.latched
        self.latched = {**self.latched, side: source}
        if side in self.elsewhere:
            self.elsewhere = {one: at for one, at in self.elsewhere.items() if one != side}
        return moved

    def set_remote(
        self,
        side: Side,
        address: str | None,
        rtp_port: int,
        rtcp_port: int,
        direction: Direction,
        *,
        signalling_address: str | None = None,
        formats: Formats = PLAIN_FORMATS,
        packet_ms: int = 20,
        keys: Keys | None = None,
        web: WebTerms | None = None,
        fax: FaxAddress | None = None,
        patient: bool = False,
    ) -> None:
        """Tell the relay what a side said in its offer or answer; see :class:`SetRemote`.

        Args:
            patient: nothing is to be sent to the side yet, so that some milliseconds don't matter.
        """
        if self._closing is not None:
            return
        send = self._book.send_patiently if patient else self._book.send
        send(
            SetRemote(
                self.id,
                side,
                address,
                rtp_port,
                rtcp_port,
                direction,
                signalling_address,
                formats,
                packet_ms,
                keys,
                web,
                fax,
            )
        )

    def agree(self, side: Side, formats: Formats) -> None:
        """Tell the relay what both sides' descriptions come to for one of them."""
        if self._closing is None:
            self._book.send(Agree(self.id, side, formats))

    def relearn(self, side: Side, signalling_address: str | None = None) -> None:
        """Let a side's sound come from a new port for a while; see :class:`Relearn`."""
        if self._closing is None:
            self._book.send(Relearn(self.id, side, signalling_address))

    # The sound tier

    def hear(
        self,
        side: Side,
        source: Source,
        room: int = 0,
        *,
        muted: bool = False,
        tones: bool = False,
    ) -> None:
        """Choose what a side hears; see :class:`Hear`."""
        self._send(Hear(self.id, side, source, room, muted, tones))

    def beside(self, other: MediaSession) -> bool:
        """True if both sessions are in one engine, and so can be in one room."""
        return self._book is other._book

    def is_kept_by(self, book: SessionBook) -> bool:
        """True if it is, or was, a session of this book's engine."""
        return self._book is book

    def bridge(self, bridged: bool) -> None:
        """Have the sides hear each other's decoded sound, or no more; see :class:`Bridge`."""
        self._send(Bridge(self.id, bridged))

    def mute(self, side: Side, muted: bool) -> None:
        """Silence a side in its room, or no more."""
        self._send(Mute(self.id, side, muted))

    def play(
        self,
        side: Side,
        items: Sequence[PlayItem],
        *,
        barge_in: bool = False,
        repeat: bool = False,
        over: bool = False,
    ) -> asyncio.Future[Played]:
        """Play to a side, after what is queued or (`over`) above all that; the result says how it
        ended.

        It fails with WorkerLost if the worker died.
        """
        return self._book.play(
            self, side, tuple(items), barge_in=barge_in, repeat=repeat, over=over
        )

    def stop_playing(self, side: Side) -> None:
        """Stop all that is played to a side."""
        self._send(StopPlaying(self.id, side))

    def listen(
        self, side: Side, *, digits: bool = True, in_band: bool = False, withheld: bool = False
    ) -> None:
        """Have `on_digit` told of keys, or no more; see :class:`Listen`."""
        self._send(Listen(self.id, side, digits, in_band, withheld))

    def press(self, side: Side, digit: str) -> None:
        """A side's phone said in signalling that a key was pressed."""
        self._send(Press(self.id, side, digit))

    def send_digits(self, side: Side, digits: str, milliseconds: int = 100) -> None:
        """Press keys for a side's peer."""
        self._send(SendDigits(self.id, side, digits, milliseconds))

    def record(
        self,
        path: str,
        sides: RecordedSides,
        *,
        max_seconds: float,
        silence_seconds: float = 0.0,
        end_digits: str = "",
    ) -> tuple[int, asyncio.Future[Recorded]]:
        """Record to a file that isn't there yet; see :class:`Record`.

        Returns:
            An id to stop it by, and what will say how it ended. That fails with WorkerLost if the
            worker died; what it wrote until then :func:`rtp.disk.recover` completes.
        """
        return self._book.record(
            self,
            path,
            sides,
            max_seconds=max_seconds,
            silence_seconds=silence_seconds,
            end_digits=end_digits,
        )

    def stop_recording(self, recording: int) -> None:
        """End a recording."""
        self._send(StopRecording(self.id, recording))

    def _send(self, message: ToSound) -> None:
        if self._closing is None:
            self._book.send(message)

    def figures(self) -> asyncio.Future[SessionFigures | None]:
        """The figures as they stand; None if the session is closed. Fails with WorkerLost."""
        return self._book.figures(self)

    def take_figures(self, told: Figures) -> None:
        """Keep what the engine told beside the figures."""
        self.tier = told.tier
        self.seen = {"a": told.seen[0], "b": told.seen[1]}
        self.sent = {"a": told.sent[0], "b": told.sent[1]}

    def close(self) -> asyncio.Future[SessionFigures]:
        """Close the ports; the result are the last figures. Repeated: the same future.

        The future fails with WorkerLost if the worker died.
        """
        if self._closing is None:
            self._closing = self._book.close(self)
        return self._closing
