"""Finished sound files in a bucket of an S3 store, which all switches on a database share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from softswitch.config.config import ConfigError
from softswitch.config.sound import SoundSection

CONNECT_SECONDS = 3
READ_SECONDS = 20
ATTEMPTS = 3

MISSING = "[sound] bucket needs boto3, which isn't installed: pip install 'softswitch[s3]'"


class S3(Protocol):
    """What is asked of boto3's client, whose types are made at run time."""

    def upload_file(self, path: str, bucket: str, key: str, /) -> None:
        """Store a file."""

    def download_file(self, bucket: str, key: str, path: str, /) -> None:
        """Fetch a file."""

    def delete_object(self, *, Bucket: str, Key: str) -> object:
        """Remove a file."""

    def head_bucket(self, *, Bucket: str) -> object:
        """Ask if the bucket is there."""


class Bucket:
    """A bucket, or a part of one. Files are named as on the disk."""

    def __init__(self, client: S3, name: str, prefix: str) -> None:
        self._client = client
        self._name = name
        self._prefix = prefix

    def __str__(self) -> str:
        return f"s3://{self._name}/{self._prefix}"

    def put(self, path: Path) -> None:
        """Store a file. Raises OSError."""
        with _failures(f"{self}{path.name}"):
            self._client.upload_file(str(path), self._name, self._prefix + path.name)

    def fetch(self, path: Path) -> None:
        """Make a file whole on the disk. Raises OSError; FileNotFoundError if there is none."""
        part = path.with_name(path.name + ".fetched")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with _failures(f"{self}{path.name}"):
                self._client.download_file(self._name, self._prefix + path.name, str(part))
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is no error. Raises OSError."""
        with _failures(f"{self}{name}"):
            self._client.delete_object(Bucket=self._name, Key=self._prefix + name)

    def check(self) -> None:
        """Raise OSError if the bucket can't be used."""
        with _failures(str(self)):
            self._client.head_bucket(Bucket=self._name)


@contextlib.contextmanager
def _failures(what: str) -> Iterator[None]:
    """The failures of the store as those of a disk are: the callers know what to do then."""
    from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        yield
    except ClientError as error:
        if str(error.response["Error"]["Code"]) in ("404", "NoSuchKey"):
            raise FileNotFoundError(2, "no such file in the bucket", what) from error
        raise OSError(5, str(error), what) from error
    except (Boto3Error, BotoCoreError) as error:
        raise OSError(5, str(error), what) from error


def bucket_of(settings: SoundSection, folder: str) -> Bucket | None:
    """The bucket for one folder of sound; None: files stay on the disk.

    Raises:
        ConfigError: the library isn't installed.
    """
    if not settings.bucket:
        return None
    name, _, prefix = settings.bucket.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/{folder}/".lstrip("/")
    return Bucket(_client(settings.endpoint, settings.region), name, prefix)


@lru_cache(maxsize=4)
def _client(endpoint: str, region: str) -> S3:
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(MISSING) from None
    patience = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS},
    )
    client: S3 = boto3.client(
        "s3", endpoint_url=endpoint or None, region_name=region, config=patience
    )
    return client
