"""RTCP: exact octets, and parse and bytes() as inverses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.packet import PacketError
from rtp.rtcp import (
    Goodbye,
    OtherPacket,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound_bytes,
    parse_compound,
)

# A sender report with one block, and its CNAME, as phones send every five seconds.
COMPOUND = bytes.fromhex(
    "81c8000c 0000002a e2c0a1b2 80000000 00001f40 00000032 00001f40"
    "0000002b 03 fffffe 00010007 00000005 a1b28000 00010000"
    "81ca0004 0000002a 0106 6140622e6364 00 000000"
)

words = st.integers(0, 0xFFFF_FFFF)
ntp = st.integers(0, 2**64 - 1)
blocks = st.lists(
    st.builds(
        ReportBlock,
        words,
        st.integers(0, 255),
        st.integers(-(1 << 23), (1 << 23) - 1),
        words,
        words,
        words,
        words,
    ),
    max_size=4,
).map(tuple)
extensions = st.binary(max_size=24).map(lambda data: data[: len(data) // 4 * 4])
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=30)), max_size=3).map(tuple)
reasons = st.none() | st.binary(max_size=40)
compounds = st.lists(
    st.one_of(
        st.builds(
            SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, blocks, extensions
        ),
        st.builds(ReceiverReport, words, blocks, extensions),
        st.builds(SourceDescription, st.lists(st.tuples(words, items), max_size=3).map(tuple)),
        st.builds(
            Goodbye, st.lists(words, max_size=4).map(tuple), st.none() | st.binary(max_size=40)
        ),
        st.builds(OtherPacket, st.integers(204, 223), st.integers(0, 31), extensions),
    ),
    min_size=1,
    max_size=5,
)


def test_a_report_with_its_name():
    assert parse_compound(COMPOUND) == [
        SenderReport(
            ssrc=42,
            ntp_timestamp=0xE2C0A1B2_80000000,
            rtp_timestamp=8000,
            packets=50,
            octets=8000,
            blocks=(ReportBlock(43, 3, -2, 0x10007, 5, 0xA1B28000, 0x10000),),
        ),
        SourceDescription(((42, ((1, b"a@b.cd"),)),)),
    ]
    assert compound_bytes(parse_compound(COMPOUND)) == COMPOUND


def test_padding_is_only_for_the_last_packet():
    padded = bytes.fromhex("a0c90002 00000001 00000004")
    assert parse_compound(padded) == [ReceiverReport(1)]
    with pytest.raises(PacketError, match="padding"):
        parse_compound(padded + bytes.fromhex("80c90001 00000001"))


@pytest.mark.parametrize("length", range(1, 13))
def test_a_truncated_report_is_refused(length):
    with pytest.raises(PacketError):
        parse_compound(COMPOUND[:length])


def test_an_empty_datagram_and_a_flood_of_packets_are_refused():
    with pytest.raises(PacketError):
        parse_compound(b"")
    with pytest.raises(PacketError, match="more than"):
        parse_compound(bytes.fromhex("80cb0000") * 65)


@given(compounds)
def test_parse_is_the_inverse_of_bytes(packets):
    assert parse_compound(compound_bytes(packets)) == packets


@given(st.binary(max_size=120) | compounds.map(compound_bytes), st.data())
def test_rubbish_raises_nothing_else(data, draw):
    if data:
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    try:
        packets = parse_compound(data)
    except PacketError:
        return
    assert parse_compound(compound_bytes(packets)) == packets
