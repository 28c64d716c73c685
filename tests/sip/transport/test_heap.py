"""Messages that are kept don't leave holes in the heap: the memory of a busy switch is flat."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, ctypes, socket
from collections import deque

from sip.transport.udp import DatagramSocket, bind_udp

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS.split()]


async def main():
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Heap
    loop = asyncio.get_running_loop()
    recent, traced, count = deque(maxlen=4000), deque(maxlen=300), 0

    def receive(data, flow):
        nonlocal count
        count += 1
        recent.append(data)  # as the ring of the trace and transactions do
        if count % 40 == 0:
            traced.append(data)  # as a call's trace does

    bound = bind_udp("127.0.0.1", 0)
    there = DatagramSocket(loop, bound, receive, lambda flow: None, lambda: 64, lambda: None)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    before = mallinfo2().arena
    for number in range(60_000):
        out.sendto(b"x" * (600 + number * 37 % 900), there.local)
        if number % 50 == 49:
            await asyncio.sleep(0)
    while count < 60_000 - 50:
        await asyncio.sleep(0.01)
    print(mallinfo2().arena - before, sum(map(len, [*recent, *traced])))


asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_kept_datagrams_take_little_more_than_their_own_octets():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown, held = map(int, done.stdout.split())
    assert grown < 1.5 * held
