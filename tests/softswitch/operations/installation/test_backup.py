"""Backup and restore of a switch's folder and database, on both databases."""

import gzip
import io
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount, TopUp
from billing.stores.store import Store
from softswitch.config.config import load
from softswitch.control.claim import DatabaseClaim
from softswitch.control.errors import OperationError
from softswitch.operations.installation import setup
from softswitch.operations.installation.archive import checked
from softswitch.operations.installation.backup import take
from softswitch.operations.installation.restore import restore


@pytest.fixture(params=["sqlite", "postgresql"])
def switch(request, tmp_path, empty_switch):
    """The configuration of a switch with an account, money and a voicemail message."""
    folder = tmp_path / "switch"
    shutil.copytree(empty_switch, folder)
    path = folder / "softswitch.toml"
    if request.param == "postgresql":
        own = request.getfixturevalue("own_database")
        text = path.read_text().replace("sqlite:///var/softswitch.db", own)
        path.write_text(text)
        (folder / "var" / "softswitch.db").unlink()
        setup.prepare(load(path))
    config = load(path)
    paid(config, "Ana", 5_000_000)
    (config.voicemail_dir / "ab").mkdir(parents=True)
    (config.voicemail_dir / "ab" / "message.wav").write_bytes(b"hello" * 1000)
    (config.data_dir / "softswitch.log").write_text("yesterday's\n")
    return path


def paid(config, name: str, micros: int) -> None:
    store = Store(config.database.url)
    (account,) = store.apply([AddAccount(name, "person", "GEL", 0, "default", 0)])
    store.apply([TopUp(account.id, micros, f"payment of {name}", 0)])
    store.close()


def balances(config) -> dict[str, int]:
    store = Store(config.database.url)
    found = {account.name: account.balance_micros for account in store.accounts()}
    store.close()
    return found


def test_what_is_restored_is_what_was_there(switch, tmp_path):
    config = load(switch)
    row = take(config, tmp_path / "backups")
    backup = Path(row["backup"])
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert row["differences"] == 0
    assert row["left_out"] == []
    names = set(checked(backup).members)
    database = "database.sqlite" if config.database_file else "database.dump"
    assert {database, "softswitch.toml", "data/nonce.secret",
            "data/voicemail/ab/message.wav"} == names  # fmt: skip

    secret = config.nonce_secret_file.read_bytes()
    paid(config, "later", 1_000_000)
    config.nonce_secret_file.write_bytes(b"other")
    (config.voicemail_dir / "ab" / "message.wav").unlink()
    told = restore(backup, switch, replace=True)
    assert (told["accounts"], told["live_calls"], told["differences"]) == (1, 0, [])
    assert balances(config) == {"Ana": 5_000_000}
    assert config.nonce_secret_file.read_bytes() == secret
    assert (config.voicemail_dir / "ab" / "message.wav").read_bytes() == b"hello" * 1000
    (kept,) = config.data_dir.glob("replaced-*")
    assert (kept / "nonce.secret").read_bytes() == b"other"
    assert (kept / "softswitch.log").exists()
    if config.database_file:
        store = Store(f"sqlite:///{kept}/softswitch.db")
        assert len(store.accounts()) == 2
        store.close()
    assert not (config.data_dir / ".restoring").exists()
    again = take(config, tmp_path / "again")
    assert again["files"] == row["files"]  # what was replaced isn't backed up again


def test_a_switch_is_restored_into_an_empty_folder(tmp_path, empty_switch):
    folder = tmp_path / "switch"
    shutil.copytree(empty_switch, folder)
    config = load(folder / "softswitch.toml")
    paid(config, "Ana", 5_000_000)
    row = take(config, tmp_path)
    new = tmp_path / "new"
    new.mkdir()
    told = restore(Path(row["backup"]), new / "softswitch.toml")
    assert (told["accounts"], told["differences"], told["migrated"]) == (1, [], False)
    restored = load(new / "softswitch.toml")
    assert restored.data_dir == new / "var"
    assert balances(restored) == {"Ana": 5_000_000}
    with setup.opened(restored):
        pass


def test_nothing_is_overwritten_unasked_and_a_running_switch_is_left_alone(switch, tmp_path):
    config = load(switch)
    backup = Path(take(config, tmp_path)["backup"])
    with pytest.raises(OperationError, match="holds a switch already: --replace"):
        restore(backup, switch)
    store = Store(config.database.url)
    claim = DatabaseClaim(store.engine, config.database_file, "", config.switch.node)
    claim.take()
    with pytest.raises(OperationError, match="a switch is running: stop it first"):
        restore(backup, switch, replace=True)
    claim.release()
    store.close()
    assert balances(config) == {"Ana": 5_000_000}


