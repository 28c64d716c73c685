"""Recordings for simulated calls: each token a tone of 200 ms, so that what was played is as long
as it has tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivr_prompts.languages import texts
from rtp.samples import samples_in
from rtp.wav import file_bytes
from softswitch.prompts.library import PromptLibrary
from softswitch.prompts.recordings import Recording

TOKEN_SECONDS = 0.2
FLUSH_SECONDS = 0.4
"""The silence before the end of a call in which something was said."""


def recorded(folder: Path, *languages: str) -> PromptLibrary:
    """Everything that can be said in these languages."""
    time = np.arange(samples_in(TOKEN_SECONDS * 1000)) / 8000
    found = {}
    for number, language in enumerate(languages):
        tone = (8000 * np.sin(2 * np.pi * (400 + 100 * number) * time)).astype(np.int16)
        path = folder / f"{language}.wav"
        path.write_bytes(file_bytes(tone))
        for token in texts(language):
            found[language, token] = Recording(path, "own")
    return PromptLibrary(found)
