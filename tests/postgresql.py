"""A PostgreSQL server of the tests' own: a temporary folder, a Unix socket, no TCP port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

OWNER = "postgres"
START_SECONDS = 30
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # part of the socket's name only
    "fsync": "off",  # what is tested is our code, not the server's durability
    "max_connections": "40",
    "shared_buffers": "16MB",
}


class Missing(Exception):
    """Why there is no server."""


def binaries() -> Path:
    """The folder of initdb and postgres; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing("PostgreSQL isn't installed (apt-get install postgresql)")


def _user() -> dict[str, str | int]:
    """PostgreSQL refuses to run as root: then it is Debian's user for it."""
    if os.geteuid() != 0:
        return {}
    try:
        group = pwd.getpwnam(OWNER).pw_gid
    except KeyError:
        raise Missing(f"there is no user {OWNER} to run PostgreSQL") from None
    return {"user": OWNER, "group": group}


@contextlib.contextmanager
def server(
    settings: Mapping[str, str] = MappingProxyType({}), base: Path | None = None
) -> Iterator[str]:
    """Run a server; yields the URL of an empty database. Raises Missing.

    Args:
        settings: beside SETTINGS.
        base: a base backup to begin from, whose databases are there then.
    """
    programs, user = binaries(), _user()
    folder = Path(tempfile.mkdtemp(prefix="softswitch-pg-"))
    try:
        if user:
            shutil.chown(folder, OWNER)
        data = folder / "data"
        if base is None:
            _initialise(programs, data, folder, user)
        else:
            subprocess.run(["cp", "-a", base, data], check=True)
        options = [f"-c{key}={value}" for key, value in {**SETTINGS, **settings}.items()]
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **user,
        )
        try:
            _wait(process, folder)
            yield f"postgresql://{OWNER}@/postgres?host={folder}"
        finally:
            process.send_signal(signal.SIGINT)  # "fast": open connections are cut
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(programs: Path, data: Path, folder: Path, user: dict[str, str | int]) -> None:
    command = [programs / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8"]
    made = subprocess.run(
        [*command, "--locale=C", "-N"], capture_output=True, text=True, cwd=folder, **user
    )
    if made.returncode:
        raise Missing(f"initdb failed: {made.stderr.strip()[-200:]}")


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(host=str(folder), user=OWNER, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise Missing("PostgreSQL didn't start")