@pytest.fixture
def backup(tmp_path, empty_switch):
    config = load(empty_switch / "softswitch.toml")
    return Path(take(config, tmp_path)["backup"])


def rewritten(backup: Path, change) -> Path:
    """The backup with each member's name and content changed."""
    other = backup.with_name("other.tar.gz")
    with tarfile.open(backup) as source, tarfile.open(other, "w:gz") as target:
        for info in source:
            name, data = change(info.name, source.extractfile(info).read())
            if name:
                info.name, info.size = name, len(data)
                target.addfile(info, io.BytesIO(data))
    return other


def test_damage_is_found_before_anything_changes(backup, tmp_path):
    def flipped(name, data):
        return name, data.replace(b"example", b"exampla") if name == "softswitch.toml" else data

    def without_secret(name, data):
        return ("" if name == "data/nonce.secret" else name), data

    def without_manifest(name, data):
        return ("" if name == "manifest.json" else name), data

    def newer(name, data):
        return name, data.replace(b'"revision": "0', b'"revision": "9')

    def escaping(name, data):
        return name.replace("data/nonce.secret", "data/../../../evil"), data

    for change, words in (
        (flipped, "is damaged: softswitch.toml was changed"),
        (without_secret, "is damaged: data/nonce.secret is missing"),
        (without_manifest, "is no backup of a switch: it has no manifest at its end"),
        (newer, "newer than this program's"),
        (escaping, "has a member 'data/../../../evil' that no backup has"),
    ):
        with pytest.raises(OperationError, match=words):
            restore(rewritten(backup, change), tmp_path / "softswitch.toml")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(backup.read_bytes()[:-2000])
    plain = tmp_path / "plain.tar.gz"
    plain.write_bytes(gzip.compress(b"nonsense" * 1000))
    for other in (cut, plain):
        with pytest.raises(OperationError, match="is no backup of a switch"):
            restore(other, tmp_path / "softswitch.toml")
    with pytest.raises(OperationError, match="can't be read: No such file"):
        restore(tmp_path / "none", tmp_path / "softswitch.toml")
    assert not (tmp_path / "softswitch.toml").exists()
    assert not (tmp_path / "var").exists()


def test_a_link_is_no_member_of_a_backup(tmp_path):
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as tar:
        info = tarfile.TarInfo("data/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(OperationError, match="has a member 'data/link'"):
        checked(evil)


def test_old_backups_are_removed_beyond_those_to_keep(backup, tmp_path, empty_switch):
    for day in ("01", "02", "03"):
        shutil.copy(backup, tmp_path / f"softswitch-202001{day}T000000Z.tar.gz")
    backup.unlink()
    config = load(empty_switch / "softswitch.toml")
    row = take(config, tmp_path, keep=2)
    assert row["removed"] == [
        "softswitch-20200101T000000Z.tar.gz",
        "softswitch-20200102T000000Z.tar.gz",
    ]
    assert len(list(tmp_path.glob("softswitch-*.tar.gz"))) == 2


def test_books_that_differ_are_told(tmp_path, empty_switch):
    folder = tmp_path / "switch"
    shutil.copytree(empty_switch, folder)
    config = load(folder / "softswitch.toml")
    paid(config, "Ana", 5_000_000)
    store = Store(config.database.url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE accounts SET balance_micros = 1")
    store.close()
    row = take(config, tmp_path)
    assert row["differences"] == 1
    (tmp_path / "new").mkdir()
    told = restore(Path(row["backup"]), tmp_path / "new" / "softswitch.toml")
    assert told["differences"] == ["balance of account 1: expected 5000000 micros, found 1"]


def test_a_missing_pg_dump_is_named(tmp_path, empty_switch, monkeypatch, request):
    own = request.getfixturevalue("own_database")
    folder = tmp_path / "switch"
    shutil.copytree(empty_switch, folder)
    path = folder / "softswitch.toml"
    path.write_text(path.read_text().replace("sqlite:///var/softswitch.db", own))
    (folder / "var" / "softswitch.db").unlink()
    setup.prepare(load(path))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OperationError, match="pg_dump isn't installed"):
        take(load(path), tmp_path)
    assert list(tmp_path.glob("*.tar.gz")) == list(tmp_path.glob(".*.part")) == []
