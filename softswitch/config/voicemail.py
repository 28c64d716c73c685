"""The section [voicemail] of the configuration: mailboxes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from softswitch.config.values import Section

FOLDER = "voicemail"
"""The folder of messages and greetings in the data folder."""


class VoicemailSection(Section):
    """[voicemail]: settings of every mailbox that has none of its own."""

    max_seconds: Annotated[int, Field(ge=10, le=900)] = 180
    """The longest message."""
    min_seconds: Annotated[int, Field(ge=0, le=10)] = 1
    """The least sound in a message; a shorter one isn't kept."""
    silence_seconds: Annotated[int, Field(ge=2, le=60)] = 5
    """The silence after which a recording ends; silence at either end is cut off."""
    max_messages: Annotated[int, Field(ge=1, le=500)] = 50
    """Messages that one mailbox holds."""
    days_kept: Annotated[int, Field(ge=1, le=366)] = 30
    """Days after which a message is deleted."""
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 25
    """How long phones of a line with a mailbox ring, unless the line says otherwise."""
    min_free_megabytes: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """With less free space on the disk no message is taken: the ledger needs the rest."""
