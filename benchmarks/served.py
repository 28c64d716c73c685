"""A served switch, and the pauses of its garbage collector.

`python -m benchmarks.served FOLDER` runs the switch of that folder; when it has ended it prints a
line of JSON after the output of the switch itself.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

from softswitch.config import config
from softswitch.operations.installation import setup
from softswitch.process import log, server


class Watch:
    """Times collections from when the switch has begun to serve.

    By the processor's time, since what else the system runs meanwhile isn't the collector's doing.
    """

    def __init__(self) -> None:
        self._started = 0
        self._ready = False
        self.collections = [0, 0, 0]
        self.longest_ms = [0.0, 0.0, 0.0]

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time_ns()
        if phase == "start":
            self._started = now
        elif self._is_ready():
            generation = info["generation"]
            self.collections[generation] += 1
            took = (now - self._started) / 1e6
            self.longest_ms[generation] = max(self.longest_ms[generation], took)

    def _is_ready(self) -> bool:
        """True once the switch has frozen its first objects; counting them takes long, so it is
        checked once."""
        self._ready = self._ready or gc.get_freeze_count() > 0
        return self._ready


def main(folder: Path) -> int:
    """Serve; returns the exit status."""
    chosen = config.load(folder / "softswitch.toml")
    setup.prepare(chosen)
    log.set_up(chosen.log.level, chosen.log.format, chosen.log_file)
    watch = Watch()
    gc.callbacks.append(watch)
    status = server.run(chosen)
    gc.callbacks.remove(watch)
    figures = {
        "collections": watch.collections,
        "longest_ms": [round(took, 3) for took in watch.longest_ms],
    }
    print(json.dumps(figures))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
