"""Calls between browsers and plain phones through a relay:
`python -m benchmarks.browser_calls --calls 1000 --seconds 10 --relays own,single,other`.

One relay on one core: our own worker in batches ("own") or packet by packet ("single"), or another
relay, as far as it is installed. Browsers and phones are on the other core. Each browser checks its
path (ICE), makes its keys (DTLS) and sends SRTP, each phone sends RTP, 50 packets a second each
way; nothing is decoded. Shown are set-ups a second, loss, the delay that the relay adds (from
before the send call to the kernel's stamp of the arrival, on a sample of the calls) and the relay's
CPU time. The browsers' packets are sealed before the clock starts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from benchmarks.browser_legs import check
from benchmarks.browser_relays import RELAYS, Call, started
from benchmarks.machine import Cores, cpu_seconds, describe, percentile
from benchmarks.relays import HOST
from benchmarks.rtp_generator import ADDRESS, MAX_BATCH, TIMESPEC, Batch, udp_socket
from rtp.dtls import Dtls, DtlsContext, fingerprint_of, make_certificate
from rtp.packet import HEADER
from rtp.srtp import Srtp

PACKET_SECONDS = 0.02
PAYLOAD = bytes(range(160))
SAMPLED_CALLS = 20
BULK_SOCKETS = 4
"""Sockets that the other calls share, on each side."""
TICK_SECONDS = 0.0005
DRAIN_SECONDS = 0.5
PATIENCE_SECONDS = 20.0
DTLS_OCTETS = range(20, 64)
"""The first octets of its datagrams (RFC 7983)."""
RETRY_SECONDS = 0.1
MAX_LOSS_PERCENT, MAX_DELAY_P99_MS = 0.1, 5.0
SETTLING_NS = 1_000_000_000
"""All calls begin within 20 ms of each other, as no calls do; that second is shown by itself."""

Delay = tuple[int, int]
"""When a packet was sent, and how long the relay took; nanoseconds."""


class Stream:
    """Packets of one side of some calls, by one socket, and what comes back to it.

    Args:
        packets: those of each call, in their order.
        phases: when in each 20 ms a call sends, ascending.
    """

    def __init__(
        self, made: socket.socket, packets: list[list[bytes]], ports: list[int], phases: list[float]
    ) -> None:
        self.socket = made
        cycles = len(packets[0])
        rows = b"".join(call[cycle] for cycle in range(cycles) for call in packets)
        self._rows = np.frombuffer(rows, np.uint8).reshape(cycles * len(packets), -1).copy()
        targets = b"".join(
            ADDRESS.pack(socket.AF_INET, struct.pack(">H", port), socket.inet_aton(HOST))
            for port in ports
        )
        self._batch = Batch(self._rows, targets * cycles)
        every = np.arange(cycles)[:, None] * PACKET_SECONDS + np.array(phases)[None, :]
        self._due = every.reshape(-1)
        self._came = np.zeros((MAX_BATCH, 2048), np.uint8)
        self._incoming = Batch(self._came, None)
        self.sent = self.received = 0
        self.sent_at: list[int] = []
        """The nanosecond of each packet; of a call that is alone at its socket, by its sequence
        number."""
        self.late: list[float] = []

    def send(self, since: float) -> None:
        """Send what is due."""
        due = int(np.searchsorted(self._due, since, "right"))
        if due > self.sent:
            self.late.append(since - float(self._due[self.sent]))
            self.sent_at += [time.time_ns()] * (due - self.sent)
            self._batch.send(self.socket.fileno(), self.sent, due)
            self.sent = due

    def receive(self) -> None:
        """Count the RTP that has come."""
        while True:
            came = self._incoming.receive(self.socket.fileno())
            first, second = self._came[:came, 0], self._came[:came, 1]
            self.received += int(((first >> 6 == 2) & ((second < 192) | (second > 223))).sum())
            if came < MAX_BATCH:
                return

    def receive_stamped(self, other: Stream) -> list[Delay]:
        """The delays of the packets that have come from the other side."""
        delays: list[Delay] = []
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return delays
            if data[0] >> 6 != 2 or 192 <= data[1] <= 223 or not ancillary:
                continue
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            sequence = HEADER.unpack_from(data)[2]
            self.received += 1
            sent_at = other.sent_at[sequence]
            delays.append((sent_at, seconds * 1_000_000_000 + nanoseconds - sent_at))


@dataclass
class Browser:
    """One browser, from its first check to its keys."""

    number: int
    socket: socket.socket
    call: Call

    def set_up(self, context: DtlsContext) -> Srtp:
        """Check the path, then shake hands.

        Raises:
            TimeoutError: the relay says nothing.
        """
        call = self.call
        target, ends = (HOST, call.browser_port), time.monotonic() + PATIENCE_SECONDS
        answer = None
        while answer is None and time.monotonic() < ends:
            self.socket.sendto(check(call.username, self.number, call.password), target)
            answer = self._hear()
        dtls = Dtls(context, "active", (call.fingerprint,))
        dtls.begin(time.monotonic())
        while dtls.keys is None and time.monotonic() < ends:
            for datagram in dtls.to_send():
                self.socket.sendto(datagram, target)
            heard = self._hear()
            if heard is not None and heard[0] in DTLS_OCTETS:
                dtls.receive(heard, time.monotonic())
            dtls.expire(time.monotonic())
        for datagram in dtls.to_send():
            self.socket.sendto(datagram, target)
        if dtls.keys is None:
            raise TimeoutError(f"browser {self.number} got no keys")
        return Srtp(dtls.keys)

    def _hear(self) -> bytes | None:
        """The next datagram of this call; the socket also has those of others."""
        ends = time.monotonic() + RETRY_SECONDS
        while (left := ends - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                data, source = self.socket.recvfrom(2048)
                if source[1] == self.call.browser_port:
                    return data
        return None


def phone_sockets(calls: int, stamped: int) -> list[socket.socket]:
    """The socket of each call on one side; those that are sampled have their own."""
    shared = [udp_socket(HOST) for _ in range(BULK_SOCKETS)]
    return [
        udp_socket(HOST, stamped=True) if call < stamped else shared[call % BULK_SOCKETS]
        for call in range(calls)
    ]


def streams_of(
    sockets: list[socket.socket], packets: list[list[bytes]], ports: list[int], shift: float
) -> list[Stream]:
    """A stream for each socket; calls are spread evenly over 20 ms."""
    step = PACKET_SECONDS / len(sockets)
    calls: dict[socket.socket, list[int]] = {}
    for call, made in enumerate(sockets):
        calls.setdefault(made, []).append(call)
    return [
        Stream(
            made,
            [packets[call] for call in mine],
            [ports[call] for call in mine],
            [call * step + shift for call in mine],
        )
        for made, mine in calls.items()
    ]


def drive(
    browsers: list[Stream], phones: list[Stream], sampled: int, seconds: float
) -> list[Delay]:
    """Send everything in real time; the delays of the sampled calls."""
    delays: list[Delay] = []
    everybody = (*browsers, *phones)

    def receive() -> None:
        for index, (browser, phone) in enumerate(zip(browsers, phones, strict=True)):
            if index < sampled:
                delays.extend(browser.receive_stamped(phone))
                delays.extend(phone.receive_stamped(browser))
            else:
                browser.receive()
                phone.receive()

    start = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        for one in everybody:
            one.send(now - start)
        receive()
        time.sleep(max(0.0, now + TICK_SECONDS - time.monotonic()))
    time.sleep(DRAIN_SECONDS)
    receive()
    return delays


async def measure(name: str, calls: int, seconds: float, cores: Cores) -> bool:
    """One load; True if loss and delay are within their limits.

    Raises:
        LookupError: there is no such relay here.
    """
    theirs = make_certificate(datetime.now(UTC))
    async with started(name, cores.switch) as relay:
        if cores.generator is not None:
            os.sched_setaffinity(0, {cores.generator})
        sampled = min(SAMPLED_CALLS, calls)
        here, there = phone_sockets(calls, sampled), phone_sockets(calls, sampled)
        ports = [(a.getsockname()[1], b.getsockname()[1]) for a, b in zip(here, there, strict=True)]
        opened = await relay.connect(ports, fingerprint_of(theirs.certificate))
        srtp = await _set_up(opened, here, DtlsContext(theirs), relay.pid)
        clear = [
            [HEADER.pack(0x80, 0, cycle, 160 * cycle, call) + PAYLOAD
             for cycle in range(round(seconds / PACKET_SECONDS))]
            for call in range(calls)
        ]  # fmt: skip
        sealed = [
            [packet for data in mine if (packet := one.seal(data)) is not None]
            for one, mine in zip(srtp, clear, strict=True)
        ]
        browsers = streams_of(here, sealed, [one.browser_port for one in opened], 0.0)
        half = PACKET_SECONDS / len(opened) / 2
        phones = streams_of(there, clear, [one.phone_port for one in opened], half)
        cpu, begun = cpu_seconds([relay.pid]), time.monotonic()
        delays = await asyncio.to_thread(drive, browsers, phones, sampled, seconds)
        cpu, elapsed = cpu_seconds([relay.pid]) - cpu, time.monotonic() - begun
        await relay.close()
        return _show(name, calls, browsers + phones, delays, cpu, elapsed)


async def _set_up(
    calls: list[Call], sockets: list[socket.socket], context: DtlsContext, pid: int
) -> list[Srtp]:
    """Set every browser up, one after another, and show what it took."""
    browsers = [
        Browser(number, made, call)
        for number, (made, call) in enumerate(zip(sockets, calls, strict=True))
    ]
    cpu, begun = cpu_seconds([pid]), time.monotonic()
    srtp = [await asyncio.to_thread(one.set_up, context) for one in browsers]
    cpu, elapsed = cpu_seconds([pid]) - cpu, time.monotonic() - begun
    each = cpu / len(browsers)
    print(
        f"set-ups: {len(browsers) / elapsed:,.0f} a second, one at a time; {1e6 * each:,.0f} us of"
        f" CPU of the relay each, {1 / max(each, 1e-9):,.0f} a second of a core"
    )
    return srtp


def _show(
    name: str, calls: int, streams: list[Stream], delays: list[Delay], cpu: float, elapsed: float
) -> bool:
    sent, received = sum(one.sent for one in streams), sum(one.received for one in streams)
    loss = 100 * (1 - received / max(1, sent))
    settled_at = min(sent_at for sent_at, _ in delays) + SETTLING_NS
    started, settled = (
        [delay / 1e6 for sent_at, delay in delays if (sent_at >= settled_at) == late]
        for late in (False, True)
    )
    p50, p99 = (percentile(settled, part) for part in (0.5, 0.99))
    late = percentile([late for one in streams for late in one.late], 0.99) * 1e3
    holds = loss <= MAX_LOSS_PERCENT and p99 <= MAX_DELAY_P99_MS
    print(
        f"{name:6} {calls} calls: {received / elapsed:,.0f} packets/s,"
        f" {100 * cpu / elapsed:.1f} % of a core,"
        f" {1e6 * cpu / max(1, received):.2f} us of CPU a packet, loss {loss:.3f} %,"
        f" delay p50 {p50:.2f} ms p99 {p99:.2f} ms, in the first second p99"
        f" {percentile(started, 0.99):.2f} ms (generator late p99 {late:.2f} ms):"
        f" {'holds' if holds else 'does not hold'}"
    )
    return holds


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.browser_calls", description=__doc__)
    parser.add_argument("--calls", default="250,500,1000", help="how many, comma separated")
    parser.add_argument("--relays", default="own", help=f"comma separated: {', '.join(RELAYS)}")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    print(describe())
    cores = Cores.pick()
    calls, seconds = ("50", 2.0) if chosen.quick else (chosen.calls, chosen.seconds)
    for count in map(int, calls.split(",")):
        for name in chosen.relays.split(","):
            try:
                asyncio.run(measure(name, count, seconds, cores))
            except LookupError as why:
                print(f"{name}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
