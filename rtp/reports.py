"""RTCP reports: read in passing, and written where the switch itself sends sound (RFC 3550 section
6).

The round trip to a peer is timed by the sender reports that it was sent, whether ours or forwarded:
its next reception report names the last one that it got, and the delay since (section 6.4.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rtp.outbound import OutboundSound
from rtp.rtcp import (
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    compound_bytes,
)
from rtp.source import ReceivedStream

NTP_EPOCH_SECONDS = 2_208_988_800
"""Seconds from 1900 to 1970."""
MAX_ROUND_TRIP_SECONDS = 10.0
"""A longer round trip is a peer's mistake."""
REPORT_SECONDS = 5.0
"""The interval of receiver reports (RFC 3550 section 6.2), and the age of the other party's last
reports beyond which ours take their place."""
CNAME = 1
_MAX_LOST = 0x7FFFFF
_UNITS = 65_536
"""The fractions of a second in which delays are written."""


class PeerReports:
    """The round trip to one peer, as its RTCP reports show it."""

    __slots__ = ("_came", "_sent", "passed_at", "round_trip_ms")

    def __init__(self) -> None:
        self.passed_at: float | None = None
        """When reports were sent to the peer last; monotonic seconds."""
        self._sent: tuple[int, float] | None = None
        self._came: tuple[int, float] | None = None
        self.round_trip_ms: float | None = None
        """The last measured round trip."""

    def passes_to(self, packets: Sequence[RtcpPacket], now: float) -> None:
        """Note packets that are sent to the peer."""
        for packet in packets:
            if isinstance(packet, SenderReport | ReceiverReport):
                self.passed_at = now
            if isinstance(packet, SenderReport):
                self._sent = (_middle(packet.ntp_timestamp), now)

    def comes_from(self, packets: Sequence[RtcpPacket], now: float) -> None:
        """Note packets that the peer has sent."""
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._came = (_middle(packet.ntp_timestamp), now)
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    self._measure(block, now)

    def _measure(self, block: ReportBlock, now: float) -> None:
        if self._sent is None or block.last_sender_report != self._sent[0]:
            return
        round_trip = now - self._sent[1] - block.delay_since / _UNITS
        if 0 <= round_trip <= MAX_ROUND_TRIP_SECONDS:
            self.round_trip_ms = round(1000 * round_trip, 1)

    def last_came(self, now: float) -> tuple[int, int]:
        """Which sender report came last, and how long ago, as a report block says it."""
        if self._came is None:
            return 0, 0
        return self._came[0], min(round((now - self._came[1]) * _UNITS), 0xFFFFFFFF)


class OwnReports:
    """Sender and receiver reports of the switch itself to one peer.

    Args:
        name: of ourselves in this session, by chance (RFC 7022).
    """

    __slots__ = ("_expected", "_name", "_packets")

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._expected = 0
        self._packets = 0

    def report(
        self,
        outbound: OutboundSound,
        timestamp: int,
        stream: ReceivedStream,
        peer: PeerReports,
        now: float,
        epoch_ms: int,
    ) -> bytes:
        """A compound to send; `timestamp` is the media's at this time."""
        ntp = ((epoch_ms + NTP_EPOCH_SECONDS * 1000) << 32) // 1000
        blocks = self.blocks(stream, peer, now)
        packets: list[RtcpPacket] = [
            SenderReport(
                outbound.ssrc,
                ntp & 0xFFFFFFFFFFFFFFFF,
                timestamp,
                outbound.packets & 0xFFFFFFFF,
                outbound.octets & 0xFFFFFFFF,
                blocks,
            ),
            SourceDescription(((outbound.ssrc, ((CNAME, self._name),)),)),
        ]
        peer.passes_to(packets, now)
        return compound_bytes(packets)

    def blocks(
        self, stream: ReceivedStream, peer: PeerReports, now: float
    ) -> tuple[ReportBlock, ...]:
        """The block on a stream since the last report; none before its first packet."""
        return () if stream.ssrc is None else (self._block(stream.ssrc, stream, peer, now),)

    def _block(
        self, ssrc: int, stream: ReceivedStream, peer: PeerReports, now: float
    ) -> ReportBlock:
        expected, packets = stream.expected, stream.packets
        new_expected, new_packets = expected - self._expected, packets - self._packets
        self._expected, self._packets = expected, packets
        lost = max(0, new_expected - new_packets)
        last, delay = peer.last_came(now)
        return ReportBlock(
            ssrc,
            min(255, (lost << 8) // new_expected) if new_expected > 0 else 0,
            max(-_MAX_LOST - 1, min(_MAX_LOST, expected - packets)),
            stream.extended_highest & 0xFFFFFFFF,
            stream.jitter & 0xFFFFFFFF,
            last,
            delay,
        )


class ReceptionReports:
    """Receiver reports of the switch itself to a browser whose sound it only passes on. They are
    sent while the other party's own reports don't reach the browser: many phones and trunks send
    none.

    Args:
        secret: a name that was drawn for this browser; SSRC and CNAME follow from it.
    """

    __slots__ = ("_name", "_own", "_ssrc", "due_at")

    def __init__(self, secret: str) -> None:
        digest = hashlib.sha256(b"reports to " + secret.encode()).digest()
        self._ssrc = int.from_bytes(digest[:4], "big")
        self._name = digest[4:16].hex().encode()
        self._own = OwnReports(self._name)
        self.due_at: float | None = None
        """When :meth:`report` is due, monotonic seconds; None before the first packet may go."""

    def begin(self, now: float) -> None:
        """Packets may be sent to the browser; repeated: nothing."""
        if self.due_at is None:
            self.due_at = now + REPORT_SECONDS

    def report(self, stream: ReceivedStream, peer: PeerReports, now: float) -> bytes | None:
        """A compound to send now; None if it isn't due, or not needed."""
        if self.due_at is None or now < self.due_at:
            return None
        self.due_at = now + REPORT_SECONDS
        if peer.passed_at is not None and now - peer.passed_at < REPORT_SECONDS:
            return None
        blocks = self._own.blocks(stream, peer, now)
        if not blocks:
            return None
        named = SourceDescription(((self._ssrc, ((CNAME, self._name),)),))
        return compound_bytes([ReceiverReport(self._ssrc, blocks), named])


def _middle(ntp: int) -> int:
    """The middle 32 bits of an NTP time stamp, by which reports refer to each other."""
    return ntp >> 16 & 0xFFFFFFFF
