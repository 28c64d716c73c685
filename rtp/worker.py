"""A media worker's process.

Started by :mod:`rtp.client` as ``python -m rtp.worker --fd N``; ends when its control socket does.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import random
import resource
import select
import signal
import socket
import sys

from rtp.control import MAX_RECORD_BYTES, Start, StartFailed, decode_to_worker
from rtp.control_channel import ControlChannel
from rtp.ports import PortPool
from rtp.worker_loop import Worker

KEPT_BYTES = 32 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""


def main() -> int:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="rtp.worker")
    parser.add_argument("--fd", type=int, required=True, help="the control socket")
    # The switch decides when to end; a terminal's ^C or a service manager's signal to the whole
    # group must not take the sound away from calls that drain.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(socket.socket(fileno=parser.parse_args().fd))
    return 0


def serve(channel: socket.socket) -> None:
    """Run a worker on a control socket until that closes."""
    start = _await_start(channel)
    if start is None:
        return
    raise_file_limit()
    raise_priority(start.niceness)
    keep_memory()
    epoll = select.epoll()
    control = ControlChannel(channel, epoll)
    try:
        pool = PortPool(
            start.first_port,
            start.last_port,
            random.SystemRandom().shuffle,
            start.quarantine_seconds,
        )
        worker = Worker(start, pool, epoll, control)
        # The paths of packets and calls make no cycles: there is nothing to collect, and a
        # collection would only stop them.
        gc.collect()
        gc.freeze()
        gc.disable()
        worker.run()
    except (OSError, ValueError) as error:
        control.send([StartFailed(str(error))])


def _await_start(channel: socket.socket) -> Start | None:
    record = channel.recv(MAX_RECORD_BYTES)
    if not record:
        return None
    (start,) = decode_to_worker(record)
    if not isinstance(start, Start):
        raise TypeError(f"the first message is {start!r}")
    return start


def raise_file_limit() -> None:
    """Allow as many sockets as the system lets us: each call takes four."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def raise_priority(niceness: int) -> None:
    """Have the scheduler prefer this process to others, as far as the system lets us: a packet that
    waits for a busy processor is a gap in what somebody hears."""
    if niceness:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, niceness)


def keep_memory() -> None:
    """Have freed memory kept for the next tick: the arrays of all members of all rooms are large
    enough to be given back to the system each time, which costs a page fault for each 4 KB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
