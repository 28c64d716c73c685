"""Every phone at once after a power cut: `python -m benchmarks.power_cut [--phones 10000]`.

Each phone has a loopback address of its own and does as RFC 3261 and RFC 5626 say: it repeats its
REGISTER by Timer E, answers the challenge, comes back after a 503 when it is told to, and after
silence when half a minute has passed. They register twice: at a switch that knows none of them,
and at the same one after it has lost power, too.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import random
import re
import select
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.flood import resident_mb
from benchmarks.machine import describe, percentile
from benchmarks.switchboard import HOST, PASSWORD, Switchboard, login
from sip.digest import answer
from sip.errors import ParseError
from sip.message import Response
from sip.reading import parse_message

PHONES = 10_000
AIM_SECONDS = 120.0
LIMIT_SECONDS = 300.0
T1, T2, TIMER_F = 0.5, 4.0, 32.0
"""RFC 3261 section 17.1.2."""
AGAIN_SECONDS = 30.0
"""RFC 5626 section 4.5: the base time, of which a random half is waited at least."""
IP_PKTINFO = 8
RECEIVE_BYTES = 32 << 20
_NUMBER = re.compile(rb"[0-9]+")


@dataclass(slots=True)
class Phone:
    """One line's phone."""

    index: int
    cseq: int = 0
    request: bytes = b""
    """Empty while it waits to begin anew."""
    interval: float = T1
    gives_up_at: float = 0.0
    timer: int = 0
    """Which of its timers counts; the earlier ones were left behind."""
    registered_at: float | None = None

    @property
    def address(self) -> bytes:
        """The phone's own address of the loopback network."""
        index = self.index
        return bytes((127, 1 + index // 62_500, 1 + index // 250 % 250, 1 + index % 250))


class Street:
    """All phones, on one socket that sends from any address of loopback.

    Args:
        boot: tells this round's Call-IDs apart from those of the one before.
    """

    def __init__(self, sock: socket.socket, server: tuple[str, int], count: int, boot: int) -> None:
        self._sock = sock
        self._port = sock.getsockname()[1]
        self._server = server
        self._boot = boot
        self._rng = random.Random(boot)
        self._phones = [Phone(index) for index in range(count)]
        self._timers: list[tuple[float, int, int]] = []
        self._missing = count
        self.answers: Counter[str] = Counter()
        self.repeats = 0

    def register(self) -> list[float]:
        """Have all register at once; the seconds that each took."""
        started = now = time.monotonic()
        for phone in self._phones:
            self._begin(phone, now)
        while self._missing and now - started < LIMIT_SECONDS:
            patience = self._timers[0][0] - now
            select.select([self._sock], [], [], min(0.05, max(0.0, patience)))
            now = time.monotonic()
            self._read(now)
            self._expire(now)
        return [p.registered_at - started for p in self._phones if p.registered_at is not None]

    def _begin(self, phone: Phone, now: float, *fields: str) -> None:
        """A new REGISTER, with its timers."""
        phone.cseq += 1
        phone.interval, phone.gives_up_at = T1, now + TIMER_F
        host, boot = socket.inet_ntoa(phone.address), self._boot
        me = f"<sip:{login(phone.index)}@{HOST}>"
        via = f"SIP/2.0/UDP {host}:{self._port};branch=z9hG4bK{boot}x{phone.index}x{phone.cseq}"
        lines = [
            f"REGISTER sip:{HOST} SIP/2.0", f"Via: {via}", "Max-Forwards: 70",
            f"From: {me};tag={boot}x{phone.index}", f"To: {me}", f"Call-ID: {phone.index}@{boot}",
            f"CSeq: {phone.cseq} REGISTER",
            f"Contact: <sip:{login(phone.index)}@{host}:{self._port}>", "Expires: 3600", *fields,
            "Content-Length: 0", "", "",
        ]  # fmt: skip
        phone.request = "\r\n".join(lines).encode()
        self._send(phone, now)

    def _send(self, phone: Phone, now: float) -> None:
        source = (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@i4s4s", 0, phone.address, bytes(4)))
        with contextlib.suppress(BlockingIOError):  # as if it were lost on the way
            self._sock.sendmsg([phone.request], [source], 0, self._server)
        self._arm(phone, now + phone.interval)

    def _arm(self, phone: Phone, at: float) -> None:
        phone.timer += 1
        heapq.heappush(self._timers, (at, phone.index, phone.timer))

    def _come_back(self, phone: Phone, at: float) -> None:
        phone.request = b""
        self._arm(phone, at)

    def _read(self, now: float) -> None:
        while True:
            try:
                response = parse_message(self._sock.recv(65_535))
            except (BlockingIOError, ParseError):
                return
            if isinstance(response, Response) and response.status >= 200:
                phone = self._phones[int(response.call_id.partition("@")[0])]
                if response.cseq.number == phone.cseq and phone.request:
                    self._hear(phone, response, now)

    def _hear(self, phone: Phone, response: Response, now: float) -> None:
        self.answers[str(response.status)] += 1
        if response.status == 200:
            phone.registered_at = now
            phone.timer += 1
            phone.request = b""
            self._missing -= 1
        elif response.status == 401:
            value = answer(
                response.get_all(b"www-authenticate"), login(phone.index), PASSWORD, "REGISTER",
                f"sip:{HOST}".encode(), cnonce=f"{self._rng.getrandbits(64):016x}",
            )  # fmt: skip
            assert value is not None
            self._begin(phone, now, "Authorization: " + value.decode())
        else:
            wanted = _NUMBER.match(response.get(b"retry-after") or b"")
            seconds = int(wanted[0]) if wanted else AGAIN_SECONDS
            self._come_back(phone, now + seconds * self._rng.uniform(1.0, 1.1))

    def _expire(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            _, index, timer = heapq.heappop(self._timers)
            phone = self._phones[index]
            if timer != phone.timer:
                continue
            if not phone.request:
                self._begin(phone, now)
            elif now >= phone.gives_up_at:
                self.answers["silence"] += 1
                self._come_back(phone, now + AGAIN_SECONDS * self._rng.uniform(0.5, 1.0))
            else:
                self.repeats += 1
                phone.interval = min(2 * phone.interval, T2)
                self._send(phone, now)


def measure(board: Switchboard, sock: socket.socket, phones: int, boot: int) -> bool:
    """One round; whether everybody is in within the time that is aimed at."""
    street = Street(sock, (HOST, board.port), phones, boot)
    before = resident_mb(board.pids[0])
    took = street.register()
    known = board.ask("registration", "list")
    assert isinstance(known, list)
    answers = ", ".join(f"{count} x {what}" for what, count in sorted(street.answers.items()))
    print(
        f"{len(took)} of {phones} phones are in, the last after {max(took, default=0):.1f} s "
        f"(p50 {percentile(took, 0.5):.1f} s, p95 {percentile(took, 0.95):.1f} s); "
        f"the switch knows {len(known)}\n"
        f"  answers: {answers}; {street.repeats} requests repeated; "
        f"memory {before:.0f} -> {resident_mb(board.pids[0]):.0f} MB"
    )
    return len(took) == len(known) == phones and max(took) < AIM_SECONDS


def errors_of(board: Switchboard) -> int:
    """Lines of its log that tell of an error."""
    text = (board.folder / "var" / "softswitch.log").read_text()
    return sum("level=error" in line for line in text.splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.power_cut", description=__doc__)
    parser.add_argument("--phones", type=int, default=PHONES)
    phones = parser.parse_args().phones
    print(describe())
    with (
        # The phones count as strangers until they have authenticated.
        Switchboard(None, phones, GUARD__EXEMPT="192.0.2.0/32") as board,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        sock.bind(("0.0.0.0", 0))
        sock.setblocking(False)
        good = measure(board, sock, phones, 1)
        board.stop()
        board.start()
        good &= measure(board, sock, phones, 2)
        errors = errors_of(board)
        print(f"errors in the log: {errors}")
    return 0 if good and not errors else 1


if __name__ == "__main__":
    raise SystemExit(main())
