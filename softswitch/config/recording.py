"""The section [recording] of the configuration: recorded calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from softswitch.config.values import Section

FOLDER = "recordings"
"""The folder of recorded calls in the data folder."""


class RecordingSection(Section):
    """[recording]: calls of lines that have `record` set."""

    tone: bool = True
    """Both sides hear a tone when recording begins; switch it off only where the law lets you."""
    max_seconds: Annotated[int, Field(ge=10, le=14_400)] = 14_400
    """The longest recording; a longer call is recorded up to this."""
    days_kept: Annotated[int, Field(ge=1, le=3660)] = 90
    """Days after which a recorded call is deleted."""
    min_free_megabytes: Annotated[int, Field(ge=0, le=1_000_000)] = 500
    """With less free space on the disk nothing is recorded: the ledger needs the rest."""
