"""Speech synthesis for prompts without a recording: espeak-ng, or a program of the operator's."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np

from ivr_prompts.espeak import Espeak, NoVoice
from rtp.samples import Samples, saturated
from rtp.sound_file import convert, resample
from rtp.wav import WavError

ESPEAK_PROGRAM = "espeak-ng -v {language} -s 150 -w {out} --stdin"
"""Debian's package espeak-ng."""
COMMAND_SECONDS = 60
"""The timeout of the program for one sentence."""


class Voice(Protocol):
    """Reads a text at 8 kHz; raises NoVoice with one line that names the fault."""

    def __call__(self, language: str, text: str) -> Samples: ...


def voice(command: str | None) -> Voice:
    """The configured voice, else espeak-ng: the wheel, or the program. Raises NoVoice when there
    is none."""
    if command is not None:
        return CommandVoice(command)
    try:
        return EspeakVoice()
    except NoVoice:
        if shutil.which("espeak-ng") is None:
            raise
        return CommandVoice(ESPEAK_PROGRAM)


class EspeakVoice:
    """espeak-ng, resampled to 8 kHz."""

    def __init__(self) -> None:
        self._espeak = Espeak()

    def __call__(self, language: str, text: str) -> Samples:
        samples = np.frombuffer(self._espeak.speak(language, text), np.int16)
        return saturated(resample(samples.astype(np.float32), self._espeak.rate))


class CommandVoice:
    """A program that writes a sound file: ``piper --model {language}.onnx -f {out}``.

    The text is its standard input, and replaces ``{text}``. No shell interprets it.
    """

    def __init__(self, command: str) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise NoVoice(f"[prompts] command can't be read: {error}") from None
        if not any("{out}" in word for word in self._words):
            raise NoVoice("[prompts] command must have {out}: the file that it writes")

    def __call__(self, language: str, text: str) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "prompt.wav"
            values = {"{language}": language, "{text}": text, "{out}": str(out)}
            self._run([_filled(word, values) for word in self._words], text)
            try:
                with out.open("rb") as file:
                    return convert(file)
            except FileNotFoundError:
                raise NoVoice(f"{self._words[0]} wrote no file for {text!r}") from None
            except WavError as error:
                raise NoVoice(f"{self._words[0]} wrote no sound for {text!r}: {error}") from None

    def _run(self, words: list[str], text: str) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
                words, input=text.encode(), capture_output=True, timeout=COMMAND_SECONDS
            )
        except FileNotFoundError:
            raise NoVoice(f"[prompts] command: there is no program {words[0]!r}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoVoice(f"[prompts] command: {error}") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise NoVoice(f"{words[0]} ended with {done.returncode} {said[0]}".strip())


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word
