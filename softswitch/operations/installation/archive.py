"""The file format of backups: a gzipped tar whose last member is a manifest with the size and the
SHA-256 of every other.

Archives are input like any other: names that lead elsewhere, links, devices and members that the
manifest doesn't know are refused before anything is written.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec

from softswitch.control.errors import OperationError

FORMAT = 1
MANIFEST = "manifest.json"
CONFIGURATION = "softswitch.toml"
DATA = "data/"
"""The prefix of the files of the data folder."""
DATABASE = {"sqlite": "database.sqlite", "postgresql": "database.dump"}
"""The member with the database, by its kind."""
MAX_MANIFEST_OCTETS = 512 * 1024 * 1024
CHUNK = 1024 * 1024
COMPRESSION = 1
"""Sound hardly shrinks, and a backup must not take the calls' time."""
_NAME = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[^/\x00-\x1f\\][^\x00-\x1f\\]{0,1000}")

Kind = Literal["sqlite", "postgresql"]


class Member(msgspec.Struct, frozen=True):
    """A file of a backup."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a backup.

    Args:
        format: of the archive.
        version: of the program that made it.
        revision: of the database's schema.
        database: the kind of the database.
        taken_at: when the database was copied; ISO 8601 in UTC.
        domain: of the switch.
        members: files by name; the last one counts where the archive has several of a name.
    """

    format: int
    version: str
    revision: str
    database: Kind
    taken_at: str
    domain: str
    members: dict[str, Member]


class ArchiveWriter:
    """A new archive, which appears under its name only when it is whole and on disk."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file can't be created."""
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = open(descriptor, "wb")  # noqa: SIM115 - finish() and abandon() close both
        self._tar = tarfile.open(  # noqa: SIM115
            fileobj=self._file, mode="w:gz", compresslevel=COMPRESSION
        )
        self.members: dict[str, Member] = {}

    def add(self, name: str, file: Path) -> None:
        """Add a file as long as it is now; it may be growing. Raises OSError."""
        with open(file, "rb") as source:
            status = os.fstat(source.fileno())
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o600
            hashed = _Hashing(source)
            self._tar.addfile(info, hashed)
        self.members[name] = Member(status.st_size, hashed.digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and give the archive its name."""
        data = msgspec.json.format(msgspec.json.encode(manifest))
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        sync_folder(self._path.parent)

    def abandon(self) -> None:
        """Remove what was written, if it isn't finished."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def checked(path: Path) -> Manifest:
    """The manifest of an archive of which every file is as it was. Raises OperationError."""
    found: dict[str, Member] = {}
    manifest: Manifest | None = None
    with _opened(path) as tar:
        for info, content in _members(path, tar):
            if info.name == MANIFEST:
                manifest = _manifest(path, content.read(MAX_MANIFEST_OCTETS))
                continue
            digest = hashlib.sha256()
            while data := content.read(CHUNK):
                digest.update(data)
            found[info.name] = Member(info.size, digest.hexdigest())
    if manifest is None:
        raise OperationError("backup_unreadable", path=path, reason="it has no manifest at its end")
    for name in sorted({*found, *manifest.members}):
        if found.get(name) != manifest.members.get(name):
            reason = "is missing" if name not in found else "was changed"
            raise OperationError("backup_damaged", path=path, name=name, reason=reason)
    return manifest


def extract(path: Path, folder: Path) -> None:
    """Write the files of an archive that was checked below a folder. Raises OperationError and
    OSError."""
    with _opened(path) as tar:
        for info, content in _members(path, tar):
            target = folder / info.name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as written:
                while data := content.read(CHUNK):
                    written.write(data)
                written.flush()
                os.fsync(written.fileno())
            os.utime(target, (info.mtime, info.mtime))


def configuration(path: Path) -> str:
    """The configuration in an archive that was checked. Raises OperationError."""
    with _opened(path) as tar:
        for info, content in _members(path, tar):
            if info.name == CONFIGURATION:
                return content.read().decode(errors="replace")
    raise OperationError("backup_unreadable", path=path, reason="it has no configuration")


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The archive for reading. Raises OperationError when it can't be, also while it is read."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; what goes wrong later isn't this
    except OSError as error:
        raise OperationError("file_not_read", path=path, reason=error.strerror) from None
    with file:
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                yield tar
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise OperationError("backup_unreadable", path=path, reason=error) from None


def _members(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The files of an archive in their order. Raises OperationError."""
    for info in tar:
        if not info.isreg() or _NAME.fullmatch(info.name) is None:
            reason = f"it has a member {info.name!r} that no backup has"
            raise OperationError("backup_unreadable", path=path, reason=reason)
        content = tar.extractfile(info)
        assert content is not None  # it is a regular file
        yield info, content


def _manifest(path: Path, data: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise OperationError("backup_unreadable", path=path, reason=error) from None
    if manifest.format != FORMAT:
        reason = f"its format is {manifest.format}, this program knows {FORMAT}"
        raise OperationError("backup_unreadable", path=path, reason=reason)
    return manifest
