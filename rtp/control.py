"""Messages between a switch and its media workers.

Messages are typed structs, packed with MessagePack, many to a record. Records travel over a
SOCK_SEQPACKET socket pair, which keeps their bounds, so there is nothing to frame. Times are epoch
milliseconds unless a name says otherwise; a worker derives them from its monotonic clock and the
offset in :class:`Start`, so that a step of the wall clock never makes a call shorter or longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from rtp.figures import SessionFigures, Status, TickFigures, Tier
from rtp.formats import Formats

Side = Literal["a", "b"]
"""The caller's side of a relay session, and the called side."""
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""RFC 3264 section 5.1, as the peer on that side sees it: what *it* wants to do."""

MAX_BATCH = 32
"""Messages in one record: between two records a worker forwards the packets that have arrived, so a
flood of new calls delays sound by 2 ms at most."""
MAX_RECORD_BYTES = 65_536
"""The read size of both ends. A message takes less than 1,000 bytes."""


class Certificate(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The certificate by which the switch is known in DTLS, and its private key, never shown; both
    DER."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificate()"


class Start(msgspec.Struct, tag=0, array_like=True, frozen=True, gc=False):
    """The first message: what a worker needs to know.

    Args:
        address: the IP address to bind media ports on.
        first_port, last_port: UDP ports, both included.
        epoch_offset_ms: epoch milliseconds at which the monotonic clock was 0.
        latch_seconds: how long after an offer or answer a side may be learned from its packets.
        silence_seconds: a session without RTP from either side for so long is reported.
        hold_silence_seconds: the same while a side is on hold.
        quarantine_seconds: how long a used port rests.
        fast_path: whether the kernel may take over what is only passed on.
        batch_from: from so many directions on that stay with the worker it passes them on together,
            by io_uring where there is one; None: never.
        certificate: for browsers; None: a side can't be one.
        ice_tcp_port: TCP port on which browsers that get no UDP through connect; None: there is
            none.
        niceness: nice level to work at, where the system allows it; 0: as the switch's.
    """

    address: str
    first_port: int
    last_port: int
    epoch_offset_ms: int
    latch_seconds: float
    silence_seconds: float
    hold_silence_seconds: float
    quarantine_seconds: float
    fast_path: bool = False
    batch_from: int | None = None
    certificate: Certificate | None = None
    ice_tcp_port: int | None = None
    niceness: int = 0


class SideSpec(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Facts of a side that are known when its ports are opened.

    Args:
        signalling_address: the IP address that the peer's SIP comes from, a hint for latching.
    """

    signalling_address: str | None = None


class Open(msgspec.Struct, tag=1, array_like=True, frozen=True, gc=False):
    """Open two port pairs; answered by Opened or OpenFailed.

    Args:
        side_b: None for a session in which the switch itself is who was called: one pair.
    """

    session: int
    side_a: SideSpec
    side_b: SideSpec | None


Seen = tuple[tuple[int, int], ...]
"""Synchronization sources, and the highest sequence number that came of each by one SRTP key,
with how often it went round in front."""


