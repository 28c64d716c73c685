"""The sections of the configuration for what is heard of the switch itself: [prompts],
[announcements] and [tones]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from softswitch.config.values import Section, below_config, comma_list
from softswitch.subscribers.supplementary import Unanswered

FilePath = Annotated[Path, AfterValidator(below_config)]
"""Absolute once read."""


class PromptsSection(Section):
    """[prompts]: where recordings come from; `softswitch prompt build` makes the others."""

    recordings: FilePath | None = None
    """The operator's own, LANGUAGE/TOKEN.wav; each takes precedence over everything else."""
    asterisk: FilePath | None = None
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
    unanswered: Annotated[tuple[Unanswered, ...], BeforeValidator(comma_list)] = ()
    """What is announced, too, of calls that nobody took: busy, no_answer, declined, unreachable.
    Not without being asked for: phones have tones of their own, and show the status."""
    warnings_seconds: Annotated[
        tuple[Annotated[int, Field(ge=5, le=600)], ...],
        AfterValidator(_falling),
        BeforeValidator(comma_list),
    ] = (60, 10)
    """How long before the money ends whoever pays is told so."""


class TonesSection(Section):
    """[tones]: tones of [switch] country, and music."""

    ringback: bool = False
    """True if callers hear the switch's own ringback, as early media, where the called side gives
    no sound; phones make one themselves."""
    refusals: bool = False
    """True if lines hear busy, congestion and special information tones before the status, where
    nothing is announced; phones make them themselves."""
    hold_music: FilePath | None = None
    """A WAV file (PCM, 8 kHz, 16 bit, mono) for whoever is on hold; None: silence."""
