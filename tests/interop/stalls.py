"""A process that asks nodes OPTIONS all the time, for how long they leave it without an answer. It
asks a process that does nothing else too: what that needs is the machine's share.

    python tests/interop/stalls.py 127.0.0.1:5060 127.0.0.1:5061

Each line that it writes is an address, when it asked (epoch seconds) and how long the answer took
(ms; -1: there was none within ten seconds); the address of the process beside them is "machine".
"""

from __future__ import annotations

import bisect
import contextlib
import multiprocessing
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

INTERVAL_SECONDS = 0.02
PATIENCE_SECONDS = 10.0
WORTH_MS = 20.0
"""Faster answers aren't told one by one."""


@dataclass
class Stalls:
    """The slow answers of each address, as they are told."""

    found: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def longest_ms(self, address: str, since: float, until: float) -> float:
        """The longest time without an answer, of what was asked in this time (epoch seconds)."""
        told = self.found.get(address, [])
        first = bisect.bisect_left(told, (since, -2.0))
        waits = [ms for at, ms in told[first:] if at < until]
        return max((ms if ms >= 0 else 1000 * PATIENCE_SECONDS for ms in waits), default=0.0)


@contextlib.contextmanager
def watched(addresses: list[str]) -> Iterator[Stalls]:
    """Ask as long as the context lasts."""
    stalls = Stalls()
    process = subprocess.Popen(
        [sys.executable, __file__, *addresses], stdout=subprocess.PIPE, text=True
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            address, at, ms = line.split()
            stalls.found.setdefault(address, []).append((float(at), float(ms)))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield stalls
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)


def _request(local: tuple[str, int], address: tuple[str, int], number: int) -> bytes:
    host, port = local
    return (
        f"OPTIONS sip:{address[0]}:{address[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKstall{port}x{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:watch@127.0.0.1>;tag=w\r\n"
        f"To: <sip:{address[0]}:{address[1]}>\r\nCall-ID: stall{port}x{number}\r\n"
        f"CSeq: 1 OPTIONS\r\nSubject: {'-' * 600}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _ask(name: str, address: tuple[str, int]) -> None:
    """Ask one address until the process ends. Whoever has no socket there isn't asked: ICMP tells
    so at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(address)
        number = 0
        while True:
            number += 1
            asked, wanted = time.time(), b"x%d\r\n" % number
            ms = -1.0
            try:
                sock.send(_request(sock.getsockname(), address, number))
                while select.select([sock], [], [], asked + PATIENCE_SECONDS - time.time())[0]:
                    if wanted in sock.recv(4_096):
                        ms = 1000 * (time.time() - asked)
                        break
            except ConnectionRefusedError:
                ms = 0.0
            except ValueError:  # the patience is over
                pass
            if ms < 0 or ms >= WORTH_MS:
                sys.stdout.write(f"{name} {asked:.3f} {ms:.0f}\n")  # one write: threads share it
                sys.stdout.flush()
            time.sleep(max(0.0, asked + INTERVAL_SECONDS - time.time()))


def _echo(sock: socket.socket) -> None:
    while True:
        data, source = sock.recvfrom(4_096)
        sock.sendto(data, source)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends the process beside this one, too
    beside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    beside.bind(("127.0.0.1", 0))
    multiprocessing.get_context("fork").Process(target=_echo, args=(beside,), daemon=True).start()
    asked = [("machine", beside.getsockname())]
    for given in sys.argv[1:]:
        host, _, port = given.rpartition(":")
        asked.append((given, (host, int(port))))
    for name, address in asked:
        threading.Thread(target=_ask, args=(name, address), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
