"""One side of a session whose sound the switch makes or listens to."""

from __future__ import annotations

from typing import TypeAlias

from rtp.control import DigitMethod, Side, Source
from rtp.dtmf import DtmfDetector, digit_tone
from rtp.fax_tones import FaxToneDetector
from rtp.formats import OpusTerms
from rtp.g711 import LAWS
from rtp.g722 import G722
from rtp.inbound import InboundSound
from rtp.mixer import Member
from rtp.opus import RTP_CLOCK_RATE, OpusEncoder
from rtp.outbound import PLAIN_PACKET_MS, OutboundSound
from rtp.overlay import Overlay
from rtp.player import Piece, Player, Playing
from rtp.recording import Recording
from rtp.relay import Relay, RelaySide
from rtp.reports import OwnReports
from rtp.samples import CLOCK_RATE, Samples, samples_in
from rtp.telephone_event import DIGITS, PAUSE_MS, EventSender

SAME_KEY_SECONDS = 0.5
"""A key told twice in so long, but in different ways, was pressed once: some phones say it as an
event, in the sound and in signalling."""
NOBODY = -1
"""The id of a playing whose end isn't reported."""


class SoundSide:
    """One peer of the sound tier: the sound made for it and heard from it.

    Args:
        relay_side: the relay's half of it, which is told what to leave to us.
    """

    __slots__ = (
        "_last_digit",
        "detector",
        "events",
        "fax_tones",
        "hears",
        "in_room_streams",
        "inbound",
        "law_payload_type",
        "letter",
        "listens",
        "listens_in_band",
        "member",
        "opus",
        "outbound",
        "overlay",
        "player",
        "port",
        "relay_side",
        "report_at",
        "reports",
        "room",
        "row",
        "session",
        "tones",
        "wide",
    )

    def __init__(
        self,
        session: SoundSession,
        letter: Side,
        relay_side: RelaySide,
        outbound: OutboundSound,
        reports: OwnReports,
    ) -> None:
        self.session = session
        self.letter: Side = letter
        self.port = session.ports[0 if letter == "a" else 1]
        self.relay_side = relay_side
        self.outbound = outbound
        self.reports = reports
        self.report_at = 0
        """The tick of the next report."""
        self.inbound = InboundSound()
        self.player = Player()
        self.overlay = Overlay()
        self.events = EventSender()
        self.wide: G722 | None = None
        self.opus: OpusEncoder | None = None
        """The encoder of sound for the side, if that isn't G.711."""
        self.law_payload_type: int | None = None
        """The payload type if packets to it are of G.711 and 20 ms, as nearly all are."""
        self.hears: Source = "peer"
        self.listens = False
        self.listens_in_band = False
        self.detector: DtmfDetector | None = None
        self.fax_tones: FaxToneDetector | None = None
        """While the other side hears this one decoded, and no fax was heard."""
        self.room = 0
        self.member: Member[SoundSide] | None = None
        """The side as a member of its room."""
        self.in_room_streams = False
        """True while its packets are made together with those of other members."""
        self.tones = False
        """Its room is told when it leaves."""
        self.row = 0
        """The side's row in each tick's frames, while the sound tier needs its packets."""
        self._last_digit: tuple[str, DigitMethod, float] | None = None

    @property
    def spoken_to(self) -> bool:
        """True while the switch itself sends to this side; what the other side says isn't
        relayed meanwhile."""
        return (
            self.hears != "peer"
            or self.session.bridged
            or self.player.busy
            or self.overlay.busy
            or self.events.busy
        )

    @property
    def peer(self) -> SoundSide | None:
        """The other side, if sound is made for it or listened to."""
        return self.session.sides[1 if self.letter == "a" else 0]

    @property
    def in_use(self) -> bool:
        """True while the sound tier needs this side's packets."""
        return (
            self.spoken_to or self.listens or bool(self.session.recordings) or self.passes_decoded
        )

    @property
    def passes_decoded(self) -> bool:
        """True if the other side hears this one by way of decoded sound: while something is
        mixed into it, or for the whole call."""
        peer = self.peer
        return (
            peer is not None
            and peer.hears == "peer"
            and (self.session.bridged or peer.overlay.busy)
        )

    def packets(self, number: int, frame: Samples, octets: bytes) -> list[bytes]:
        """The packets of a tick's frame, whatever the codec and the length of packets.

        Args:
            octets: the frame in the law of the side, if it has one.
        """
        relay_side, outbound = self.relay_side, self.outbound
        formats = relay_side.formats
        if formats.encoding in LAWS:
            return outbound.frame(number, octets, formats.payload_type, relay_side.packet_ms)
        if formats.encoding == "G722":
            self.wide = self.wide or G722()
            octets = self.wide.encode(frame)
            return outbound.frame(number, octets, formats.payload_type, relay_side.packet_ms)
        terms = formats.opus or OpusTerms()
        if self.opus is None or self.opus.terms != terms:
            self.opus = OpusEncoder(terms)
        return outbound.opus(number, frame, formats.payload_type, relay_side.packet_ms, self.opus)

    @property
    def clock_rate(self) -> int:
        """Hz of the timestamps of what is said to it."""
        return RTP_CLOCK_RATE if self.relay_side.formats.encoding == "OPUS" else CLOCK_RATE

    def agree(self) -> None:
        """The relay has new descriptions of this peer's formats."""
        formats = self.relay_side.formats
        self.inbound.agree(formats)
        self.events.clock_rate = formats.event_clock_rate
        plain = formats.encoding in LAWS and self.relay_side.packet_ms == PLAIN_PACKET_MS
        self.law_payload_type = formats.payload_type if plain else None
        self.choose_detector()

    def choose_detector(self) -> None:
        """Choose a tone detector if keys may arrive as tones: for the switch, or for the other
        side's phone, which understands events alone. A fax has no keys, but sounds like some."""
        peer = self.peer
        awaits_fax = self.session.bridged and not self.session.is_fax
        if awaits_fax != (self.fax_tones is not None):
            self.fax_tones = FaxToneDetector() if awaits_fax else None
        wanted = self.listens_in_band or (
            awaits_fax
            and peer is not None
            and self.relay_side.formats.event_payload_type is None
            and peer.relay_side.formats.event_payload_type is not None
        )
        if wanted != (self.detector is not None):
            self.detector = DtmfDetector() if wanted else None

    def is_new(self, digit: str, method: DigitMethod, now: float) -> bool:
        """True unless a digit is the last one again, told in another way."""
        last = self._last_digit
        if last is not None:
            known, how, at = last
            if known == digit and how != method and now - at < SAME_KEY_SECONDS:
                return False
        self._last_digit = (digit, method, now)
        return True

    def send_digits(self, digits: str, milliseconds: int) -> None:
        """Press keys for the peer, as it understands them."""
        known = [digit for digit in digits if digit in DIGITS]
        if self.relay_side.formats.event_payload_type is not None:
            for digit in known:
                self.events.press(digit, milliseconds)
            return
        pause = Piece(digit_tone("1", PAUSE_MS) * 0)
        playing = Playing(NOBODY)
        playing.set_pieces(
            [piece for digit in known for piece in (Piece(digit_tone(digit, milliseconds)), pause)]
        )
        self.player.play(playing)


Sides: TypeAlias = tuple[SoundSide | None, SoundSide | None]
"""Side a and side b; None for a side whose sound is only relayed."""
NO_SIDES: Sides = (None, None)


class SoundSession:
    """The sound tier's part of a session.

    Args:
        ports: RTP ports of its one or two sides.
    """

    __slots__ = ("bridged", "id", "is_fax", "ports", "recordings", "relay", "sides")

    def __init__(self, session: int, relay: Relay, ports: tuple[int, ...]) -> None:
        self.id = session
        self.relay = relay
        self.ports = ports
        self.sides = NO_SIDES
        self.recordings: tuple[Recording, ...] = ()
        self.bridged = False
        """Its sides hear each other by way of us."""
        self.is_fax = False
        """A fax or modem was heard in it, so its sound is kept clear."""

    def drop(self, recording: Recording) -> None:
        """Give no more sound to a recording, which has ended."""
        self.recordings = tuple([each for each in self.recordings if each is not recording])


def silence(milliseconds: int) -> Piece:
    """A pause between two prompts."""
    return Piece(_ONE_SAMPLE, samples_in(milliseconds))


_ONE_SAMPLE = digit_tone("1", 1)[:1] * 0
