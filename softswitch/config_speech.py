"""The section of the configuration for what the switch says: [prompts]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from softswitch.config_values import Section, below_config

Folder = Annotated[Path, AfterValidator(below_config)]
"""Absolute once read."""


class PromptsSection(Section):
    """[prompts]: where recordings come from; `softswitch prompt build` makes the others."""

    recordings: Folder | None = None
    """The operator's own, LANGUAGE/TOKEN.wav; each takes precedence over everything else."""
    asterisk: Folder | None = None
    """A tree of Asterisk's sounds, such as /usr/share/asterisk/sounds."""
    command: str | None = None
    """A program that reads a text, in the place of espeak-ng: "piper --model {language}.onnx
    -f {out}". The text is its standard input, and {text}."""
