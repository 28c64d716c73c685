"""Changes made by an operation, which the running switches must read again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Changes:
    """The changed objects by their keys."""

    lines: set[int] = field(default_factory=set)
    accounts: set[int] = field(default_factory=set)
    tariffs: set[str] = field(default_factory=set)
    trunks: bool = False
    destinations: bool = False
    moves: bool = False
    """True if numbers were changed."""
    texts: bool = False
    """True if texts were stored, or carriers of texts changed."""

    def any(self) -> bool:
        keys = self.lines or self.accounts or self.tariffs
        return bool(keys or self.trunks or self.destinations or self.moves or self.texts)

    def add(self, other: Changes) -> None:
        self.lines |= other.lines
        self.accounts |= other.accounts
        self.tariffs |= other.tariffs
        self.trunks |= other.trunks
        self.destinations |= other.destinations
        self.moves |= other.moves
        self.texts |= other.texts
