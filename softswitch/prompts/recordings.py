"""Folders of recordings made by people: the operator's own and Asterisk's tree.

Both are used in place. Files that can't be played as they are, `softswitch prompt build` converts
into the data folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]

from ivr_prompts import asterisk
from rtp.samples import Samples, saturated
from rtp.sound_file import convert, load, resample
from rtp.wav import WavError

RAW_FORMATS = {
    ".sln": (8000, "PCM_16"),
    ".sln16": (16000, "PCM_16"),
    ".raw": (8000, "PCM_16"),
    ".ulaw": (8000, "ULAW"),
    ".ul": (8000, "ULAW"),
    ".alaw": (8000, "ALAW"),
    ".al": (8000, "ALAW"),
    ".gsm": (8000, "GSM610"),
}
"""Headerless formats by suffix, as Asterisk names them."""
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", *RAW_FORMATS)
"""The suffixes that are looked for, the best first."""
MAX_RAW_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording of a token.

    Args:
        path: the file that is played.
        origin: "own", "asterisk" or "synthesised".
    """

    path: Path
    origin: str


def _own_name(token: str) -> Iterable[str]:
    return (token,)


NAMES: dict[str, Callable[[str], Iterable[str]]] = {
    "own": _own_name,
    "asterisk": asterisk.names,
}
"""The file names of a token in each kind of folder."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with a subfolder for each language.

    Args:
        origin: "own" or "asterisk".
        converted: the folder of converted files.
    """

    path: Path
    origin: str
    converted: Path

    def source(self, language: str, token: str) -> Path | None:
        """The recorded file of a token, whatever its format."""
        for folder in self._of_language(language):
            for name in NAMES[self.origin](token):
                for suffix in SUFFIXES:
                    path = folder / f"{name}{suffix}"
                    if path.is_file():
                        return path
        return None

    def _of_language(self, language: str) -> list[Path]:
        """ "ru", or "ru_RU_f_IvrvoiceRU" as Debian's packages of Asterisk's sounds have it."""
        return [self.path / language, *sorted(self.path.glob(f"{language}_*"))]

    def copy_of(self, language: str, token: str) -> Path:
        """The path of the converted file, which need not exist."""
        return self.converted / language / f"{token}.wav"

    def recording(self, language: str, token: str) -> Recording | None:
        """The playable recording: the file itself, or its converted copy unless that is older."""
        source = self.source(language, token)
        if source is None:
            return None
        if is_playable(source):
            return Recording(source, self.origin)
        copy = self.copy_of(language, token)
        if copy.is_file() and copy.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            return Recording(copy, self.origin)
        return None

    def to_convert(self, language: str, tokens: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """Tokens with a file that must be converted before it can be played."""
        for token in tokens:
            source = self.source(language, token)
            if source is not None and self.recording(language, token) is None:
                yield token, source


def is_playable(path: Path) -> bool:
    """True if a file is playable as it is."""
    if path.suffix != ".wav":
        return False
    try:
        load(path)
    except (OSError, WavError):
        return False
    return True


def read(path: Path) -> Samples:
    """The sound of a file, at 8 kHz.

    Raises:
        OSError: it can't be read.
        WavError: it holds no sound; with the reason.
    """
    with path.open("rb") as file:
        raw = RAW_FORMATS.get(path.suffix)
        if raw is None:
            return convert(file)
        if os.fstat(file.fileno()).st_size > MAX_RAW_BYTES:
            raise WavError(f"more than {MAX_RAW_BYTES >> 20} MB")
        rate, subtype = raw
        try:
            samples, _ = soundfile.read(
                file, dtype="float32", format="RAW", samplerate=rate, channels=1, subtype=subtype
            )
        except (soundfile.LibsndfileError, ValueError) as error:
            raise WavError(f"it can't be read as sound: {error}") from None
    if not len(samples):
        raise WavError("there is no sound in it")
    return saturated(resample(np.asarray(samples, np.float32), rate) * 32768.0)
