"""Lines that are read from the database when they are asked for: for questions about a single call,
which no million of lines must be in memory for."""

from __future__ import annotations

from collections.abc import Callable

from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.directory_store import DirectoryStore


class StoredDirectory(Directory):
    """The directory of the database, with the lines that were asked for.

    Args:
        read: called with each line before its account's status and tariff are needed.
    """

    def __init__(self, store: DirectoryStore, read: Callable[[Line], None]) -> None:
        super().__init__((), store.trunks())
        self._store = store
        self._read = read
        self.line = self._line

    def _line(self, line_id: int) -> Line | None:
        """A line by its id."""
        known = self._lines.get(line_id)
        if known is None and line_id:
            self._found(next(iter(self._store.lines([line_id])), None))
            known = self._lines.get(line_id)
        return known

    def line_by_login(self, login: str) -> Line | None:
        """A line by its login."""
        if login not in self._by_login:
            self._found(self._store.line_by_login(login))
        return super().line_by_login(login)

    def line_by_number(self, number: str) -> Line | None:
        """A line by its own number, or by a rented one that rings there; E.164 with "+"."""
        self._know(number)
        return super().line_by_number(number)

    def is_line(self, number: str) -> bool:
        """True if a line has this number."""
        self._know(number)
        return super().is_line(number)

    def _know(self, number: str) -> None:
        rented = self.rented.get(number)
        for wanted in (number,) if rented is None else (number, rented.line):
            if wanted not in self._by_number:
                self._found(self._store.line_by_number(wanted))

    def _found(self, line: Line | None) -> None:
        if line is not None:
            self.put_lines([line])
            self._read(line)


def stored(store: DirectoryStore) -> StoredDirectory:
    """The lines of the database, for what asks nothing of their accounts."""
    return StoredDirectory(store, lambda line: None)
