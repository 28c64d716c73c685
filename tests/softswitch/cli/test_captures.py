"""Capture files and HEP packets, read back octet by octet; and by tshark, where it is there."""

import shutil
import socket
import struct
import subprocess

import pytest

from sip.flow import Flow
from softswitch.trace.hep import HepSender, encode
from softswitch.trace.pcap import SEGMENT_BYTES, Captured, capture_file

A, B = ("192.0.2.1", 5060), ("198.51.100.7", 40_000)
A6, B6 = ("2001:db8::1", 5060), ("2001:db8::7", 40_000)
INVITE = (
    b"INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: abc@x\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
TRYING = (
    b"SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: abc@x\r\nCSeq: 1 INVITE\r\n"
    b"Content-Length: 0\r\n\r\n"
)
AT = 1_800_000_000_123_456


def packets(file: bytes) -> list[tuple[int, bytes]]:
    """Microseconds and packet of each record."""
    magic, major, minor, _, _, snap, link = struct.unpack("!IHHiIII", file[:24])
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    found, at = [], 24
    while at < len(file):
        seconds, micros, kept, length = struct.unpack("!IIII", file[at : at + 16])
        assert kept == length <= snap
        found.append((seconds * 1_000_000 + micros, file[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(file)
    return found


def ones_sum(data: bytes) -> int:
    """0xFFFF where a checksum is right (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def opened(packet: bytes) -> tuple[int, str, str, bytes]:
    """Protocol, source, target and payload of an IP packet; its checksums are right."""
    if packet[0] >> 4 == 4:
        assert (packet[0], int.from_bytes(packet[2:4], "big")) == (0x45, len(packet))
        assert ones_sum(packet[:20]) == 0xFFFF
        protocol, addresses, payload, family = packet[9], packet[12:20], packet[20:], socket.AF_INET
    else:
        assert packet[0] >> 4 == 6 and int.from_bytes(packet[4:6], "big") == len(packet) - 40
        protocol, addresses, payload, family = packet[6], packet[8:40], packet[40:], socket.AF_INET6
    assert ones_sum(addresses + struct.pack("!II", len(payload), protocol) + payload) == 0xFFFF
    half = len(addresses) // 2
    ends = (socket.inet_ntop(family, part) for part in (addresses[:half], addresses[half:]))
    return (protocol, *ends, payload)


@pytest.mark.parametrize(("source", "target"), [(B, A), (B6, A6)])
def test_datagrams(source, target):
    file = capture_file([Captured(AT, "udp", source, target, INVITE),
                         Captured(AT + 900_000, "udp", target, source, TRYING)])  # fmt: skip
    (first_at, first), (second_at, second) = packets(file)
    assert (first_at, second_at) == (AT, AT + 900_000)
    protocol, from_, to, payload = opened(first)
    assert (protocol, from_, to) == (17, source[0], target[0])
    assert struct.unpack("!HHH", payload[:6]) == (source[1], target[1], len(payload))
    assert payload[8:] == INVITE
    assert opened(second)[1] == target[0] and opened(second)[3][8:] == TRYING


def test_a_datagram_of_odd_length_and_the_largest():
    for size in (1, 3, 65_507):
        ((_, packet),) = packets(capture_file([Captured(AT, "udp", B, A, b"x" * size)]))
        assert opened(packet)[3][8:] == b"x" * size


@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
def test_streams_are_put_together_again(transport):
    long = INVITE + b"y" * (3 * SEGMENT_BYTES)
    file = capture_file([
        Captured(AT, transport, B, A, long),
        Captured(AT, transport, A, B, TRYING),
        Captured(AT, transport, B, A, INVITE),
    ])  # fmt: skip
    heard = {B[0]: b"", A[0]: b""}
    for _, packet in packets(file):
        protocol, from_, _, segment = opened(packet)
        sequence, acknowledged = struct.unpack("!II", segment[4:12])
        assert (protocol, segment[12] >> 4, segment[13]) == (6, 5, 0x18)
        assert sequence == 1 + len(heard[from_])
        other = A[0] if from_ == B[0] else B[0]
        assert acknowledged == 1 + len(heard[other])
        heard[from_] += segment[20:]
        assert len(segment) <= 20 + SEGMENT_BYTES
    assert heard == {B[0]: long + INVITE, A[0]: TRYING}


def test_nothing_makes_an_empty_file():
    assert packets(capture_file([])) == []


@pytest.mark.parametrize(("source", "target"), [(B, A), (B6, A6)])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_tshark_reads_it(tmp_path, source, target, transport):
    if shutil.which("tshark") is None:
        pytest.skip("tshark isn't installed (Debian package tshark)")
    file = tmp_path / "call.pcap"
    long = INVITE.replace(b"Content-Length: 0\r\n\r\n", b"Subject: %s\r\nContent-Length: 0\r\n\r\n"
                          % (b"z" * 2 * SEGMENT_BYTES))  # fmt: skip
    asked = Captured(AT, transport, source, target, long)
    answered = Captured(AT + 1000, transport, target, source, TRYING)
    file.write_bytes(capture_file([asked, answered]))
    run = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-o", "ip.check_checksum:TRUE", "-o",
         "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-T", "fields",
         "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "sip.Call-ID", "-e", "_ws.malformed",
         "-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "tcp.checksum.status"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    found = [row[:3] for row in rows if row[2]]
    assert found == [["INVITE", "", "abc@x"], ["", "100", "abc@x"]]
    assert not any(row[3] for row in rows)
    assert {status for row in rows for status in row[4:] if status} == {"1"}  # good


def chunks(packet: bytes) -> dict[int, bytes]:
    """Values of a HEP3 packet by type."""
    assert packet[:4] == b"HEP3" and int.from_bytes(packet[4:6], "big") == len(packet)
    found, at = {}, 6
    while at < len(packet):
        vendor, kind, length = struct.unpack("!HHH", packet[at : at + 6])
        assert vendor == 0 and length >= 6 and kind not in found
        found[kind] = packet[at + 6 : at + length]
        at += length
    assert at == len(packet)
    return found


@pytest.mark.parametrize(
    ("transport", "source", "target", "family", "protocol", "kinds"),
    [("udp", B, A, 2, 17, (3, 4)), ("tls", B6, A6, 10, 6, (5, 6))],
)
def test_a_hep_packet(transport, source, target, family, protocol, kinds):
    found = chunks(encode(AT, transport, source, target, INVITE, agent=2001, correlation="call-1"))
    assert (found[1], found[2], found[11]) == (bytes([family]), bytes([protocol]), b"\x01")
    inet = socket.AF_INET6 if family == 10 else socket.AF_INET
    assert [socket.inet_ntop(inet, found[kind]) for kind in kinds] == [source[0], target[0]]
    ports = [int.from_bytes(found[kind], "big") for kind in (7, 8)]
    assert ports == [source[1], target[1]]
    assert struct.unpack("!I", found[9])[0] * 1_000_000 + struct.unpack("!I", found[10])[0] == AT
    assert (found[12], found[15], found[17]) == (struct.pack("!I", 2001), INVITE, b"call-1")


def test_a_message_that_is_too_long_is_cut():
    found = chunks(encode(AT, "tcp", B, A, b"x" * 65_535, agent=1))
    assert found[15] == b"x" * 60_000 and 17 not in found


def test_the_sender_masks_and_tells_the_direction():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(5)
        sender = HepSender(collector.getsockname(), agent=7, call_of=lambda data: "c1",
                           wall_us=lambda: AT)  # fmt: skip
        secret = INVITE.replace(b"Max-Forwards: 70", b'Authorization: Digest response="5ec2e7"')
        flow = Flow("udp", A, B)
        for sent, (source, target) in ((False, (B, A)), (True, (A, B))):
            sender((0.0, sent, flow, secret))
            found = chunks(collector.recv(65_535))
            assert b"5ec2e7" not in found[15] and b'response="xxxxxx"' in found[15]
            assert socket.inet_ntoa(found[3]) == source[0]
            assert socket.inet_ntoa(found[4]) == target[0]
        assert sender.lost == 0
        sender.close()


def test_a_collector_that_is_away_costs_nothing_but_its_copies():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
    sender = HepSender(address, agent=7, call_of=lambda data: None, wall_us=lambda: AT)
    for _ in range(50):
        sender((0.0, True, Flow("udp", A, B), INVITE))
    sender((0.0, True, Flow("udp", ("no address", 1), B), INVITE))
    assert 0 < sender.lost <= 51
    sender.close()
