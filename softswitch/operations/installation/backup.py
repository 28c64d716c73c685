"""Backup of a switch, also of one that serves: database, configuration, secrets, CDR journal,
voicemail, greetings, recordings and documents in one file."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from billing.stores.store import Store
from softswitch import version
from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.database import schema
from softswitch.operations.installation.archive import (
    CONFIGURATION,
    DATA,
    DATABASE,
    FORMAT,
    ArchiveWriter,
    Kind,
    Manifest,
    sync_folder,
)
from softswitch.operations.installation.database_copy import copy_sqlite, dump_postgresql
from softswitch.operations.installation.setup import naming_database_errors

SUFFIX = ".tar.gz"
NAME = "softswitch-"
"""The beginning of the names of backups."""
REPLACED = "replaced-"
"""The beginning of the names of folders in which `restore` keeps what was there."""
RESTORING = ".restoring"
"""The folder in which `restore` unpacks."""
_LEFT_OUT = ("control.sock", "softswitch.log")
"""Files that a restored switch makes anew."""

Stamp = tuple[int, int]
"""Size and time of the last change of a file."""


def take(config: Config, folder: Path, *, verify: bool = True, keep: int | None = None) -> Row:
    """Write a backup into a folder; returns its facts. Raises OperationError.

    Sound is copied before the database and again after it, so that every message and recording of
    which the database knows is there. The journal is copied after it, and has all its CDRs.

    Args:
        verify: verify the books of the copy, as `ledger verify` does.
        keep: remove the oldest backups of the folder beyond so many.
    """
    kind: Kind = "postgresql" if config.database_file is None else "sqlite"
    began = datetime.now(UTC)
    path = folder / f"{NAME}{began:%Y%m%dT%H%M%SZ}{SUFFIX}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise OperationError("file_not_written", path=path, reason="it exists already")
        with _writing(path) as archive, tempfile.TemporaryDirectory(dir=folder) as scratch:
            copied = _add_data(config, archive, {})
            copy = Path(scratch) / DATABASE[kind]
            taken_at = datetime.now(UTC)
            revision, differences = _copy_database(config, copy, verify=verify)
            archive.add(DATABASE[kind], copy)
            _add_data(config, archive, copied)
            archive.add(CONFIGURATION, config.path)
            manifest = Manifest(
                format=FORMAT,
                version=version(),
                revision=revision,
                database=kind,
                taken_at=taken_at.isoformat(timespec="milliseconds"),
                domain=config.switch.domain,
                members=archive.members,
            )
            archive.finish(manifest)
        removed = [] if keep is None else _prune(folder, keep)
    except OSError as error:
        reason = error.strerror or error
        raise OperationError("file_not_written", path=path, reason=reason) from None
    return {
        "backup": str(path),
        "taken_at": manifest.taken_at,
        "files": len(manifest.members),
        "octets": path.stat().st_size,
        "differences": differences,
        "removed": removed,
        "left_out": _outside(config),
    }


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[ArchiveWriter]:
    archive = ArchiveWriter(path)
    try:
        yield archive
    finally:
        archive.abandon()


def _copy_database(config: Config, copy: Path, *, verify: bool) -> tuple[str, int | None]:
    """Copy the database; its schema's revision, and the number of differences in its books (None:
    they weren't verified)."""
    file = config.database_file
    if file is not None and not file.exists():
        raise OperationError("database_missing", name=file)
    with contextlib.closing(Store(config.database.url)) as store, naming_database_errors(config):
        revision = schema.version(store.engine)
    if revision is None:
        raise OperationError("database_missing", name=config.database_name)
    if file is None:
        dump_postgresql(config, copy)
        verified = config.database.url  # a dump has no books to read before it is loaded
    else:
        copy_sqlite(file, copy)
        verified = f"sqlite:///{copy}"
    if not verify or revision != schema.CURRENT:
        return revision, None
    with contextlib.closing(Store(verified)) as store, naming_database_errors(config):
        return revision, len(store.verify())


def _add_data(
    config: Config, archive: ArchiveWriter, copied: dict[Path, Stamp]
) -> dict[Path, Stamp]:
    """Add the files of the data folder that aren't `copied` as they are now; returns all."""
    for file, stamp in _data_files(config):
        if copied.get(file) == stamp:
            continue
        with contextlib.suppress(FileNotFoundError):  # deleted just now
            archive.add(DATA + str(file.relative_to(config.data_dir)), file)
            copied[file] = stamp
    return copied


def _data_files(config: Config) -> Iterator[tuple[Path, Stamp]]:
    """The regular files of the data folder, without the database and what a start makes anew."""
    database = config.database_file
    log = config.log_file
    for folder, folders, names in os.walk(config.data_dir):
        folders[:] = sorted(x for x in folders if not x.startswith((REPLACED, RESTORING)))
        for name in sorted(names):
            file = Path(folder) / name
            if name in _LEFT_OUT or (log is not None and name.startswith(log.name)):
                continue
            if (
                database is not None
                and file.parent == database.parent
                and (name.startswith(database.name))
            ):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = file.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield file, (status.st_size, status.st_mtime_ns)


def _outside(config: Config) -> list[str]:
    """Files that the configuration names and that aren't in the backup."""
    pairs = config.tls.certificates
    named = [path for pair in pairs for path in (pair.certificate, pair.key)]
    named += [x for x in (config.tls.client_ca, config.tls.trusted_ca) if x is not None]
    if config.documents_key_file.exists():
        named.append(config.documents_key_file)
    outside = (path for path in named if not path.is_relative_to(config.data_dir))
    return [str(path) for path in dict.fromkeys(outside)]


def _prune(folder: Path, keep: int) -> list[str]:
    found = sorted(folder.glob(f"{NAME}*{SUFFIX}"))
    old = found[: max(0, len(found) - keep)]
    for path in old:
        path.unlink()
    sync_folder(folder)
    return [path.name for path in old]
