"""Files that a form brought and that a second form is asked about, such as one to be converted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

HELD_SECONDS = 600
MAX_HELD = 32
"""Files at once; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """An uploaded file.

    Args:
        session: the id of the session that brought it; no other gets it.
    """

    session: str
    name: str
    content: bytes
    held_at: float


class HeldFiles:
    """Uploaded files in memory, by a token that the second form carries: one for each session, for
    ten minutes."""

    def __init__(self) -> None:
        self._files: dict[str, HeldFile] = {}

    def hold(self, session: str, name: str, content: bytes, now: float) -> str:
        """Keep a file in place of the session's last one; `now` in seconds."""
        self._files = {
            token: file
            for token, file in self._files.items()
            if file.session != session and now - file.held_at < HELD_SECONDS
        }
        while len(self._files) >= MAX_HELD:
            del self._files[next(iter(self._files))]
        token = secrets.token_urlsafe(18)
        self._files[token] = HeldFile(session, name, content, now)
        return token

    def find(self, session: str, token: str, now: float) -> HeldFile | None:
        """The file; None: it isn't the session's, or isn't kept any more."""
        file = self._files.get(token)
        if file is None or file.session != session or now - file.held_at >= HELD_SECONDS:
            return None
        return file

    def take(self, session: str, token: str, now: float) -> HeldFile | None:
        """Likewise, once."""
        file = self.find(session, token, now)
        return None if file is None else self._files.pop(token)
