"""Stored sound in an S3 store: what one switch records, another plays. The store is moto's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("boto3")
ThreadedMotoServer = pytest.importorskip("moto.server").ThreadedMotoServer

from rtp.sound_file import load  # noqa: E402
from softswitch.config.config import Config, parse  # noqa: E402
from softswitch.operations.installation.check_sound import stored_sound  # noqa: E402
from softswitch.voicemail.bucket import bucket_of  # noqa: E402
from softswitch.voicemail.shelf import Shelf, recordings_shelf, voicemail_shelf  # noqa: E402

ONE, TWO = "0123456789abcdef", "fedcba9876543210"
TONE = (np.sin(np.arange(16_000) * 0.3) * 9_000).astype(np.int16)
BASE = '[switch]\ndomain = "x.example"\ncountry = "GE"\ncurrency = "GEL"\n'


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def configs(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Config, Config]:
    """Those of two switches with one bucket."""
    import boto3

    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    store = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    store.create_bucket(Bucket="sound")
    sound = f'[sound]\nbucket = "s3://sound/prod"\nendpoint = "{endpoint}"\n'
    one, two = (parse(BASE + sound, tmp_path / name / "s.toml") for name in ("one", "two"))
    return one, two


@pytest.fixture
def shelves(configs: tuple[Config, Config]) -> tuple[Shelf, Shelf]:
    one, two = configs
    return voicemail_shelf(one), voicemail_shelf(two)


def test_what_one_switch_records_another_plays(shelves: tuple[Shelf, Shelf]) -> None:
    one, two = shelves
    one.write(ONE, TONE)
    assert one.finish(ONE, 0.5) > 1_900
    path = two.fetch(ONE)
    assert path.parent == two.folder and path.read_bytes() == one.path(ONE).read_bytes()
    assert len(load(path).samples) > 15_000
    assert [name.name for name in two.folder.iterdir()] == [f"{ONE}.wav"]


def test_what_is_removed_is_gone_everywhere_but_in_copies(shelves: tuple[Shelf, Shelf]) -> None:
    one, two = shelves
    one.write(ONE, TONE)
    one.remove(ONE)
    with pytest.raises(FileNotFoundError):
        two.fetch(ONE)
    assert list(two.folder.iterdir()) == []
    one.remove(ONE)  # a missing one is no error


def test_recordings_and_messages_do_not_mix(configs: tuple[Config, Config]) -> None:
    one, two = configs
    recordings_shelf(one).write(TWO, TONE)
    with pytest.raises(FileNotFoundError):
        voicemail_shelf(two).fetch(TWO)
    assert recordings_shelf(two).fetch(TWO).exists()


def test_old_copies_are_forgotten_but_not_what_may_be_nowhere_else(
    shelves: tuple[Shelf, Shelf],
) -> None:
    one, _ = shelves
    for sound in (ONE, TWO):
        one.write(sound, TONE)
        os.utime(one.path(sound), (1_000, 1_000))
    assert one.forget_copies([TWO], 999.0) == 0
    assert one.forget_copies([TWO], 1_001.0) == 1
    assert [path.name for path in one.folder.iterdir()] == [f"{TWO}.wav"]
    assert one.fetch(ONE).exists()


def test_a_store_that_fails_is_as_a_disk_that_does(configs, shelves) -> None:
    one, _ = shelves
    lost = Shelf(one.folder, bucket_of(configs[0].sound.model_copy(
        update={"bucket": "s3://nowhere"}), "voicemail"))  # fmt: skip
    with pytest.raises(OSError, match=r"NoSuchBucket|does not exist"):
        lost.write(ONE, TONE)
    assert lost.path(ONE).exists()  # it waits on the disk


def test_check_says_where_sound_is_kept(configs: tuple[Config, Config], tmp_path: Path) -> None:
    one, _ = configs
    ok, why = stored_sound(one)
    assert ok and why.startswith("s3://sound/prod, as all switches")
    gone = one.model_copy(update={"sound": one.sound.model_copy(update={"bucket": "s3://gone"})})
    assert stored_sound(gone)[0] is False
    shared = parse(BASE + f'[sound]\nfolder = "{tmp_path}"\n', tmp_path / "s.toml")
    assert stored_sound(shared)[0] is True
    assert shared.voicemail_dir == tmp_path / "voicemail"
    away = parse(BASE + f'[sound]\nfolder = "{tmp_path}/no"\n', tmp_path / "s.toml")
    assert stored_sound(away) == (False, f"{tmp_path}/no isn't there; [sound] folder chooses")
