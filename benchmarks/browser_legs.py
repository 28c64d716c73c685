"""Browser legs without sockets: `python -m benchmarks.browser_legs --legs 100`.

An engine with calls between a browser and a plain phone. Measured is what the engine spends: for a
check of ICE, for its half of a DTLS handshake, and for a packet in each direction. The browser's
half is done by the same library and isn't counted. Ratios hold on a busy machine, too, since CPU
time of the one thread is taken.
"""

from __future__ import annotations

import argparse
import hmac
import struct
import time
import zlib
from datetime import UTC, datetime

from rtp.control import Open, SetRemote, SideSpec, Start, WebTerms
from rtp.disk import Disk
from rtp.dtls import Dtls, DtlsContext, fingerprint_of, make_certificate
from rtp.engine import Engine
from rtp.packet import HEADER
from rtp.ports import PortPool
from rtp.sound import SoundTier
from rtp.srtp import Srtp

FIRST_PORT = 20_000
PAYLOAD = bytes(160)
PASSWORD = "the-password-of-the-switch"
PHONE = ("198.51.100.2", 5000)
PACKETS_PER_SECOND = 50


class _Sockets:
    def bind(self, rtp_port: int) -> None:
        """Every port is free."""

    def release(self, rtp_port: int) -> None:
        """Nothing was opened."""

    def keep_none(self) -> None:
        """Nothing was opened."""


class Spent:
    """CPU time of the engine, and how often."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.times = 0

    @property
    def microseconds(self) -> float:
        return 1e6 * self.seconds / max(self.times, 1)


class Bench:
    """One engine and its browsers.

    Args:
        legs: calls, each between a browser and a plain phone.
    """

    def __init__(self, legs: int) -> None:
        now = datetime.now(UTC)
        ours, self._theirs = make_certificate(now), make_certificate(now)
        last = FIRST_PORT + 4 * legs + 10
        start = Start("127.0.0.1", FIRST_PORT, last, 0, 3.0, 60.0, 300.0, 5.0, certificate=ours)
        pool = PortPool(FIRST_PORT, last, lambda ports: None, 5.0)
        sound = SoundTier(Disk(lambda result: None), lambda bits: 1)
        self._engine = Engine(start, pool, _Sockets(), sound)
        self._context = DtlsContext(self._theirs)
        self._named = (fingerprint_of(ours.certificate),)
        self._srtp: list[Srtp] = []
        self.checks, self.handshakes = Spent(), Spent()
        self.inward, self.outward = Spent(), Spent()
        for leg in range(legs):
            self._connect(leg)

    def _address(self, leg: int) -> tuple[str, int]:
        return "203.0.113.7", 10_000 + leg

    def _ports(self, leg: int) -> tuple[int, int]:
        return FIRST_PORT + 4 * leg, FIRST_PORT + 4 * leg + 2

    def _give(self, spent: Spent, port: int, data: bytes, source: tuple[str, int]) -> list[bytes]:
        begun = time.thread_time()
        self._engine.receive(port, data, source, 1.0)
        out = self._engine.take_datagrams()
        spent.seconds += time.thread_time() - begun
        return [datagram for _, datagram, _ in out]

    def _connect(self, leg: int) -> None:
        engine, (port, _) = self._engine, self._ports(leg)
        named = (fingerprint_of(self._theirs.certificate),)
        terms = WebTerms(f"ours{leg}", PASSWORD, "theirs", named)
        engine.handle(Open(leg, SideSpec(), SideSpec(PHONE[0])), 0.0)
        engine.handle(SetRemote(leg, "a", None, 9, 9, "sendrecv", web=terms), 0.0)
        engine.handle(SetRemote(leg, "b", *PHONE, PHONE[1] + 1, "sendrecv"), 0.0)
        self._give(self.checks, port, check(f"ours{leg}:theirs", leg), self._address(leg))
        self.checks.times += 1
        dtls = Dtls(self._context, "active", self._named)
        dtls.begin(0.0)
        while outgoing := dtls.to_send():
            for data in outgoing:
                for back in self._give(self.handshakes, port, data, self._address(leg)):
                    dtls.receive(back, 0.0)
        self.handshakes.times += 1
        assert dtls.keys is not None, "the handshake failed"
        self._srtp.append(Srtp(dtls.keys))
        engine.take_messages()

    def talk(self, packets: int) -> None:
        """So many packets of each leg in each direction."""
        for sequence in range(packets):
            clear = HEADER.pack(0x80, 0, sequence, 160 * sequence, 7) + PAYLOAD
            sealed = [srtp.seal(clear) for srtp in self._srtp]
            begun = time.thread_time()
            for leg, data in enumerate(sealed):
                assert data is not None
                self._engine.receive(self._ports(leg)[0], data, self._address(leg), 1.0)
            self.inward.seconds += time.thread_time() - begun
            begun = time.thread_time()
            for leg in range(len(sealed)):
                self._engine.receive(self._ports(leg)[1], clear, PHONE, 1.0)
            self.outward.seconds += time.thread_time() - begun
            self.inward.times += len(sealed)
            self.outward.times += len(sealed)


def check(username: str, number: int, password: str = PASSWORD) -> bytes:
    """A nominating check as a browser sends it (RFC 8445 section 7.2)."""
    name = username.encode()
    body = struct.pack("!HH", 6, len(name)) + name + bytes(-len(name) % 4)
    body += struct.pack("!HHI", 0x24, 4, 1) + struct.pack("!HHQ", 0x802A, 8, number)
    body += struct.pack("!HH", 0x25, 0)
    head = struct.pack("!HHI", 1, len(body) + 24, 0x2112A442) + number.to_bytes(12, "big")
    message = head + body
    message += struct.pack("!HH", 8, 20) + hmac.digest(password.encode(), message, "sha1")
    message = message[:2] + struct.pack("!H", len(message) - 20 + 8) + message[4:]
    return message + struct.pack("!HHI", 0x8028, 4, zlib.crc32(message) ^ 0x5354554E)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--packets", type=int, default=200, help="of each leg, each way")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    legs, packets = (20, 50) if chosen.quick else (chosen.legs, chosen.packets)
    bench = Bench(legs)
    bench.talk(packets)
    setup = bench.checks.microseconds + bench.handshakes.microseconds
    pair = bench.inward.microseconds + bench.outward.microseconds
    print(f"{legs} legs, {packets} packets each way, CPU of the engine alone (no system calls)")
    print("                            seen    aim")
    print(f"check of ICE, us        {bench.checks.microseconds:8.1f}")
    print(f"DTLS handshake, us      {bench.handshakes.microseconds:8.1f}")
    print(f"set-ups a second        {1e6 / setup:8.0f}    300")
    print(f"packet from browser, us {bench.inward.microseconds:8.1f}")
    print(f"packet to browser, us   {bench.outward.microseconds:8.1f}")
    print(f"calls of one core       {1e6 / (pair * PACKETS_PER_SECOND):8.0f}    (packet by packet)")


if __name__ == "__main__":
    main()
