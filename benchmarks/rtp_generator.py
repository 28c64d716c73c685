"""Both phones of many calls: `python -m benchmarks.rtp_generator`, a process of its own.

It sends what is due in batches (sendmmsg), since it isn't what is measured, and says on standard
output when it begins and ends to measure. Delay is taken on a sample of the calls, from before the
send call to the kernel's stamp of the arrival.

    {"calls": 100, "host": "127.0.0.1"}          ->  the ports of both phones of each call;
                                                     with "voices": true their packets have sound
    {"targets": [[a, b], ...], "seconds": 5}     ->  START, END, and what it saw
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.machine import percentile

PACKET_SECONDS = 0.02
WARM_UP_SECONDS = 1.5
DRAIN_SECONDS = 0.5
TICK_SECONDS = 0.0005
BULK_SOCKETS = 8
SAMPLED_CALLS = 20
RECEIVE_BUFFER = 8 << 20
PACKET = struct.Struct(">BBHIIQ")
"""RTP header, and in its payload the nanosecond at which it was sent, 0 outside the measure."""
PACKET_BYTES = 172
STAMP_AT = 12
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@qq")
QUIETEST_VOICE = 0x30
"""The quietest PCMU octet of the voice, which has small numbers for loud sound: noise of 2,000 at
the most."""
MAX_BATCH = 256
"""Messages in one system call."""

_libc = ctypes.CDLL(None, use_errno=True)
ADDRESS = struct.Struct("=H2s4s8x")


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
    ]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The generator's measurements; milliseconds."""

    sent: int
    received: int
    delay_p50_ms: float
    delay_p99_ms: float
    late_p99_ms: float
    """The lateness of the generator itself."""


class Batch:
    """Messages of one socket in one piece of memory.

    Args:
        packets: a row for each.
        addresses: where each goes to; None for messages to be received.
    """

    def __init__(self, packets: np.ndarray, addresses: bytes | None) -> None:
        count, width = packets.shape
        self._packets = packets
        self._addresses = None if addresses is None else ctypes.create_string_buffer(addresses)
        self._vectors = (_Vector * count)()
        self._messages = (_Message * count)()
        size = ctypes.sizeof(_Vector)
        for index in range(count):
            self._vectors[index] = _Vector(packets.ctypes.data + index * width, width)
            message = self._messages[index]
            message.vectors = ctypes.addressof(self._vectors) + index * size
            message.vector_count = 1
            if self._addresses is not None:
                message.name = ctypes.addressof(self._addresses) + index * ADDRESS.size
                message.name_length = ADDRESS.size

    def send(self, fd: int, first: int, last: int) -> None:
        while first < last:
            at = ctypes.byref(self._messages, first * ctypes.sizeof(_Message))
            done = _libc.sendmmsg(fd, at, min(MAX_BATCH, last - first), 0)
            if done < 0 and ctypes.get_errno() not in (errno.EAGAIN, errno.ECONNREFUSED):
                raise OSError(ctypes.get_errno(), "sendmmsg")
            first += max(0, done)

    def receive(self, fd: int) -> int:
        """Receive; returns the number of packets."""
        return max(0, int(_libc.recvmmsg(fd, self._messages, len(self._messages), 0, None)))


class Bulk:
    """A socket that many streams share, spread evenly over 20 ms."""

    def __init__(
        self, made: socket.socket, phases: list[float], targets: list[bytes], *, voices: bool
    ) -> None:
        self.socket = made
        self._phases = np.array(phases)
        self._packets = np.zeros((len(phases), PACKET_BYTES), np.uint8)
        self._packets[:, 0] = 0x80
        self._packets[:, 8:12] = _wire(np.arange(len(phases)) + made.fileno() * 100_000, ">u4")
        if voices:
            noise = np.random.default_rng(len(phases)).integers(
                QUIETEST_VOICE, 128, (len(phases), PACKET_BYTES - STAMP_AT), np.uint8
            )
            self._packets[:, STAMP_AT:] = noise | 0x80 * (noise & 1)
        self._batch = Batch(self._packets, b"".join(targets))
        self._came = np.zeros((MAX_BATCH, PACKET_BYTES), np.uint8)
        self._incoming = Batch(self._came, None)
        self._next = 0
        self._cycle = 0

    def send(self, since: float, stamp: int) -> tuple[int, float]:
        """Send what is due since the beginning; how many, and how late the first of them."""
        sent, late = 0, 0.0
        while True:
            begun = self._cycle * PACKET_SECONDS
            due = int(np.searchsorted(self._phases, since - begun, "right"))
            if due <= self._next:
                return sent, late
            late = max(late, since - begun - float(self._phases[self._next]))
            rows = self._packets[self._next : due]
            rows[:, 2:4] = _wire(np.array([self._cycle & 0xFFFF]), ">u2")
            rows[:, 4:8] = _wire(np.array([self._cycle * 160 & 0xFFFFFFFF]), ">u4")
            rows[:, STAMP_AT : STAMP_AT + 8] = _wire(np.array([stamp]), ">u8")
            self._batch.send(self.socket.fileno(), self._next, due)
            sent += due - self._next
            self._next = due
            if due == len(self._phases):
                self._next, self._cycle = 0, self._cycle + 1

    def receive(self) -> int:
        """Receive; returns the number of measured packets."""
        total = 0
        while True:
            came = self._incoming.receive(self.socket.fileno())
            total += int(self._came[:came, STAMP_AT : STAMP_AT + 8].any(axis=1).sum())
            if came < MAX_BATCH:
                return total


