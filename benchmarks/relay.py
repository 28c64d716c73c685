"""The media relay under load: `python -m benchmarks.relay --calls 100,500,1000`.

Opens two-way G.711 calls in one media worker on one core and sends 50 packets a second each way
from another core. Delay is what the relay adds: from before the send call to the kernel's stamp of
the arrival, on a sample of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rtp.client import MediaSession, MediaSettings, MediaWorkers

HOST = "127.0.0.1"
PACKET_SECONDS = 0.02
WARM_UP_SECONDS = 1.5
DRAIN_SECONDS = 0.5
TICK_SECONDS = 0.0005
BULK_SOCKETS = 8
"""The generator's own sockets for all calls but the sample: it isn't what is measured."""
CALLS_PER_SAMPLE = 25
RECEIVE_BUFFER = 8 << 20
PACKET = struct.Struct(">BBHIIQ")
"""RTP header, and in its payload the nanosecond at which it was sent, 0 outside the measure."""
PAYLOAD_BYTES = 160
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@qq")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the generator saw; milliseconds."""

    sent: int
    received: int
    delay_p50_ms: float
    delay_p99_ms: float
    late_p99_ms: float
    """How late the generator itself was."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One load."""

    calls: int
    packets_per_second: float
    cpu_us_per_packet: float
    cpu_percent: float
    cpu_percent_per_100_calls: float
    loss_percent: float
    delay_p50_ms: float
    delay_p99_ms: float
    generator_late_p99_ms: float
    resident_bytes_per_call: float


# The generator, a process of its own


class Generator:
    """Both phones of every call, on a few sockets.

    Args:
        targets: the relay's ports of each call, a and b.
    """

    def __init__(self, targets: list[tuple[int, int]]) -> None:
        self._bulk = [_udp_socket() for _ in range(BULK_SOCKETS)]
        self._sample: list[socket.socket] = []
        self._streams: list[tuple[socket.socket, tuple[str, int], int]] = []
        self.ports: list[tuple[int, int]] = []
        self._delays: list[int] = []
        self._late: list[float] = []
        self._received = 0
        for call, (a_port, b_port) in enumerate(targets):
            a, b = self._phones(call)
            self._streams.append((a, (HOST, a_port), 2 * call))
            self._streams.append((b, (HOST, b_port), 2 * call + 1))
            self.ports.append((a.getsockname()[1], b.getsockname()[1]))

    def _phones(self, call: int) -> tuple[socket.socket, socket.socket]:
        if call % CALLS_PER_SAMPLE:
            half = BULK_SOCKETS // 2
            return self._bulk[call % half], self._bulk[half + call % half]
        pair = _udp_socket(stamped=True), _udp_socket(stamped=True)
        self._sample.extend(pair)
        return pair

    def run(self, seconds: float) -> Traffic:
        """Send for warm-up and measure; prints START and END around the latter."""
        start = time.monotonic()
        begin, end = start + WARM_UP_SECONDS, start + WARM_UP_SECONDS + seconds
        sent, phase = 0, 0
        packets = self._packets(start)
        buffer = bytearray(PACKET.size + PAYLOAD_BYTES)
        due, stream, sequence = next(packets)
        while True:
            now = time.monotonic()
            if phase == 0 and now >= begin:
                phase = 1
                self._received = 0
                print("START", flush=True)
            if now >= end:
                break
            while due <= now:
                phone, target, ssrc = stream
                stamp = time.time_ns() if phase else 0
                PACKET.pack_into(
                    buffer, 0, 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, stamp
                )
                phone.sendto(buffer, target)
                if phase:
                    sent += 1
                    self._late.append(now - due)
                due, stream, sequence = next(packets)
            self._receive()
            time.sleep(max(0.0, now + TICK_SECONDS - time.monotonic()))
        print("END", flush=True)
        time.sleep(DRAIN_SECONDS)
        self._receive()
        return Traffic(
            sent,
            self._received,
            _percentile(self._delays, 0.5) / 1e6,
            _percentile(self._delays, 0.99) / 1e6,
            _percentile(self._late, 0.99) * 1e3,
        )

    def _packets(
        self, start: float
    ) -> Iterator[tuple[float, tuple[socket.socket, tuple[str, int], int], int]]:
        """When which stream sends which packet; all spread evenly."""
        step = PACKET_SECONDS / len(self._streams)
        sequence = 0
        while True:
            first = start + sequence * PACKET_SECONDS
            for index, stream in enumerate(self._streams):
                yield first + index * step, stream, sequence
            sequence += 1

    def _receive(self) -> None:
        buffer = bytearray(2048)
        for phone in self._bulk:
            while True:
                try:
                    phone.recv_into(buffer)
                except BlockingIOError:
                    break
                self._received += buffer[19] != 0 or buffer[12:20] != bytes(8)
        for phone in self._sample:
            self._receive_stamped(phone)

    def _receive_stamped(self, phone: socket.socket) -> None:
        while True:
            try:
                data, ancillary, _, _ = phone.recvmsg(2048, 64)
            except BlockingIOError:
                return
            sent_at = PACKET.unpack_from(data)[5]
            if sent_at and ancillary:
                seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
                self._received += 1
                self._delays.append(seconds * 1_000_000_000 + nanoseconds - sent_at)


