"""More than the switch can do: `python -m benchmarks.overload [--registrations N] [--calls N]`.

Registrations, then calls, are offered at the highest rate that passes, at twice and at five times
that, and at half of it again. Every request is repeated by the timers of RFC 3261 until it is
answered; an attempt that is refused isn't made again. Told of each phase is its goodput: how many
attempts a second were served whole in it, and what became of those that began in it. A machine that
does something else meanwhile passes less, and another amount each second: compare figures of one
run only.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import socket
import time
from collections.abc import Callable

from benchmarks.machine import Cores, describe, percentile, pin, yardstick
from benchmarks.overload_senders import Attempt, Callers, Phones, Place, Senders, Trunk, Write
from benchmarks.switchboard import HOST, PASSWORD, Switchboard
from sip.transport.udp import bind_udp

PHASES = ((1.0, 5.0), (2.0, 6.0), (5.0, 6.0), (0.5, 6.0))
"""Multiples of the maximum, and for how many seconds."""
SETTLE_SECONDS = 2.0
"""From the return of a normal load until everything must pass again."""
FINISH_SECONDS = 40.0
"""Longer than any sender waits."""
SEARCH_SECONDS = 3.0
STEP = 1.25
READ_AT_ONCE = 200
FIRST_REGISTRATIONS = 1000.0
FIRST_CALLS = 100.0
PASSED_SHARE = 0.995
LATE_SECONDS = 1.0
"""A rate whose slowest hundredth waits longer doesn't pass."""


class Generator:
    """Senders and a trunk on sockets of their own; a context manager."""

    def __init__(self, board: Switchboard, kind: Callable[[Place, Write], Senders]) -> None:
        self._server = (HOST, board.port)
        self._socket = bind_udp(HOST, 0)
        self._trunk_socket = bind_udp(HOST, board.trunk_port)
        place = Place(HOST, self._socket.getsockname()[1], HOST, PASSWORD, board.count)
        self._senders = kind(place, self._writer(self._socket))
        self._trunk = Trunk(HOST, board.trunk_port, self._writer(self._trunk_socket))

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
        self._trunk_socket.close()

    def _writer(self, sock: socket.socket) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            with contextlib.suppress(BlockingIOError):  # lost, as any datagram may be
                sock.sendto(data, self._server)

        return write

    @property
    def served(self) -> int:
        """Attempts that were served whole."""
        return self._senders.served

    def offer(self, rate: float, seconds: float) -> list[Attempt]:
        """Begin attempts evenly; returns them, many of them still under way."""
        began: list[Attempt] = []
        start = time.monotonic()
        while (now := time.monotonic()) - start < seconds:
            for _ in range(min(READ_AT_ONCE, int((now - start) * rate) - len(began))):
                began.append(self._senders.begin(now))
            self._turn()
        return began

    def finish(self, began: list[Attempt], seconds: float) -> None:
        """Begin nothing until these are over, or for so many seconds."""
        until = time.monotonic() + seconds
        waiting = began
        while waiting and time.monotonic() < until:
            for _ in range(50):
                self._turn()
            waiting = [attempt for attempt in waiting if attempt.status == 0]

    def _turn(self) -> None:
        now = time.monotonic()
        self._senders.expire(now)
        self._trunk.expire(now)
        heard = self._read(self._trunk_socket, self._trunk.receive)
        if not self._read(self._socket, self._senders.receive) and not heard:
            select.select([self._socket, self._trunk_socket], (), (), 0.0005)

    def _read(self, source: socket.socket, take: Callable[[bytes, float], None]) -> bool:
        """Take what has come; true if anything had."""
        now = time.monotonic()
        for count in range(READ_AT_ONCE):
            try:
                data = source.recv(65_535)
            except BlockingIOError:
                return count > 0
            take(data, now)
        return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.overload", description=__doc__)
    parser.add_argument("--registrations", type=float, help="their maximum, which isn't sought")
    parser.add_argument("--calls", type=float, help="their maximum, which isn't sought")
    parser.add_argument("--only", choices=("registrations", "calls"))
    chosen = parser.parse_args()
    print(describe(), flush=True)
    cores = Cores.pick()
    pin(cores.generator)
    if chosen.only != "calls":
        with Switchboard(cores.switch) as board, Generator(board, Phones) as generator:
            measure("registrations", generator, chosen.registrations, FIRST_REGISTRATIONS)
    if chosen.only != "registrations":
        with (
            Switchboard(cores.switch, MEDIA__PORTS="10000-59999") as board,
            Generator(board, Callers) as generator,
        ):
            measure("calls", generator, chosen.calls, FIRST_CALLS)


def measure(name: str, generator: Generator, highest: float | None, first: float) -> None:
    """Find the highest rate unless it is given, then offer multiples of it without a pause."""
    highest = highest or search(generator, first)
    print(f"{name}: {highest:.0f}/s pass; yardstick {yardstick():.0f} ns", flush=True)
    phases = []
    for factor, seconds in PHASES:
        served = generator.served
        began = generator.offer(highest * factor, seconds)
        phases.append((factor, seconds, began, (generator.served - served) / seconds))
    for factor, seconds, began, goodput in phases:
        generator.finish(began, FINISH_SECONDS)
        print(f"  x {factor} for {seconds:.0f} s: goodput {goodput:.0f}/s, "
              f"{100 * goodput / highest:.0f} % of the highest")  # fmt: skip
        settled = [a for a in began if factor > 1 or a.began >= began[0].began + SETTLE_SECONDS]
        print(f"    {outcome(settled)}", flush=True)


def search(generator: Generator, rate: float) -> float:
    """The highest rate at which nearly all attempts pass quickly, by steps."""
    passed = 0.0
    while True:
        began = generator.offer(rate, SEARCH_SECONDS)
        generator.finish(began, FINISH_SECONDS)
        waits = _waits(began)
        share = len(waits) / len(began)
        if share < PASSED_SHARE or percentile(waits, 0.99) > LATE_SECONDS:
            time.sleep(SETTLE_SECONDS)
            return passed or rate / STEP
        passed, rate = rate, rate * STEP


def _waits(began: list[Attempt]) -> list[float]:
    return [
        attempt.connected - attempt.began
        for attempt in began
        if attempt.status == 200 and attempt.connected is not None
    ]


def outcome(began: list[Attempt]) -> str:
    """The outcome of attempts."""
    waits = _waits(began)
    refused = sum(attempt.status == 503 for attempt in began)
    middle, slow = (1000 * percentile(waits, part) for part in (0.5, 0.99))
    return (
        f"of {len(began)} begun {100 * len(waits) / len(began):.1f} % were served "
        f"({middle:.0f} ms median, {slow:.0f} p99), "
        f"{refused} refused, {len(began) - refused - len(waits)} lost"
    )


if __name__ == "__main__":
    main()
