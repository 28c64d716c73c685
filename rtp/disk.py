"""Files of a worker: prompts read and recordings written, in a thread beside the tick.

A recording is written to a name that ends in ``.part`` and gets its own name when it is complete.
What a crash leaves, :func:`recover` completes.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rtp.samples import Samples
from rtp.sound_file import load
from rtp.wav import HEADER_BYTES, SAMPLE_BYTES, WavError, header

PART_SUFFIX = ".part"
MAX_CACHE_BYTES = 128 * 1024 * 1024
"""The size of the cache of prompts: two hours; five languages of a switch's own take twelve
megabytes."""
MAX_BACKLOG_BYTES = 16 * 1024 * 1024
"""Recorded sound that waits for a disk which hangs. Then recordings fail, and calls go on."""
_CHANNELS_AT = 22


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that was asked for: its sound, or why there is none."""

    path: str
    samples: Samples | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A recording that is closed; `reason` is empty if it is complete."""

    recording: int
    reason: str = ""


Result = Loaded | Written


class Disk:
    """Does what is asked for at once; for a simulation, and in the thread."""

    def __init__(self, tell: Callable[[Result], None]) -> None:
        self._tell = tell
        self._prompts: OrderedDict[str, tuple[tuple[int, int], Samples]] = OrderedDict()
        self._cached_bytes = 0
        self._files: dict[int, tuple[BinaryIO, str]] = {}

    # Prompts

    def load(self, path: str) -> None:
        """Read a prompt; told as Loaded."""
        try:
            self._tell(Loaded(path, self._cached(path)))
        except (OSError, ValueError) as error:  # a WavError, or a name that can't be one
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._tell(Loaded(path, None, reason or str(error)))

    def _cached(self, path: str) -> Samples:
        """A file's samples from the cache, unless the file was changed since."""
        stat = os.stat(path)
        version = (stat.st_mtime_ns, stat.st_size)
        found = self._prompts.get(path)
        if found is not None and found[0] == version:
            self._prompts.move_to_end(path)
            return found[1]
        samples = load(Path(path)).samples
        self._forget(path)
        self._prompts[path] = (version, samples)
        self._cached_bytes += samples.nbytes
        while self._cached_bytes > MAX_CACHE_BYTES:
            self._forget(next(iter(self._prompts)))
        return samples

    def _forget(self, path: str) -> None:
        found = self._prompts.pop(path, None)
        if found is not None:
            self._cached_bytes -= found[1].nbytes

    # Recordings

    def open(self, recording: int, path: str, channels: int) -> None:
        """Begin a file that isn't there yet; a failure is told as Written."""
        try:
            file = open(path + PART_SUFFIX, "xb", buffering=0)  # noqa: SIM115
        except (OSError, ValueError) as error:
            self._tell(Written(recording, _why(error)))
            return
        self._files[recording] = (file, path)
        self.write(recording, header(0, channels))

    def write(self, recording: int, data: bytes) -> None:
        """Add to a file; after a failure nothing more is written."""
        found = self._files.get(recording)
        if found is None:
            return
        file, _ = found
        try:
            if file.write(data) != len(data):
                raise OSError("it couldn't be written whole")
        except OSError as error:
            del self._files[recording]
            file.close()
            self._tell(Written(recording, _why(error)))

    def close(self, recording: int) -> None:
        """Complete a file; told as Written."""
        found = self._files.pop(recording, None)
        if found is None:
            return
        file, path = found
        file.close()
        try:
            complete(path + PART_SUFFIX)
        except (OSError, WavError) as error:
            self._tell(Written(recording, _why(error)))
            return
        self._tell(Written(recording))


class DiskThread:
    """A thread that reads and writes, so that the worker never waits.

    Args:
        wake: called from the thread when there are results.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._orders: queue.SimpleQueue[Callable[[Disk], None] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def load(self, path: str) -> None:
        """Read a prompt; answered by :class:`Loaded`."""
        self._orders.put(lambda disk: disk.load(path))

    def open(self, recording: int, path: str, channels: int) -> None:
        """Begin the file of a recording; a failure is told as :class:`Written`."""
        self._orders.put(lambda disk: disk.open(recording, path, channels))

    def write(self, recording: int, data: bytes) -> None:
        """Append 16-bit samples to the file of a recording."""
        with self._lock:
            hangs = self._waiting_bytes + len(data) > MAX_BACKLOG_BYTES
            if not hangs:
                self._waiting_bytes += len(data)
        if hangs:
            self._results.put(Written(recording, "the disk doesn't keep up"))
            self._orders.put(lambda disk: disk.close(recording))
            self._wake()
            return
        self._orders.put(lambda disk: self._write(disk, recording, data))

    def _write(self, disk: Disk, recording: int, data: bytes) -> None:
        with self._lock:
            self._waiting_bytes -= len(data)
        disk.write(recording, data)

    def close(self, recording: int) -> None:
        """Complete the file of a recording; answered by :class:`Written`."""
        self._orders.put(lambda disk: disk.close(recording))

    def results(self) -> list[Result]:
        """Results of the orders so far; each is returned once."""
        results = []
        while True:
            try:
                results.append(self._results.get_nowait())
            except queue.Empty:
                return results

    def stop(self, timeout_seconds: float) -> None:
        """Do what was ordered, and end."""
        self._orders.put(None)
        self._thread.join(timeout_seconds)

    def _work(self) -> None:
        disk = Disk(self._tell)
        while (order := self._orders.get()) is not None:
            order(disk)

    def _tell(self, result: Result) -> None:
        self._results.put(result)
        self._wake()


def complete(part: str) -> None:
    """Write a recording's sizes into its header and give it its name.

    Raises:
        OSError: it can't be done.
        WavError: there is no sound in it.
    """
    with open(part, "r+b") as file:
        head = file.read(HEADER_BYTES)
        channels = int.from_bytes(head[_CHANNELS_AT : _CHANNELS_AT + 2], "little")
        if len(head) < HEADER_BYTES or head[:4] != b"RIFF" or channels not in (1, 2):
            raise WavError("it isn't a recording")
        frame = channels * SAMPLE_BYTES
        data_bytes = (os.fstat(file.fileno()).st_size - HEADER_BYTES) // frame * frame
        if data_bytes <= 0:
            raise WavError("there is no sound in it")
        file.truncate(HEADER_BYTES + data_bytes)
        file.seek(0)
        file.write(header(data_bytes, channels))
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, part.removesuffix(PART_SUFFIX))


def recover(folder: Path) -> list[Path]:
    """Complete what a crash left in a folder; those without sound are removed.

    Returns:
        The recordings, by their own names.
    """
    recovered = []
    for part in sorted(folder.glob(f"*{PART_SUFFIX}")):
        try:
            complete(str(part))
        except WavError:
            part.unlink()
        else:
            recovered.append(part.with_suffix(""))
    return recovered


def _why(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error)