def _udp_socket(*, stamped: bool = False) -> socket.socket:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if stamped:
        phone.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    phone.bind((HOST, 0))
    return phone


def _percentile(values: list[int] | list[float], part: float) -> float:
    if not values:
        return float("nan")
    return float(sorted(values)[min(len(values) - 1, int(len(values) * part))])


def generate(core: int | None) -> None:
    """The generator's process: targets in, ports out, then traffic."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    order = json.loads(sys.stdin.readline())
    generator = Generator([(a, b) for a, b in order["targets"]])
    print(json.dumps(generator.ports), flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(generator.run(order["seconds"]))), flush=True)


# The relay's side


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(calls: int, seconds: float, cores: tuple[int | None, int | None]) -> Measure:
    """One load on a fresh worker."""
    media = MediaWorkers(HOST, (20000, 59999), 1, MediaSettings())
    await media.start()
    (pid,) = media.pids
    if cores[0] is not None:
        os.sched_setaffinity(pid, {cores[0]})
    before = resident_bytes(pid)
    sessions = [await media.open(HOST, HOST) for _ in range(calls)]
    try:
        traffic, cpu, elapsed = await _drive(pid, sessions, seconds, cores[1])
        resident = resident_bytes(pid) - before
    finally:
        await asyncio.gather(*(session.close() for session in sessions))
        await media.close()
    return Measure(
        calls=calls,
        packets_per_second=round(traffic.received / elapsed),
        cpu_us_per_packet=round(cpu / max(1, traffic.received) * 1e6, 2),
        cpu_percent=round(100 * cpu / elapsed, 1),
        cpu_percent_per_100_calls=round(100 * cpu / elapsed / calls * 100, 2),
        loss_percent=round(100 * (1 - traffic.received / max(1, traffic.sent)), 3),
        delay_p50_ms=round(traffic.delay_p50_ms, 3),
        delay_p99_ms=round(traffic.delay_p99_ms, 3),
        generator_late_p99_ms=round(traffic.late_p99_ms, 3),
        resident_bytes_per_call=round(resident / calls),
    )


async def _drive(
    pid: int, sessions: list[MediaSession], seconds: float, core: int | None
) -> tuple[Traffic, float, float]:
    """Run the generator; what it saw, the worker's CPU seconds and the seconds between them."""
    arguments = [] if core is None else ["--core", str(core)]
    generator = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.relay", "--generate", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert generator.stdin is not None
    assert generator.stdout is not None
    order = {"targets": [(s.a_port, s.b_port) for s in sessions], "seconds": seconds}
    generator.stdin.write(json.dumps(order).encode() + b"\n")
    for session, (a_port, b_port) in zip(
        sessions, json.loads(await generator.stdout.readline()), strict=True
    ):
        session.set_remote("a", HOST, a_port, a_port + 1, "sendrecv")
        session.set_remote("b", HOST, b_port, b_port + 1, "sendrecv")
    await asyncio.sleep(0.2)
    generator.stdin.write(b"\n")
    await generator.stdout.readline()
    cpu, begin = cpu_seconds(pid), time.monotonic()
    await generator.stdout.readline()
    cpu, elapsed = cpu_seconds(pid) - cpu, time.monotonic() - begin
    traffic = Traffic(**json.loads(await generator.stdout.readline()))
    await generator.wait()
    return traffic, cpu, elapsed


def two_cores() -> tuple[int | None, int | None]:
    """One for the relay and one for the generator, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.relay", description=__doc__)
    parser.add_argument("--calls", default="100,500,1000", help="how many, comma separated")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true", help="a JSON line for each load")
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(arguments.core)
        return
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores")
    for calls in map(int, arguments.calls.split(",")):
        result = asyncio.run(measure(calls, arguments.seconds, two_cores()))
        if arguments.json:
            print(json.dumps(asdict(result)), flush=True)
            continue
        print(
            f"{calls:5} calls: {result.packets_per_second:.0f} packets/s,"
            f" {result.cpu_us_per_packet} us CPU a packet,"
            f" {result.cpu_percent_per_100_calls} % CPU per 100 calls,"
            f" loss {result.loss_percent} %,"
            f" delay p50 {result.delay_p50_ms} ms p99 {result.delay_p99_ms} ms"
            f" (generator late p99 {result.generator_late_p99_ms} ms),"
            f" {result.resident_bytes_per_call:.0f} bytes a call",
            flush=True,
        )


if __name__ == "__main__":
    main()
