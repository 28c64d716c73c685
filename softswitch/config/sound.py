"""The section [sound] of the configuration: where messages, greetings and recordings are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from softswitch.config.values import Section


class SoundSection(Section):
    """[sound]: the files of voicemail, greetings and recorded calls. Switches on one database need
    one place for them: a folder that all of them mount, or a bucket."""

    folder: Path | None = None
    """The folder of all sound that is kept. None: `data_dir`, which is this switch's own."""
    bucket: Annotated[
        str, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?)?$")
    ] = ""
    """A bucket of an S3 store, "s3://NAME" or "s3://NAME/PREFIX": finished files are put there, and
    fetched when they are played. Credentials come from the environment (AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY) or ~/.aws."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s/]+/?)?$")] = ""
    """The URL of a store other than Amazon's, such as "https://minio.example.org"."""
    region: str = "us-east-1"
    """The bucket's region."""
