"""Copies of a database that is in use: by SQLite's backup interface, and by pg_dump."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine, make_url

from softswitch.config.config import Config
from softswitch.config.values import without_password
from softswitch.control.errors import OperationError


def copy_sqlite(database: Path, copy: Path) -> None:
    """A copy of the database as it is at one moment; writers go on meanwhile. Raises
    OperationError."""
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)  # all pages in one step: of one moment, without holding writers
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            (state,) = target.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise OperationError("database_error", name=database, reason=error) from None
    if state != "ok":
        raise OperationError("database_error", name=database, reason=state)


def dump_postgresql(config: Config, dump: Path) -> None:
    """A dump of the database as it is at one moment. Raises OperationError."""
    _run(config, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")


def load_postgresql(config: Config, dump: Path, *, replace: bool) -> None:
    """Load a dump in one transaction. Raises OperationError: nothing has changed.

    Args:
        replace: drop the tables that are there first.
    """
    cleaning = ("--clean", "--if-exists") if replace else ()
    _run(
        config, "pg_restore", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", *cleaning, str(dump),
    )  # fmt: skip


def has_tables(engine: Engine) -> bool:
    """True if the database holds a switch."""
    from sqlalchemy import inspect

    return inspect(engine).has_table("alembic_version")


def _run(config: Config, program: str, *arguments: str) -> None:
    url = config.database.url
    command = [program, "--no-password", f"--dbname={without_password(url)}", *arguments]
    environment: Mapping[str, str] = os.environ
    password = make_url(url).password
    if password is not None:
        environment = {**os.environ, "PGPASSWORD": password}  # others can read the arguments
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the program is ours to name
            command, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise OperationError("program_missing", program=program) from None
    if done.returncode != 0:
        reason = done.stderr.strip().partition("\n")[0]
        raise OperationError("database_error", name=config.database_name, reason=reason)
