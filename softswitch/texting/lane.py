"""Lanes of the queue to carriers: texts with the same carriers to choose from.

A carrier that is away holds up its own lanes alone, and a lane keeps a bounded number of texts in
memory; the others stay in the database until it has room again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from softswitch.texting.carrier import Carrier
from softswitch.texting.message import StoredText

MAX_TEXTS = 1_000


class Lane:
    """One lane: texts of people go before those of batches.

    Attributes:
        overflowed: True if texts of this lane were left in the database for want of room.
    """

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        self.carriers = carriers
        self.overflowed = False
        self._single: deque[StoredText] = deque()
        self._bulk: deque[StoredText] = deque()

    def __len__(self) -> int:
        return len(self._single) + len(self._bulk)

    @property
    def has_room(self) -> bool:
        """True while the lane takes another text."""
        return len(self) < MAX_TEXTS

    @property
    def is_low(self) -> bool:
        """True if texts that were left in the database should be read now."""
        return self.overflowed and len(self) < MAX_TEXTS // 2

    def put(self, text: StoredText) -> None:
        """Add a text behind the others of its kind."""
        (self._single if text.text.batch_id is None else self._bulk).append(text)

    def put_back(self, text: StoredText) -> None:
        """Put a text that was taken where it was."""
        (self._single if text.text.batch_id is None else self._bulk).appendleft(text)

    def take(self) -> StoredText:
        """The next text."""
        return (self._single or self._bulk).popleft()
