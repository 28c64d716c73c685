"""The files of messages, greetings and recordings: WAV files named by our own ids alone.

A recording grows in a file of another name (:mod:`rtp.disk`). A file has its own name only when it
is complete and on disk. Where a bucket keeps the files, the disk has those that are being made, and
copies of those that were made or played of late.
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
from softswitch.config.config import Config
from softswitch.voicemail.bucket import Bucket, bucket_of

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Shelf:
    """The files of one folder.

    Args:
        folder: created at the first recording.
        bucket: keeps the finished files; None: the folder does.
    """

    def __init__(self, folder: Path, bucket: Bucket | None = None) -> None:
        self.folder = folder
        self.bucket = bucket

    def path(self, sound_id: str) -> Path:
        """The path of a message or greeting. Raises ValueError: it is no id of ours."""
        if _ID.fullmatch(sound_id) is None:
            raise ValueError(f"{sound_id!r} is no id")
        return self.folder / f"{sound_id}.wav"

    def fetch(self, sound_id: str) -> Path:
        """The path of a finished file, which is on the disk now.

        Raises:
            OSError: it can't be fetched.
        """
        path = self.path(sound_id)
        if self.bucket is not None and not path.exists():
            self.bucket.fetch(path)
        return path

    def keep(self, sound_id: str) -> None:
        """Put a finished file where it is kept. Raises OSError: it stays on the disk."""
        if self.bucket is not None:
            self.bucket.put(self.path(sound_id))

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
        self.keep(sound_id)
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
        self.keep(sound_id)

    def remove(self, sound_id: str) -> None:
        """Remove a file, complete or not; a missing one is no error."""
        path = self.path(sound_id)
        for name in (path, Path(f"{path}{PART_SUFFIX}")):
            with contextlib.suppress(OSError):  # a file that stays is removed at the next start
                name.unlink()
        if self.bucket is not None:
            with contextlib.suppress(OSError):  # nobody can find it any more
                self.bucket.remove(path.name)

    def forget_copies(self, unfinished: Iterable[str], before: float) -> int:
        """Remove copies of what a bucket keeps; returns how many.

        Args:
            unfinished: ids whose files may not be in the bucket yet.
            before: epoch seconds; copies that are younger stay.
        """
        if self.bucket is None:
            return 0
        needed = {self.path(sound_id).name for sound_id in unfinished}
        old = [
            path
            for path in self.folder.glob("*.wav")
            if path.name not in needed and path.stat().st_mtime < before
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def sweep(self, known: Iterable[str]) -> int:
        """Remove files without a row; returns how many. Called at the start. In a folder that
        several switches share another one may be recording: such a file has a row."""
        names = {f"{sound_id}.wav" for sound_id in known}
        names |= {name + PART_SUFFIX for name in names}
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


def voicemail_shelf(config: Config) -> Shelf:
    """The shelf of messages and greetings. Raises ConfigError."""
    return Shelf(config.voicemail_dir, bucket_of(config.sound, config.voicemail_dir.name))


def recordings_shelf(config: Config) -> Shelf:
    """The shelf of recorded calls. Raises ConfigError."""
    return Shelf(config.recordings_dir, bucket_of(config.sound, config.recordings_dir.name))
