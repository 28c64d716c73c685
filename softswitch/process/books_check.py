"""Verification of the whole books once a day while serving, as `ledger verify` does it.

A process of its own reads them: millions of records would hold up the calls and swell the switch.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from billing.stores.store import Store, StoreError
from softswitch.config.config import ConfigError, load
from softswitch.trace.log import Log

LOOK_SECONDS = 300.0
"""The interval between looks whether a verification is due; the first is done at the first."""
DAY_SECONDS = 86_400.0
NICENESS = 19
SHOWN = 10
"""Differences that are logged one by one."""

_decode = msgspec.json.Decoder(list[str]).decode


class BooksCheck:
    """Verifies the books once a day and remembers the result.

    Args:
        config: the file of the configuration; the environment counts as for the switch.
        wall_seconds: epoch seconds.
    """

    def __init__(self, config: Path, wall_seconds: Callable[[], float], log: Log) -> None:
        self._config = config
        self._wall_seconds = wall_seconds
        self._log = log
        self.verified_at: float | None = None
        """Epoch seconds of the last verification that could be done; None: none yet."""
        self.differences = 0
        """The number of differences that it found."""

    async def do_if_due(self) -> None:
        """Verify if the last time is a day ago."""
        if self.verified_at is None or self._wall_seconds() - self.verified_at >= DAY_SECONDS:
            await self.do()

    async def do(self) -> None:
        """Verify now."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "softswitch.process.books_check", str(self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            told, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode != 0:
            why = errors.decode(errors="replace").strip().rpartition("\n")[2]
            self._log.error("the books can't be verified", why=why)
            return
        found = _decode(told)
        self.verified_at = self._wall_seconds()
        self.differences = len(found)
        for difference in found[:SHOWN]:
            self._log.error("the books differ", difference=difference)
        if not found:
            self._log.info("books verified")


def main(path: Path) -> int:
    """Print the differences as a JSON list; returns the exit status."""
    os.nice(NICENESS)
    try:
        store = Store(load(path).database.url)
        try:
            differences = store.verify()
        finally:
            store.close()
    except (ConfigError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(msgspec.json.encode([str(difference) for difference in differences]).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
