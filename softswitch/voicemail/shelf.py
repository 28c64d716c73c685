"""The files of messages and greetings: WAV files named by our own ids alone.

A recording grows in a file of another name (:mod:`rtp.disk`). A file has its own name only when it
is complete and on disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from rtp.disk import PART_SUFFIX, complete
from rtp.recording import spoken
from rtp.samples import CLOCK_RATE, Samples
from rtp.sound_file import load
from rtp.wav import WavError, file_bytes

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Shelf:
    """The files of one folder.

    Args:
        folder: created at the first recording.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sound_id: str) -> Path:
        """The path of a message or greeting. Raises ValueError: it is no id of ours."""
        if _ID.fullmatch(sound_id) is None:
            raise ValueError(f"{sound_id!r} is no id")
        return self.folder / f"{sound_id}.wav"

    def make_room(self, min_free_bytes: int) -> bool:
        """True if a recording may begin: the folder exists, and this much space is left.

        Raises:
            OSError: the folder can't be created.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self.folder).free >= min_free_bytes

    def finish(self, sound_id: str, min_seconds: float) -> int:
        """Complete a recording, whatever state it was left in, and cut off its silent ends; one
        that is too short is removed.

        Returns:
            Milliseconds; 0 if nothing is kept.
        """
        path = self.path(sound_id)
        try:
            samples = self._whole(path)
        except (OSError, WavError):
            samples = None
        if samples is None or len(kept := spoken(samples)) < max(1, min_seconds * CLOCK_RATE):
            self.remove(sound_id)
            return 0
        if len(kept) < len(samples):
            try:
                self.write(sound_id, kept)
            except OSError:  # no room for a second copy: the first one serves as well
                kept = samples
        self._sync_folder()
        return len(kept) * 1000 // CLOCK_RATE

    def _whole(self, path: Path) -> Samples:
        part = Path(f"{path}{PART_SUFFIX}")
        if not path.exists() and part.exists():
            complete(str(part))
        return load(path).samples

    def write(self, sound_id: str, samples: Samples) -> None:
        """Write a file, as a whole or not at all. Raises OSError."""
        path = self.path(sound_id)
        part = Path(f"{path}{PART_SUFFIX}")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(file_bytes(samples))
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def remove(self, sound_id: str) -> None:
        """Remove a file, complete or not; a missing one is no error."""
        path = self.path(sound_id)
        for name in (path, Path(f"{path}{PART_SUFFIX}")):
            with contextlib.suppress(OSError):  # a file that stays is removed at the next start
                name.unlink()

    def sweep(self, known: Iterable[str]) -> int:
        """Remove files without a row; returns how many. Called at the start, before anything
        records."""
        names = {f"{sound_id}.wav" for sound_id in known}
        strangers = [
            path
            for pattern in ("*.wav", f"*{PART_SUFFIX}")
            for path in self.folder.glob(pattern)
            if path.name not in names
        ]
        for path in strangers:
            path.unlink()
        return len(strangers)

    def _sync_folder(self) -> None:
        """Sync the folder, which puts a new name on disk."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