class Keys(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The SRTP keys of one side, never shown.

    Args:
        suite: its name of RFC 4568 or RFC 7714.
        ours, theirs: master key and salt of what we send, and of what that side sends.
        seen: what came by `theirs` in another session, which that side was in before.
        sent: what went out by `ours` in that session, where `ours` can't be changed.
    """

    suite: str
    ours: bytes
    theirs: bytes
    seen: Seen = ()
    sent: Seen = ()

    def __repr__(self) -> str:
        return f"Keys({self.suite})"


class WebTerms(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The ICE and DTLS terms of a side whose peer is a browser (RFC 8445, RFC 5763).

    Args:
        ufrag, password: ours of ICE, where we are a lite agent.
        their_ufrag: the peer's.
        fingerprints: of the peer's certificate, one of which has to be right: "sha-256 AB:CD...".
        active: it is we who begin DTLS.
    """

    ufrag: str
    password: str
    their_ufrag: str
    fingerprints: tuple[str, ...]
    active: bool = False

    def __repr__(self) -> str:
        return f"WebTerms({self.ufrag}, {self.their_ufrag})"


class FaxAddress(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The address of a peer's T.38 stream in its SDP.

    Args:
        address: as in SetRemote.
    """

    address: str | None
    port: int


class SetRemote(msgspec.Struct, tag=2, array_like=True, frozen=True, gc=False):
    """A peer's offer or answer; it opens a new latch window.

    Its payload types depend on what the other side says, too; see :class:`Agree`.

    Args:
        address: IP address from SDP; None, "0.0.0.0", "::" or a name: nothing can be sent to it.
        rtp_port, rtcp_port: the same number if the peer multiplexes (RFC 5761); 0: none.
        direction: as that peer sees it.
        signalling_address: replaces the hint given in Open, unless None.
        formats: its payload types.
        packet_ms: how much sound that peer wants in a packet.
        keys: of SRTP; None: RTP in the clear, or with `web` those that DTLS is to agree on.
        web: the peer is a browser. Its address is that from which it checks ours by ICE; the
            address and ports of its SDP mean nothing then.
        fax: where it receives T.38 over UDPTL; None: it has no fax stream. Fax alone is a side
            whose `rtp_port` is 0.
    """

    session: int
    side: Side
    address: str | None
    rtp_port: int
    rtcp_port: int
    direction: Direction
    signalling_address: str | None = None
    formats: Formats = Formats()
    packet_ms: int = 20
    keys: Keys | None = None
    web: WebTerms | None = None
    fax: FaxAddress | None = None


class Agree(msgspec.Struct, tag=52, array_like=True, frozen=True, gc=False):
    """The payload types of a side that SetRemote described, now that the other one has answered."""

    session: int
    side: Side
    formats: Formats


class Relearn(msgspec.Struct, tag=53, array_like=True, frozen=True, gc=False):
    """A side's peer refreshed its session or registered again, so its NAT may have given it another
    port: its latch window opens again.

    Args:
        signalling_address: where its SIP comes from now; None: as before.
    """

    session: int
    side: Side
    signalling_address: str | None = None


class Close(msgspec.Struct, tag=3, array_like=True, frozen=True, gc=False):
    """Close a session; answered by Closed."""

    session: int


class Ping(msgspec.Struct, tag=4, array_like=True, frozen=True, gc=False):
    """Answered by Pong."""


class Drain(msgspec.Struct, tag=56, array_like=True, frozen=True, gc=False):
    """The switch ends when its last call has: a session without RTP from either side, or fax, is
    reported after this time from now on, unless it is on hold."""

    silence_seconds: float


# The sound tier: sound that the switch itself plays and receives.

Source = Literal["peer", "prompts", "echo", "room"]
"""The source of a side's sound: the other side, only what is played to it, its own echo, or a
conference."""
DigitMethod = Literal["event", "tone", "info"]
"""RFC 4733, in the sound, or in signalling."""
PlayedReason = Literal["end", "stopped", "key", "failed"]
RecordedSides = Literal["a", "b", "both"]
RecordedReason = Literal["limit", "silence", "digit", "stopped", "closed", "failed"]


class Hear(msgspec.Struct, tag=40, array_like=True, frozen=True, gc=False):
    """Choose what a side hears. While something is played to it, it hears that instead.

    Args:
        room: with "room"; who hears a room is heard in it.
        muted: from the start.
        tones: the room hears a tone when this member joins, and when it leaves.
    """

    session: int
    side: Side
    source: Source
    room: int = 0
    muted: bool = False
    tones: bool = False


class Mute(msgspec.Struct, tag=41, array_like=True, frozen=True, gc=False):
    """A side isn't heard in its room any more, or is again."""

    session: int
    side: Side
    muted: bool


class PlayItem(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A file, a tone, or without either a pause.

    Args:
        file: path of a WAV file that :mod:`rtp.wav` reads.
        tone: a name of :mod:`rtp.tones`.
        country: whose tone (ISO 3166 alpha-2).
        milliseconds: of a tone or pause; None for one period of the tone.
    """

    file: str | None = None
    tone: str | None = None
    country: str = ""
    milliseconds: int | None = None


class Play(msgspec.Struct, tag=42, array_like=True, frozen=True, gc=False):
    """Play to a side, after what is queued; answered by Played.

    Args:
        playing: an id of the switch's.
        barge_in: a key stops it, and all that waits behind it.
        repeat: again and again until it is stopped.
        over: at once, above whatever that side hears, be it played too; it isn't stopped.
    """

    session: int
    side: Side
    playing: int
    items: tuple[PlayItem, ...]
    barge_in: bool = False
    repeat: bool = False
    over: bool = False


class StopPlaying(msgspec.Struct, tag=43, array_like=True, frozen=True, gc=False):
    """Stop what is played to a side, and all that waits."""

    session: int
    side: Side


class Listen(msgspec.Struct, tag=44, array_like=True, frozen=True, gc=False):
    """Tell what keys a side presses, or no more.

    Args:
        in_band: listen for tones in the sound, too, for phones without RFC 4733.
        withheld: the other side doesn't get them, since it is told in signalling.
    """

    session: int
    side: Side
    digits: bool
    in_band: bool = False
    withheld: bool = False


class Press(msgspec.Struct, tag=45, array_like=True, frozen=True, gc=False):
    """A side's phone said in signalling that a key was pressed."""

    session: int
    side: Side
    digit: str


class SendDigits(msgspec.Struct, tag=46, array_like=True, frozen=True, gc=False):
    """Send keys to a side as RFC 4733 events, or as tones if it has none."""

    session: int
    side: Side
    digits: str
    milliseconds: int = 100


class Record(msgspec.Struct, tag=47, array_like=True, frozen=True, gc=False):
    """Record what comes from one side or both; answered by Recorded when it ends.

    Args:
        recording: an id of the switch's, the only one of its kind.
        path: of the file, which isn't there yet.
        sides: both are kept in stereo, `a` left.
        silence_seconds: of which it ends; 0 for never.
        end_digits: keys that end it.
    """

    session: int
    recording: int
    path: str
    sides: RecordedSides
    max_seconds: float
    silence_seconds: float = 0.0
    end_digits: str = ""


class StopRecording(msgspec.Struct, tag=48, array_like=True, frozen=True, gc=False):
    """End a recording."""

    session: int
    recording: int


class Bridge(msgspec.Struct, tag=51, array_like=True, frozen=True, gc=False):
    """Have sides that share no codec hear each other by way of decoded sound, or no more. Keys
    pass between them, each as the other side understands them."""

    session: int
    bridged: bool


class TellTick(msgspec.Struct, tag=49, array_like=True, frozen=True, gc=False):
    """Answered by TickFigures of the last so many seconds, at most five minutes."""

    seconds: float = 300.0


class TellFigures(msgspec.Struct, tag=50, array_like=True, frozen=True, gc=False):
    """Answered by Figures."""

    session: int


class TellStatus(msgspec.Struct, tag=5, array_like=True, frozen=True, gc=False):
    """Answered by Status."""


class Started(msgspec.Struct, tag=20, array_like=True, frozen=True, gc=False):
    """The worker is ready.

    Args:
        fast_path: how the kernel's program is attached; empty if there is none.
        problem: why there is none.
        ports_shared, ports_held: pairs of which the system might give a port to other programs, and
            those of them that it can't, since the worker holds them.
    """

    fast_path: str = ""
    problem: str = ""
    ports_shared: int = 0
    ports_held: int = 0


class StartFailed(msgspec.Struct, tag=21, array_like=True, frozen=True, gc=False):
    """The worker can't work and exits."""

    reason: str


class Opened(msgspec.Struct, tag=22, array_like=True, frozen=True, gc=False):
    """RTP ports, both even; RTCP is one above (RFC 3550 section 11). 0: no such side, and no port
    for ICE over TCP."""

    session: int
    a_rtp_port: int
    b_rtp_port: int = 0
    ice_tcp_port: int = 0


class OpenFailed(msgspec.Struct, tag=23, array_like=True, frozen=True, gc=False):
    """No ports; one line that names the cause."""

    session: int
    reason: str


class Closed(msgspec.Struct, tag=24, array_like=True, frozen=True, gc=False):
    """The ports are gone; the last figures."""

    session: int
    figures: SessionFigures


class Silent(msgspec.Struct, tag=25, array_like=True, frozen=True, gc=False):
    """No RTP from either side for the configured time; or a browser is gone, or can't prove by
    DTLS that it is the one that signalled. Said once, until packets flow again or a side is
    negotiated anew; of a browser every few seconds.

    Args:
        last_packet_at: epoch milliseconds of the last packet, or of a browser's last sign of life;
            None if there never was one.
    """

    session: int
    last_packet_at: int | None


class Latched(msgspec.Struct, tag=26, array_like=True, frozen=True, gc=False):
    """A side's packets are now taken from here, and only from here."""

    session: int
    side: Side
    address: str
    port: int


class Pong(msgspec.Struct, tag=27, array_like=True, frozen=True, gc=False):
    """The answer to Ping."""


class Digit(msgspec.Struct, tag=60, array_like=True, frozen=True, gc=False):
    """A key was pressed on a side that is listened to; told once, however it was said."""

    session: int
    side: Side
    digit: str
    method: DigitMethod


class Played(msgspec.Struct, tag=61, array_like=True, frozen=True, gc=False):
    """A playing is over; `problem` names the file and the cause if it failed."""

    session: int
    side: Side
    playing: int
    reason: PlayedReason
    problem: str = ""


class Recorded(msgspec.Struct, tag=62, array_like=True, frozen=True, gc=False):
    """A recording is over and, unless it failed, its file complete."""

    session: int
    recording: int
    duration_ms: int
    reason: RecordedReason
    problem: str = ""


class Speaker(msgspec.Struct, tag=63, array_like=True, frozen=True, gc=False):
    """Another member has the floor in a room."""

    room: int
    session: int
    side: Side


class Figures(msgspec.Struct, tag=65, array_like=True, frozen=True, gc=False):
    """A session's figures as they stand; None if there is no such session any more.

    Args:
        seen, sent: what came from each side by its SRTP key, and what was sent to it by ours, so
            that it can go on in another session.
    """

    session: int
    figures: SessionFigures | None
    tier: Tier = "relay"
    seen: tuple[Seen, Seen] = ((), ())
    sent: tuple[Seen, Seen] = ((), ())


class Elsewhere(msgspec.Struct, tag=29, array_like=True, frozen=True, gc=False):
    """A side is silent, and a stream comes from another port of its host, which isn't heard: only a
    negotiation, a refresh or a registration lets a peer move."""

    session: int
    side: Side
    address: str
    port: int


class Keyed(msgspec.Struct, tag=67, array_like=True, frozen=True, gc=False):
    """A browser and we have agreed on SRTP keys by DTLS."""

    session: int
    side: Side
    keys: Keys


class OneWay(msgspec.Struct, tag=66, array_like=True, frozen=True, gc=False):
    """A side isn't heard though it is spoken to, or (`heard`) is again."""

    session: int
    side: Side
    heard: bool


ToSound = (
    Hear | Mute | Play | StopPlaying | Listen | Press | SendDigits | Record | StopRecording | Bridge
)
"""About one session."""
ToWorker = (
    Start
    | Open
    | SetRemote
    | Agree
    | Relearn
    | Close
    | Ping
    | Drain
    | TellTick
    | TellFigures
    | TellStatus
    | ToSound
)
FromSound = Digit | Played | Recorded | Speaker
FromWorker = (
    Started
    | StartFailed
    | Opened
    | OpenFailed
    | Closed
    | Silent
    | Latched
    | Elsewhere
    | Pong
    | TickFigures
    | Figures
    | Status
    | OneWay
    | Keyed
    | FromSound
)

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(list[ToWorker])
_from_worker = msgspec.msgpack.Decoder(list[FromWorker])


def encode(messages: Sequence[ToWorker] | Sequence[FromWorker]) -> bytes:
    """One record of up to MAX_BATCH messages."""
    return _encoder.encode(messages)


def decode_to_worker(record: bytes | memoryview) -> list[ToWorker]:
    """A record from the switch.

    Raises:
        msgspec.DecodeError: not such a record: the two ends are of different versions.
    """
    return _to_worker.decode(record)


def decode_from_worker(record: bytes | memoryview) -> list[FromWorker]:
    """A record from a worker; raises as :func:`decode_to_worker`."""
    return _from_worker.decode(record)
