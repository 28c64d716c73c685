"""The sections [prompts], [announcements] and [tones] of the configuration: sounds of the switch
itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from softswitch.config.values import Section, below_config, comma_list
from softswitch.subscribers.supplementary import Unanswered

FilePath = Annotated[Path, AfterValidator(below_config)]
"""Absolute once read."""


class PromptsSection(Section):
    """[prompts]: the sources of recordings; `softswitch prompt build` makes the missing ones."""

    recordings: FilePath | None = None
    """The folder of the operator's own recordings, LANGUAGE/TOKEN.wav; they take precedence over
    all others."""
    asterisk: FilePath | None = None
    """The folder of Asterisk's sounds, such as /usr/share/asterisk/sounds."""
    command: str | None = None
    """A speech synthesiser in place of espeak-ng: "piper --model {language}.onnx -f {out}". The
    text is its standard input, and {text}."""


def _falling(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(values), reverse=True))


class AnnouncementsSection(Section):
    """[announcements]: announcements to callers outside of services."""

    mode: Literal["early", "answer", "off"] = "early"
    """How a line hears the reason of a refused call: early: before the status, as early media;
    answer: by an answer that costs nothing; off: not at all."""
    unanswered: Annotated[tuple[Unanswered, ...], BeforeValidator(comma_list)] = ()
    """The kinds of unanswered calls that are announced, too: busy, no_answer, declined,
    unreachable. None by default: phones have tones of their own, and show the status."""
    warnings_seconds: Annotated[
        tuple[Annotated[int, Field(ge=5, le=600)], ...],
        AfterValidator(_falling),
        BeforeValidator(comma_list),
    ] = (60, 10)
    """How long before the money ends the paying party is warned."""


class TonesSection(Section):
    """[tones]: tones of [switch] country, and music."""

    ringback: bool = False
    """True if callers hear the switch's own ringback, as early media, where the called side sends
    no sound; by default phones play their own."""
    refusals: bool = False
    """True if lines hear busy, congestion and special information tones before the status, where
    nothing is announced; by default phones play their own."""
    hold_music: FilePath | None = None
    """A WAV file (PCM, 8 kHz, 16 bit, mono) that is played on hold; None: silence."""
