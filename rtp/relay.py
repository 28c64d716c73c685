"""Two sides of a call: what came from one goes to the other, unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from msgspec import Struct, field, structs

from rtp.control import FaxAddress, Keys, Seen, SetRemote
from rtp.fax_stream import FaxStream
from rtp.figures import SessionFigures, SideFigures
from rtp.formats import UNKNOWN, Formats, event_numbers
from rtp.inbound import InboundSound
from rtp.latch import Address, Latch, is_unspecified, numeric_host
from rtp.packet import HEADER, PacketError, is_rtcp, is_rtp, with_payload_type
from rtp.reports import PeerReports
from rtp.rtcp import parse_compound
from rtp.source import ReceivedStream
from rtp.srtp import Srtp
from rtp.web_peer import WebPeer

SIDE_A, SIDE_B = 0, 1
_RECEIVING = frozenset({"sendrecv", "recvonly"})
_SENDING = frozenset({"sendrecv", "sendonly"})
_AS_THEY_ARE: Mapping[int, int] = MappingProxyType({})


class Component(IntEnum):
    """The two ports of a side (RFC 3550 section 11)."""

    RTP = 0
    RTCP = 1


Forward = tuple[int, Component, Address]
"""Out of which side's which port, and where to."""


class RelaySide(Struct, eq=False):
    """One peer of a session: its description, its latch and the stream that came from it."""

    latch: Latch
    fax: FaxStream | None = None
    """The T.38 stream; None while none was negotiated."""
    fax_packets: int = 0
    """Those of T.38 streams that have ended."""
    stream: ReceivedStream = field(default_factory=ReceivedStream)
    strays: int = 0
    direction: str = "sendrecv"
    held: bool = False
    """Held in the old way, by a null address: nothing can be sent."""
    multiplexes: bool = False
    """RTCP comes and goes on the RTP port (RFC 5761)."""
    negotiated: bool = False
    one_way: bool = False
    """It isn't heard now, though it is spoken to."""
    was_one_way: bool = False
    formats: Formats = UNKNOWN
    event_numbers: frozenset[int] = frozenset()
    """Payload types by which it tells of keys (RFC 4733)."""
    renumbering: Mapping[int, int] = _AS_THEY_ARE
    """Its payload types that the other side knows by another number."""
    packet_ms: int = 20
    in_kernel: bool = False
    """True if the kernel forwards what this peer sends."""
    inbound: InboundSound | None = None
    """Set while the sound tier reads what arrives."""
    spoken_to: bool = False
    """True while the sound tier sends to this peer; packets of the other one aren't forwarded
    then."""
    sent_at: float | None = None
    """When the sound tier sent it something last; monotonic seconds."""
    withholds_keys: bool = False
    """Its events aren't passed on."""
    secure: Srtp | None = None
    """The SRTP contexts; with them no packet is forwarded as it is: it is decrypted, and encrypted
    for the other side."""
    web: WebPeer | None = None
    """ICE and DTLS of a browser; nothing passes before they have made the keys."""
    web_due_at: float | None = None
    """When to look at the browser; monotonic seconds."""
    is_given_up: bool = False
    """True once it was reported that the browser is gone, or isn't the right one."""
    _reports: PeerReports | None = None
    """None until there is a report, as in calls with phones that send none."""
    _rtcp_port: int = 0
    """The RTCP port of its description, beside the address of its RTP; 0 if it names none."""
    _rtcp_source: Address | None = None

    @classmethod
    def of(cls, signalling_address: str | None, latch_seconds: float) -> RelaySide:
        """The side of a peer that has described nothing yet.

        Args:
            signalling_address: the IP address that its SIP comes from, if known.
        """
        return cls(Latch(numeric_host(signalling_address), latch_seconds))

    @property
    def reports(self) -> PeerReports:
        """The reports to and from the peer."""
        if self._reports is None:
            self._reports = PeerReports()
        return self._reports

    @property
    def round_trip_ms(self) -> float | None:
        """The round trip to the peer that was measured last."""
        return None if self._reports is None else self._reports.round_trip_ms

    def negotiate(self, remote: SetRemote) -> None:
        """Take what the peer's SDP says."""
        self.negotiated = True
        self.direction = remote.direction
        self.agree(remote.formats)
        self.packet_ms = remote.packet_ms
        if self.web is None or self.secure is None:
            self.secure_by(remote.keys)
        if remote.signalling_address is not None:
            self.latch.signalling_host = numeric_host(remote.signalling_address)
        self._set_fax(remote.fax)
        if self.web is not None:
            self.held = remote.rtp_port == 0
            self.multiplexes = True
            return
        host = numeric_host(remote.address)
        self.held = remote.rtp_port == 0 or (host is not None and is_unspecified(host))
        if self.held:
            return
        if self.latch.announce(None if host is None else (host, remote.rtp_port)):
            self._rtcp_source = None
            self.multiplexes = False
        if remote.rtcp_port == remote.rtp_port:
            self.multiplexes = True
        self._rtcp_port = remote.rtcp_port

    @property
    def _rtcp_announced(self) -> Address | None:
        announced = self.latch.announced
        return (
            (announced[0], self._rtcp_port) if announced is not None and self._rtcp_port else None
        )

    def _set_fax(self, announced: FaxAddress | None) -> None:
        """Begin, move or end the T.38 stream."""
        if announced is None:
            self.fax_packets += 0 if self.fax is None else self.fax.packets
            self.fax = None
            return
        if self.fax is None:
            self.fax = FaxStream(None, self.latch.window_seconds)
        latch, host = self.fax.latch, numeric_host(announced.address)
        latch.signalling_host = self.latch.signalling_host
        known = host is not None and not is_unspecified(host)
        latch.announce((host, announced.port) if host is not None and known else None)

    def takes_fax(self, component: Component, data: bytes, source: Address) -> bool:
        """True if a datagram belongs to the T.38 stream, which shares its port with RTCP."""
        if self.fax is None or component is not Component.RTCP:
            return False
        known = source in (self._rtcp_source, self._rtcp_announced)
        return self.held or not (known and is_rtcp(data))

    @property
    def sends(self) -> bool:
        """True if the peer sends sound by what was negotiated."""
        return not self.held and self.direction in _SENDING

    def relearn(self, signalling_address: str | None, now: float) -> None:
        """Open the latch's window again, since the peer may come from another port now."""
        if signalling_address is not None:
            self.latch.signalling_host = numeric_host(signalling_address)
        self.catch_up()
        self.latch.open(now, expects=self.sends)
        self.open_fax(now)

    def open_fax(self, now: float) -> None:
        """Open the latch window of the T.38 stream, if there is one."""
        if self.fax is not None:
            self.fax.latch.signalling_host = self.latch.signalling_host
            self.fax.latch.open(now)

    def catch_up(self) -> None:
        """Take over what was counted of packets that didn't come by here; they were all of the
        latched source."""
        self.stream.catch_up()
        if self.stream.last_at is not None and self.latch.source is not None:
            self.latch.heard_at = max(self.latch.heard_at, self.stream.last_at)

    def agree(self, formats: Formats) -> None:
        """Take the payload types that the peer sends and wants to be sent."""
        self.stream.clock_rate = formats.clock_rate
        if formats == self.formats:
            return
        self.formats = formats
        self.renumbering = dict(formats.renumbered) if formats.renumbered else _AS_THEY_ARE
        self.event_numbers = event_numbers(formats)

    def renumbered(self, data: bytes) -> bytes:
        """A packet of this peer's by the payload type that the other side knows."""
        if not self.renumbering or is_rtcp(data):
            return data
        number = self.renumbering.get(data[1] & 0x7F)
        if number is None:
            return data
        return with_payload_type(data, number)

    def secure_by(self, keys: Keys | None) -> None:
        """Take the keys of SRTP; None: without."""
        if keys is None:
            self.secure = None
        elif self.secure is None:
            self.secure = Srtp(keys, counts_sent=self.web is not None)
        else:
            self.secure.renew(keys)

    def has_keys(self, keys: Keys) -> bool:
        """True if SRTP already goes by these keys."""
        return self.secure is not None and self.secure.has(keys)

    def opened(self, data: bytes) -> bytes | None:
        """A packet from this peer in the clear; None if it fails authentication. Keep-alives and
        the like are never encrypted."""
        if self.secure is None:
            return data if self.web is None else None
        if not (is_rtp(data) or is_rtcp(data)):
            return data
        clear = self.secure.open(data)
        if clear is None:
            self.strays += 1
        return clear

    @property
    def seen(self) -> Seen:
        """Sequence numbers that came from this peer by its SRTP key."""
        return () if self.secure is None else self.secure.seen

    @property
    def sent(self) -> Seen:
        """Sequence numbers that went to this peer by our SRTP key, if they are counted."""
        return () if self.secure is None else self.secure.sent

    def sealed(self, data: bytes) -> bytes | None:
        """A packet for this peer as it may be sent; None if it may not be sent at all."""
        if self.secure is None:
            return data if self.web is None else None
        return self.secure.seal(data)

    def heard_alone(self, now: float) -> Address | None:
        """The one address from which anything is of interest now, so that the socket may be
        connected to it; None if there is none. A browser may check us from a new one at any
        time."""
        return self.latch.source if self.web is None and self.latch.settled(now) else None

    @property
    def on_hold(self) -> bool:
        """True unless sound goes both ways by the peer's description."""
        return self.held or self.direction != "sendrecv"

    @property
    def rtp_destination(self) -> Address | None:
        """The address that this side's peer listens at; None while it wants no media.

        RFC 3264 section 8.4: a peer that is sendonly or inactive gets no media.
        """
        if self.held or self.direction not in _RECEIVING:
            return None
        latch = self.latch
        return latch.source or latch.announced

    @property
    def rtcp_destination(self) -> Address | None:
        """The address for RTCP, which goes on whatever the direction (RFC 3264 section 5.1);
        None without one."""
        if self.held:
            return None
        if self.multiplexes:
            return self.latch.destination
        return self._rtcp_source or self._rtcp_announced

    def accepts_rtcp(self, component: Component, source: Address) -> bool:
        """True if an RTCP packet is this peer's; it may latch its source."""
        latched = self.latch.source
        if component is Component.RTP:
            if source != (latched or self.latch.announced):
                return False
            self.multiplexes = True
            return True
        if source == self._rtcp_source:
            return True
        learnable = (
            self._rtcp_source is None
            and latched is not None
            and latched != self.latch.announced
            and source[0] == latched[0]
        )
        if source != self._rtcp_announced and not learnable:
            return False
        self._rtcp_source = source
        return True


