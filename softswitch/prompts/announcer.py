"""Announcements: a phrase becomes a list of recordings, in the best language that has them all.

A whole phrase is in one language: the line's, else the switch's own, else English. If none has all
of it, a tone takes its place. Each missing recording is logged once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ivr_prompts.languages import LANGUAGES, LAST_RESORT
from ivr_prompts.phrase import Part, spoken
from rtp.control import PlayItem
from softswitch.prompts.library import PromptLibrary
from softswitch.trace.log import Log

OnSaid = Callable[[str, str, str, str], None]
"""Called with each announcement: the call's id, the side, the language and the tokens."""

TONE = "special_information"
"""The tone in place of a phrase without recordings."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A phrase, ready to be played.

    Args:
        language: of the recordings; empty if it is a tone.
        tokens: the parts of the phrase, in order; for a tone those that are missing.
    """

    language: str
    tokens: tuple[str, ...]
    items: tuple[PlayItem, ...]


class Announcer:
    """Turns phrases into announcements.

    Args:
        language, country: of the switch.
        log: reports each missing prompt once.
    """

    def __init__(
        self,
        library: PromptLibrary,
        language: str,
        country: str,
        log: Log,
        *,
        on_said: OnSaid | None = None,
    ) -> None:
        self.library = library
        """The recordings; replaced after prompts were built."""
        self._language = language
        self._country = country
        self._log = log
        self._told: set[tuple[str, str]] = set()
        self._on_said = on_said

    def announce(self, language: str | None, phrase: Sequence[Part]) -> Announcement:
        """The announcement of a phrase in `language`; None: the switch's own."""
        first: tuple[str, ...] | None = None
        for candidate in self._languages(language):
            try:
                tokens = tuple(spoken(candidate, phrase))
            except ValueError as error:  # a number that no language can say
                self._log.error("can't be said", why=str(error))
                continue
            first = first or tokens
            items = self._items(candidate, tokens)
            if items is not None:
                return Announcement(candidate, tokens, items)
        return Announcement("", first or (), (PlayItem(tone=TONE, country=self._country),))

    def note(self, call_id: str, side: str, said: Announcement) -> None:
        """Note an announcement to a side of a call."""
        language, tokens = said.language, " ".join(said.tokens)
        self._log.info("announcement", call=call_id, side=side, language=language, tokens=tokens)
        if self._on_said is not None:
            self._on_said(call_id, side, language, tokens)

    def spoiled(self, announcement: Announcement, problem: str) -> bool:
        """Note a file that couldn't be played; True if another attempt may succeed."""
        for token, item in zip(announcement.tokens, announcement.items, strict=False):
            if announcement.language and item.file is not None and item.file in problem:
                self._log.warning("a prompt can't be played", why=problem)
                self.library.forget(announcement.language, token)
                return True
        return False

    def _languages(self, language: str | None) -> Iterator[str]:
        wished = (language or self._language, self._language, LAST_RESORT)
        return (one for one in dict.fromkeys(wished) if one in LANGUAGES)

    def _items(self, language: str, tokens: Sequence[str]) -> tuple[PlayItem, ...] | None:
        found = [self.library.get(language, token) for token in tokens]
        items = tuple(PlayItem(file=str(one.path)) for one in found if one is not None)
        if len(items) == len(tokens):
            return items
        for token, recording in zip(tokens, found, strict=True):
            if recording is None and (language, token) not in self._told:
                self._told.add((language, token))
                self._log.warning(
                    "a prompt is missing; softswitch prompt build makes it",
                    language=language,
                    token=token,
                )
        return None
