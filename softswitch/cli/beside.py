"""The portal beside the switch: a process that begins and ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ENDING_SECONDS = 5.0


@contextlib.contextmanager
def portal_beside(config: Path) -> Iterator[None]:
    """A portal while the block runs. It ends as well when this process is killed: its standard
    input then ends."""
    command = [sys.executable, "-m", "softswitch", "-c", str(config), "portal", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603  # our own
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def end_with_input() -> None:
    """Send this process SIGTERM when its standard input ends."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
