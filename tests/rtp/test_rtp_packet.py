"""RTP packets: exact octets, and parse and bytes() as inverses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.packet import HeaderExtension, PacketError, RtpPacket, is_rtcp, is_rtp

PACKET = bytes.fromhex("80 80 0007 000000a0 deadbeef") + b"\xd5" * 160

words = st.integers(0, 0xFFFF_FFFF)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=words,
    ssrc=words,
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(words, max_size=15).map(tuple),
    extension=st.none()
    | st.builds(
        HeaderExtension,
        st.integers(0, 0xFFFF),
        st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4]),
    ),
    padding=st.integers(0, 255).map(
        lambda count: bytes(count - 1) + bytes([count]) if count else b""
    ),
)


def test_a_g711_packet():
    packet = RtpPacket.parse(PACKET)
    assert packet.payload_type == 0
    assert packet.marker
    assert packet.sequence_number == 7
    assert packet.timestamp == 160
    assert packet.ssrc == 0xDEADBEEF
    assert packet.payload == b"\xd5" * 160
    assert bytes(packet) == PACKET


def test_contributing_sources_extension_and_padding():
    data = bytes.fromhex(
        "b2 08 0001 00000002 00000003"
        " 0000000a 0000000b"  # two contributing sources
        " bede0001 10ff0000"  # RFC 8285's one-octet header
        " 616263 000003"
    )
    packet = RtpPacket.parse(data)
    assert packet.csrcs == (10, 11)
    assert packet.extension == HeaderExtension(0xBEDE, bytes.fromhex("10ff0000"))
    assert packet.payload == b"abc"
    assert packet.padding == b"\0\0\3"
    assert bytes(packet) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "0 octets"),
        (PACKET[:11], "11 octets"),
        (b"\x40" + PACKET[1:], "version 1"),
        (b"\x81" + PACKET[1:12], "contributing"),
        (b"\x90" + PACKET[1:14], "extension"),
        (b"\x90" + PACKET[1:12] + bytes.fromhex("bede0002 00000000"), "extension"),
        (b"\xa0" + PACKET[1:12] + b"\0", "padding"),
        (b"\xa0" + PACKET[1:12] + b"ab\4", "padding"),
    ],
)
def test_what_does_not_fit_is_refused(data, complaint):
    with pytest.raises(PacketError, match=complaint):
        RtpPacket.parse(data)


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(128, 0, 0, 0),
        RtpPacket(0, 1 << 16, 0, 0),
        RtpPacket(0, 0, -1, 0),
        RtpPacket(0, 0, 0, 0, csrcs=(1,) * 16),
        RtpPacket(0, 0, 0, 0, padding=b"\2"),
        RtpPacket(0, 0, 0, 0, extension=HeaderExtension(0, b"abc")),
    ],
)
def test_a_packet_that_cannot_be_written(packet):
    with pytest.raises(PacketError):
        bytes(packet)


@given(packets)
def test_parse_is_the_inverse_of_bytes(packet):
    assert RtpPacket.parse(bytes(packet)) == packet


@given(st.binary(max_size=80) | packets.map(bytes))
def test_bytes_is_the_inverse_of_parse(data):
    try:
        packet = RtpPacket.parse(data)
    except PacketError:
        return
    assert bytes(packet) == data


def test_rtcp_on_the_same_port_is_told_apart():
    report = bytes.fromhex("80 c9 0001 00000001")
    assert is_rtcp(report)
    assert not is_rtp(report + bytes(8))
    assert is_rtp(PACKET)
    assert not is_rtcp(PACKET)
    stun = bytes.fromhex("0001 0000 2112a442") + bytes(12)
    assert not is_rtp(stun)
    assert not is_rtcp(stun)
    assert not is_rtcp(report[:4])