class Relay:
    """Latches, counts, and says where a packet goes. Knows no socket and no clock.

    Args:
        a_signalling, b_signalling: the IP address that each peer's SIP comes from, if known.
        latch_seconds: how long after a negotiation a side may be learned from its packets.
    """

    __slots__ = ("_latch_seconds", "negotiated_at", "sides")

    def __init__(
        self, a_signalling: str | None, b_signalling: str | None, latch_seconds: float
    ) -> None:
        self.sides = (
            RelaySide.of(a_signalling, latch_seconds),
            RelaySide.of(b_signalling, latch_seconds),
        )
        self.negotiated_at: float | None = None
        """When both sides were known first, or one of them was negotiated last after that."""

    def set_remote(self, remote: SetRemote, now: float) -> None:
        """Take a side's SDP."""
        side = SIDE_A if remote.side == "a" else SIDE_B
        mine, others = self.sides[side], self.sides[1 - side]
        mine.negotiate(remote)
        if not others.negotiated and not mine.spoken_to:
            return
        self.negotiated_at = now
        mine.catch_up()
        mine.latch.open(now, expects=mine.sends)
        mine.open_fax(now)
        if others.negotiated and not others.latch.opened:
            others.latch.open(now)

    def begin_speaking(self, side: RelaySide, now: float) -> None:
        """Open a side's latch window when the switch itself begins to talk with its peer: that
        peer's description is all that there is to negotiate."""
        if side.negotiated and not side.latch.opened:
            self.negotiated_at = now
            side.latch.open(now)

    def receive(
        self, side: int, component: Component, data: bytes, source: Address, now: float
    ) -> Forward | None:
        """The way of a datagram that came to one of the four ports; None: it goes nowhere."""
        mine = self.sides[side]
        if is_rtcp(data):
            if mine.accepts_rtcp(component, source):
                forward = self._rtcp_to(1 - side)
                self._note(side, data, passed_on=forward is not None, now=now)
                return forward
        elif component is Component.RTP and is_rtp(data):
            _, _, sequence, timestamp, ssrc = HEADER.unpack_from(data)
            if mine.latch.accept(source, sequence, ssrc, now):
                mine.stream.count(sequence, timestamp, ssrc, len(data), now)
                if mine.inbound is not None:
                    mine.inbound.receive(data)
                    if mine.withholds_keys and data[1] & 0x7F in mine.event_numbers:
                        return None
                theirs = self.sides[1 - side]
                target = None if theirs.spoken_to else theirs.rtp_destination
                return None if target is None else (1 - side, Component.RTP, target)
        elif source == mine.latch.source:
            return None  # a NAT keep-alive, STUN or the like of the peer's own
        mine.strays += 1
        return None

    def receive_fax(self, side: int, data: bytes, source: Address, now: float) -> Address | None:
        """The target of a datagram of a T.38 stream, at the other side's peer; None: it goes
        nowhere."""
        mine, theirs = self.sides[side], self.sides[1 - side]
        if mine.fax is None:
            return None
        if mine.fax.accept(data, source, now):
            return None if theirs.fax is None else theirs.fax.latch.destination
        if source != mine.fax.latch.source:  # otherwise it is a NAT keep-alive or the like
            mine.strays += 1
        return None

    def _note(self, side: int, data: bytes, *, passed_on: bool, now: float) -> None:
        """Read reports on their way; what can't be read goes on all the same."""
        try:
            packets = parse_compound(data)
        except PacketError:
            return
        self.sides[side].reports.comes_from(packets, now)
        if passed_on:
            self.sides[1 - side].reports.passes_to(packets, now)

    def _rtcp_to(self, side: int) -> Forward | None:
        theirs = self.sides[side]
        target = theirs.rtcp_destination
        if target is None or theirs.spoken_to:
            return None
        return side, Component.RTP if theirs.multiplexes else Component.RTCP, target

    @property
    def secure(self) -> bool:
        """True if a side has SRTP, so that packets don't pass as they are."""
        a, b = self.sides
        return not (a.secure is None is b.secure and a.web is None is b.web)

    @property
    def on_hold(self) -> bool:
        """True if either side is on hold; False during a fax, which replaces the sound."""
        if any(side.fax is not None for side in self.sides):
            return False
        return self.sides[SIDE_A].on_hold or self.sides[SIDE_B].on_hold

    @property
    def last_packet_at(self) -> float | None:
        """Monotonic seconds of the last packet of sound or fax of either side; None before the
        first."""
        times = [side.stream.last_at for side in self.sides]
        times += [side.fax.last_at for side in self.sides if side.fax is not None]
        return max((at for at in times if at is not None), default=None)

    def catch_up(self) -> None:
        """Take over what was counted of packets that didn't come by here."""
        a, b = self.sides
        a.catch_up()
        b.catch_up()

    def figures(self, epoch_offset_ms: int) -> SessionFigures:
        """Figures of both sides."""
        self.catch_up()
        a, b = (side_figures(side, epoch_offset_ms) for side in self.sides)
        return SessionFigures(a, b)


def side_figures(side: RelaySide, epoch_offset_ms: int) -> SideFigures:
    """Figures of one side; `epoch_offset_ms` turns monotonic into epoch milliseconds."""
    figures = side.stream.figures(
        epoch_offset_ms, side.strays, side.round_trip_ms, side.was_one_way
    )
    fax_packets = side.fax_packets + (0 if side.fax is None else side.fax.packets)
    return structs.replace(figures, fax_packets=fax_packets) if fax_packets else figures
