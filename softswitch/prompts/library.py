"""The index of recordings in memory, built at the start and after `prompt build`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ivr_prompts.languages import LANGUAGES, texts
from softswitch.config.config import Config
from softswitch.prompts.recordings import Folder, Recording

SYNTHESISED = "synthesised"


class PromptLibrary:
    """The recordings by language and token. Entries are only removed: a file that can't be played
    is found out when it is played."""

    def __init__(self, recordings: Mapping[tuple[str, str], Recording] | None = None) -> None:
        self._recordings = dict(recordings or {})

    def __len__(self) -> int:
        return len(self._recordings)

    def get(self, language: str, token: str) -> Recording | None:
        return self._recordings.get((language, token))

    def missing(self, language: str) -> list[str]:
        """Tokens of a language without a recording."""
        return [token for token in texts(language) if (language, token) not in self._recordings]

    def forget(self, language: str, token: str) -> None:
        """Remove a recording whose file is gone or damaged."""
        self._recordings.pop((language, token), None)


def folders(config: Config) -> list[Folder]:
    """The folders of recordings made by people, the ones that win first."""
    built = config.prompts_dir
    found = []
    if config.prompts.recordings is not None:
        found.append(Folder(config.prompts.recordings, "own", built / "own"))
    if config.prompts.asterisk is not None:
        found.append(Folder(config.prompts.asterisk, "asterisk", built / "asterisk"))
    return found


def synthesised_file(config: Config, language: str, token: str) -> Path:
    """The path of a synthesised recording, which need not exist."""
    return config.prompts_dir / SYNTHESISED / language / f"{token}.wav"


def scan(config: Config, languages: Iterable[str] = LANGUAGES) -> PromptLibrary:
    """Build the index from the disk."""
    sources = folders(config)
    recordings: dict[tuple[str, str], Recording] = {}
    for language in languages:
        for token in texts(language):
            found = _best(config, sources, language, token)
            if found is not None:
                recordings[language, token] = found
    return PromptLibrary(recordings)


def _best(config: Config, sources: Iterable[Folder], language: str, token: str) -> Recording | None:
    for folder in sources:
        found = folder.recording(language, token)
        if found is not None:
            return found
    path = synthesised_file(config, language, token)
    return Recording(path, SYNTHESISED) if path.is_file() else None
