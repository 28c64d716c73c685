"""softswitch prompt: what the switch can say, and having what is missing made.

Done beside a running switch, never in it: a synthesiser takes minutes of a processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ivr_prompts.espeak import NoVoice
from ivr_prompts.languages import LANGUAGES, texts, voiced
from rtp.samples import Samples
from rtp.wav import WavError, file_bytes
from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.prompts.levelling import levelled
from softswitch.prompts.library import PromptLibrary, folders, scan, synthesised_file
from softswitch.prompts.recordings import Folder, read
from softswitch.prompts.voices import Voice, voice

MAX_SHOWN_FAULTS = 20


def prompt_list(config: Config, language: str | None = None, missing: bool = False) -> list[Row]:
    """Every token with its text and where its recording is from; "missing" if it has none."""
    chosen = _languages(language)
    library = scan(config, chosen)
    rows = [_row(library, lang, token) for lang in chosen for token in texts(lang)]
    return [row for row in rows if not missing or row["source"] == "missing"]


def prompt_build(
    config: Config,
    language: str | None = None,
    *,
    tokens: Iterable[str] | None = None,
    again: bool = False,
    told: Callable[[str, int], None] = lambda _language, _built: None,
) -> list[Row]:
    """Convert recordings that can't be played as they are, then have what is missing read.

    Args:
        tokens: only these.
        again: also what was read before.
        told: hears of each language when it is done, and how many files were made.

    Returns:
        A row for each language.
    """
    rows: list[Row] = []
    reader: Voice | None = None
    wanted = None if tokens is None else frozenset(tokens)
    for lang in _languages(language):
        of = [token for token in texts(lang) if wanted is None or token in wanted]
        converted, faults = _convert(folders(config), lang, of)
        library = scan(config, (lang,))
        to_read = [token for token in of if _is_to_be_read(library, lang, token, again)]
        if to_read and reader is None:
            reader = _voice(config)
        for token in to_read:
            assert reader is not None
            _read_out(config, reader, lang, token)
        told(lang, converted + len(to_read))
        rows.append(_built(config, lang, converted, len(to_read), faults))
    return rows


def prompt_summary(library: PromptLibrary) -> Row:
    """The share of tokens with a recording by language, in percent."""
    return {
        lang: 100 * (len(texts(lang)) - len(library.missing(lang))) // len(texts(lang))
        for lang in LANGUAGES
    }


def _languages(language: str | None) -> tuple[str, ...]:
    if language is None:
        return LANGUAGES
    if language not in LANGUAGES:
        raise OperationError("language_unknown", value=language, known=tuple(LANGUAGES))
    return (language,)


def _row(library: PromptLibrary, language: str, token: str) -> Row:
    found = library.get(language, token)
    return {
        "language": language,
        "token": token,
        "source": "missing" if found is None else found.origin,
        "text": voiced(language, token),
        "file": None if found is None else str(found.path),
    }


def _built(config: Config, lang: str, converted: int, read_out: int, faults: list[str]) -> Row:
    library = scan(config, (lang,))
    return {
        "language": lang,
        "converted": converted,
        "read": read_out,
        "there": len(library),
        "missing": len(library.missing(lang)),
        "unusable": faults[:MAX_SHOWN_FAULTS],
    }


def _voice(config: Config) -> Voice:
    try:
        return voice(config.prompts.command)
    except NoVoice as error:
        raise OperationError("voice_failed", reason=str(error)) from None


def _is_to_be_read(library: PromptLibrary, language: str, token: str, again: bool) -> bool:
    found = library.get(language, token)
    return found is None or (again and found.origin == "synthesised")


def _read_out(config: Config, reader: Voice, language: str, token: str) -> None:
    try:
        samples = levelled(reader(language, voiced(language, token)))
    except NoVoice as error:
        raise OperationError("voice_failed", reason=str(error)) from None
    if not len(samples):
        raise OperationError("voice_silent", language=language, token=token)
    _write(synthesised_file(config, language, token), samples)


def _convert(sources: Iterable[Folder], language: str, tokens: list[str]) -> tuple[int, list[str]]:
    """The number of converted recordings, and those that can't be converted, with the reason."""
    count, faults = 0, []
    for folder in sources:
        for token, source in folder.to_convert(language, tokens):
            try:
                _write(folder.copy_of(language, token), levelled(read(source)))
                count += 1
            except (OSError, WavError) as error:
                faults.append(f"{source}: {error}")
    return count, faults


def _write(path: Path, samples: Samples) -> None:
    """Under another name first: a switch may be playing it."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(file_bytes(samples))
        os.replace(part, path)
    except OSError as error:
        raise OperationError("file_not_written", path=path, reason=error.strerror) from None
