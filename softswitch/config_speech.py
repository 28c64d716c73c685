"""The sections of the configuration for what the switch says: [prompts] and [announcements]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from softswitch.config_values import Section, below_config, comma_list

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


def _falling(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(values), reverse=True))


class AnnouncementsSection(Section):
    """[announcements]: what callers hear beside services."""

    mode: Literal["early", "answer", "off"] = "early"
    """How a line hears why its call is refused: before the status as early media, by an answer
    that costs nothing, or not at all."""
    warnings_seconds: Annotated[
        tuple[Annotated[int, Field(ge=5, le=600)], ...],
        AfterValidator(_falling),
        BeforeValidator(comma_list),
    ] = (60, 10)
    """How long before the money ends whoever pays is told so."""
