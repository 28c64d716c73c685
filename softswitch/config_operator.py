"""The section of the configuration about who runs the switch: [operator]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from softswitch.config_values import Section

_Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f]*$")]


class OperatorSection(Section):
    """[operator]: how bills and contracts name the seller."""

    name: _Text = ""
    """Default: the switch's domain."""
    address: _Text = ""
    registration_code: _Text = ""
    bank_account: _Text = ""
