"""PostgreSQL restored to the moment before a mistake, by the steps of docs/backup.md."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import postgresql as own
import pytest

from billing.facts.authorization import AddAccount, TopUp
from billing.stores.store import Store
from softswitch.database import schema

PAGE = (Path(__file__).parents[4] / "docs" / "backup.md").read_text()
ARCHIVE = "/var/lib/pgarchive"


def setting(name: str, archive: Path) -> str:
    """A setting as the page writes it, with the archive of the test."""
    found = re.search(rf"^    {name} = '?(.*?)'?$", PAGE, re.M)[1]
    return found.replace(ARCHIVE, str(archive))


def psql(url: str, query: str) -> str:
    done = subprocess.run(
        ["psql", "--no-align", "--tuples-only", f"--dbname={url}", "--command", query],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path):
    """A folder that PostgreSQL's own user may write to."""
    if not own._user():
        return tmp_path
    made = Path(own.tempfile.mkdtemp(prefix="softswitch-pitr-"))
    shutil.chown(made, own.OWNER)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.timeout(240)
def test_the_books_come_back_as_they_were_before_the_mistake(folder):
    try:
        programs = own.binaries()
    except own.Missing as why:
        pytest.skip(str(why))
    archive, base, user = folder / "archive", folder / "base", own._user()
    archive.mkdir()
    if user:
        shutil.chown(archive, own.OWNER)
    keeping = {
        name: setting(name, archive)
        for name in ("wal_level", "archive_mode", "archive_command", "archive_timeout")
    }
    with own.server(keeping) as url:
        store = Store(url)
        schema.migrate(store.engine)
        (account,) = store.apply([AddAccount("Ana", "person", "GEL", 0, "default", 0)])
        store.apply([TopUp(account.id, 1_000_000, "before the base backup", 0)])
        host = url.partition("?host=")[2]
        subprocess.run(
            [programs / "pg_basebackup", f"--pgdata={base}", "--checkpoint=fast",
             "--wal-method=stream", "-h", host, "-U", own.OWNER],
            check=True, cwd=folder, capture_output=True, **user,
        )  # fmt: skip
        store.apply([TopUp(account.id, 2_000_000, "after it", 0)])
        time.sleep(0.2)
        moment = psql(url, "SELECT clock_timestamp()")
        time.sleep(0.2)
        store.apply([TopUp(account.id, 900_000_000, "the mistake", 0)])
        assert store.accounts()[0].balance_micros == 903_000_000
        store.close()
        segment = psql(url, "SELECT pg_walfile_name(pg_current_wal_lsn())")
        psql(url, "SELECT pg_switch_wal()")
        end = time.monotonic() + 60
        while not (archive / segment).exists():
            assert time.monotonic() < end, "the log wasn't archived"
            time.sleep(0.1)

    (base / "recovery.signal").touch()
    if user:
        shutil.chown(base / "recovery.signal", own.OWNER)
    recovering = {
        "restore_command": setting("restore_command", archive),
        "recovery_target_time": moment,
        "recovery_target_action": setting("recovery_target_action", archive),
    }
    with own.server(recovering, base) as url:
        end = time.monotonic() + 60
        while psql(url, "SELECT pg_is_in_recovery()") == "t":
            assert time.monotonic() < end, "PostgreSQL still recovers"
            time.sleep(0.1)
        store = Store(url)
        assert [account.balance_micros for account in store.accounts()] == [3_000_000]
        assert store.verify() == []
        store.apply([TopUp(account.id, 1, "it takes money again", 0)])
        store.close()