def _wire(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Big-endian octets, a row for each number."""
    return numbers.astype(kind).view(np.uint8).reshape(len(numbers), -1)


class Generator:
    """All phones."""

    def __init__(self, host: str, calls: int, *, voices: bool = False) -> None:
        self._host = host
        self._voices = voices
        half = BULK_SOCKETS // 2
        self._bulk_sockets = [udp_socket(host) for _ in range(BULK_SOCKETS)]
        self._sampled = min(SAMPLED_CALLS, calls)
        self._sample = [udp_socket(host, stamped=True) for _ in range(2 * self._sampled)]
        self.phones = [
            (self._sample[2 * call], self._sample[2 * call + 1])
            if call < self._sampled
            else (self._bulk_sockets[call % half], self._bulk_sockets[half + call % half])
            for call in range(calls)
        ]
        self._delays: list[int] = []
        self._late: list[float] = []
        self._received = 0

    @property
    def ports(self) -> list[tuple[int, int]]:
        return [(a.getsockname()[1], b.getsockname()[1]) for a, b in self.phones]

    def run(self, targets: list[tuple[int, int]], seconds: float) -> Traffic:
        """Send for warm-up and measure; prints START and END around the latter."""
        bulk = self._bulk(targets)
        sample = self._sample_packets(targets)
        start = time.monotonic()
        begin, end = start + WARM_UP_SECONDS, start + WARM_UP_SECONDS + seconds
        sent, measures = 0, False
        due, phone, target, ssrc, sequence = next(sample)
        buffer = bytearray(PACKET_BYTES)
        while (now := time.monotonic()) < end:
            if not measures and now >= begin:
                measures, self._received = True, 0
                print("START", flush=True)
            stamp = time.time_ns() if measures else 0
            for one in bulk:
                count, late = one.send(now - start, stamp)
                if measures and count:
                    sent += count
                    self._late.append(late)
            while start + due <= now:
                stamp = time.time_ns() if measures else 0
                PACKET.pack_into(
                    buffer, 0, 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, stamp
                )
                phone.sendto(buffer, target)
                sent += measures
                due, phone, target, ssrc, sequence = next(sample)
            self._receive(bulk)
            time.sleep(max(0.0, now + TICK_SECONDS - time.monotonic()))
        print("END", flush=True)
        time.sleep(DRAIN_SECONDS)
        self._receive(bulk)
        return Traffic(
            sent,
            self._received,
            percentile(self._delays, 0.5) / 1e6,
            percentile(self._delays, 0.99) / 1e6,
            percentile(self._late, 0.99) * 1e3,
        )

    def _bulk(self, targets: list[tuple[int, int]]) -> list[Bulk]:
        phases: dict[socket.socket, list[float]] = {made: [] for made in self._bulk_sockets}
        addresses: dict[socket.socket, list[bytes]] = {made: [] for made in self._bulk_sockets}
        step = PACKET_SECONDS / (2 * len(targets))
        for call in range(self._sampled, len(targets)):
            for side in (0, 1):
                made = self.phones[call][side]
                phases[made].append((2 * call + side) * step)
                addresses[made].append(
                    ADDRESS.pack(
                        socket.AF_INET,
                        struct.pack(">H", targets[call][side]),
                        socket.inet_aton(self._host),
                    )
                )
        return [
            Bulk(made, phases[made], addresses[made], voices=self._voices)
            for made in phases
            if phases[made]
        ]

    def _sample_packets(
        self, targets: list[tuple[int, int]]
    ) -> Iterator[tuple[float, socket.socket, tuple[str, int], int, int]]:
        """When which phone sends which packet where to."""
        step = PACKET_SECONDS / (2 * self._sampled)
        sequence = 0
        while True:
            for index in range(2 * self._sampled):
                call, side = divmod(index, 2)
                due = sequence * PACKET_SECONDS + index * step
                yield due, self._sample[index], (self._host, targets[call][side]), index, sequence
            sequence += 1

    def _receive(self, bulk: list[Bulk]) -> None:
        for one in bulk:
            self._received += one.receive()
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


def udp_socket(host: str, *, stamped: bool = False) -> socket.socket:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if stamped:
        phone.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    phone.bind((host, 0))
    return phone


def main() -> None:
    """Be told, send, and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.rtp_generator", description=__doc__)
    parser.add_argument("--core", type=int)
    core = parser.parse_args().core
    if core is not None:
        os.sched_setaffinity(0, {core})
    wanted = json.loads(sys.stdin.readline())
    generator = Generator(wanted["host"], wanted["calls"], voices=wanted.get("voices", False))
    print(json.dumps(generator.ports), flush=True)
    order = json.loads(sys.stdin.readline())
    targets = [(a, b) for a, b in order["targets"]]
    print(json.dumps(asdict(generator.run(targets, order["seconds"]))), flush=True)


if __name__ == "__main__":
    main()
