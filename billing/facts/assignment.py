"""Assignments of tariffs to accounts and lines, each from an instant on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_TARIFF = "default"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A tariff of an account, or of one line of it, from an instant on.

    Args:
        line: the calling line's number; None: every line of the account that has none of its own.
        from_at: epoch milliseconds.
        number: of two from the same instant the one that was made later counts.
    """

    account_id: int
    line: str | None
    tariff: str
    from_at: int
    number: int = 0


class Assignments:
    """Index by account; changed in place."""

    def __init__(self) -> None:
        self._own: dict[int, str] = {}
        """Without the accounts that have the default tariff."""
        self._later: dict[int, dict[str | None, tuple[Assignment, ...]]] = {}

    def put_account(self, account_id: int, tariff: str) -> None:
        """The tariff that an account has as long as nothing else is assigned."""
        if tariff == DEFAULT_TARIFF:
            self._own.pop(account_id, None)
        else:
            self._own[account_id] = tariff

    def put(self, assignments: Iterable[Assignment], accounts: Iterable[int] = ()) -> None:
        """Put these in the place of all that their accounts, and `accounts`, had."""
        fresh: dict[int, list[Assignment]] = {}
        for item in assignments:
            fresh.setdefault(item.account_id, []).append(item)
        for account in {*accounts, *fresh}:
            self._later.pop(account, None)
        for account, items in fresh.items():
            items.sort(key=lambda item: (-item.from_at, -item.number))
            lines = self._later[account] = {}
            for item in items:
                lines[item.line] = (*lines.get(item.line, ()), item)

    def tariff_of(self, account_id: int, line: str | None, at: int) -> str:
        """The name of the tariff of a call that is placed then."""
        later = self._later.get(account_id)
        if later is not None:
            for whose in (line, None) if line is not None else (None,):
                for item in later.get(whose, ()):
                    if item.from_at <= at:
                        return item.tariff
        return self._own.get(account_id, DEFAULT_TARIFF)
