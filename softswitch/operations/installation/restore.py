"""Restoring a backup: everything is checked before anything changes, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Table, func, select

from billing.stores.schema import accounts, cdrs, entries, live_calls
from billing.stores.store import Store
from softswitch.config.config import Config, load, parse
from softswitch.control.claim import DatabaseClaim
from softswitch.control.client import is_running
from softswitch.control.errors import OperationError
from softswitch.control.server import AlreadyRunning
from softswitch.control.values import Row
from softswitch.database import schema
from softswitch.operations.installation.archive import (
    DATA,
    DATABASE,
    Manifest,
    checked,
    configuration,
    extract,
    sync_folder,
)
from softswitch.operations.installation.backup import REPLACED, RESTORING
from softswitch.operations.installation.database_copy import has_tables, load_postgresql
from softswitch.operations.installation.setup import naming_database_errors


def restore(path: Path, config_path: Path, *, replace: bool = False) -> Row:
    """Restore a backup; returns what was found in its books. Raises OperationError and ConfigError.

    The configuration of the backup is taken where there is none yet; one that is there stays, and
    says where data and database go.

    Args:
        replace: keep what is there in a folder `replaced-...` within the data folder, and load the
            database over the one that is there.
    """
    manifest = checked(path)
    if manifest.revision > schema.CURRENT:
        raise OperationError(
            "backup_newer", path=path, found=manifest.revision, known=schema.CURRENT,
            version=manifest.version,
        )  # fmt: skip
    is_new = not config_path.exists()
    text = configuration(path) if is_new else config_path.read_text()
    config = parse(text, config_path)
    _check_kind(manifest, config)
    try:
        _install(path, config, manifest, replace=replace)
        if is_new:
            config_path.write_text(text)
    except OSError as error:
        reason = error.strerror or error
        raise OperationError("file_not_written", path=error.filename, reason=reason) from None
    return _verified(load(config_path), manifest)


def _check_kind(manifest: Manifest, config: Config) -> None:
    kind = "postgresql" if config.database_file is None else "sqlite"
    if kind != manifest.database:
        raise OperationError(
            "backup_of_other_kind", found=manifest.database, name=config.database_name
        )
    if is_running(config.control_socket):
        raise OperationError("restore_while_running", where=config.control_socket)


def _install(path: Path, config: Config, manifest: Manifest, *, replace: bool) -> None:
    """Unpack beside what is there, then put everything into its place."""
    folder, database = config.data_dir, config.database_file
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if database is not None:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = folder / RESTORING
    shutil.rmtree(staged, ignore_errors=True)
    with claimed(config) as store:
        there = [x for x in folder.iterdir() if _is_content(x)]
        occupied = has_tables(store.engine) if database is None else database.exists()
        if (there or occupied) and not replace:
            name = folder if there else config.database_name
            raise OperationError("restore_occupied", path=name)
        staged.mkdir(mode=0o700)
        extract(path, staged)
        copy = staged / DATABASE[manifest.database]
        if database is None:
            with naming_database_errors(config):
                load_postgresql(config, copy, replace=occupied)
        _set_aside(config, there)
        if database is not None:
            copy.rename(database)
            sync_folder(database.parent)
    data = staged / DATA
    if data.exists():
        for file in data.iterdir():
            file.rename(folder / file.name)
    shutil.rmtree(staged)
    sync_folder(folder)


@contextlib.contextmanager
def claimed(config: Config) -> Iterator[Store]:
    """The database, which no switch serves meanwhile. Raises OperationError."""
    with contextlib.closing(Store(config.database.url)) as store, naming_database_errors(config):
        claim = DatabaseClaim(
            store.engine, config.database_file, config.database_name, config.switch.node
        )
        try:
            claim.take()
        except AlreadyRunning as error:
            raise OperationError("restore_while_running", where=str(error)) from None
        try:
            yield store
        finally:
            claim.release()


def _is_content(path: Path) -> bool:
    """True for what a restore would mix with the backup's files."""
    return not (path.name.startswith((REPLACED, RESTORING)) or path.suffix in (".lock", ".sock"))


def _set_aside(config: Config, there: list[Path]) -> None:
    """Move what is there into a folder of its own, with the database and its log."""
    database = config.database_file
    found = list(there)
    if database is not None:
        beside = (database.with_name(database.name + end) for end in ("", "-wal", "-shm"))
        found += [x for x in beside if x.exists() and x not in found]
    found = [x for x in found if not (x.is_dir() and not any(x.iterdir()))]
    if not found:
        return
    kept = config.data_dir / f"{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    kept.mkdir(mode=0o700)
    for file in found:
        os.replace(file, kept / file.name)


def _verified(config: Config, manifest: Manifest) -> Row:
    """Bring the database to this program's schema and verify its books."""
    with contextlib.closing(Store(config.database.url)) as store, naming_database_errors(config):
        migrated = schema.migrate(store.engine)
        differences = store.verify()
        return {
            "taken_at": manifest.taken_at,
            "version": manifest.version,
            "files": len(manifest.members),
            "migrated": migrated,
            "accounts": row_count(store, accounts),
            "payments_and_charges": row_count(store, entries),
            "cdrs": row_count(store, cdrs),
            "live_calls": row_count(store, live_calls),
            "differences": [str(difference) for difference in differences],
        }


def row_count(store: Store, table: Table) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
