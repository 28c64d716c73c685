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
        self._later: dict[tuple[int, str | None], tuple[Assignment, ...]] = {}

    def put_account(self, account_id: int, tariff: str) -> None:
        """The tariff that an account has as long as nothing else is assigned."""
        self._own[account_id] = tariff

    def put(self, assignments: Iterable[Assignment], accounts: Iterable[int] = ()) -> None:
        """Put these in the place of all that their accounts, and `accounts`, had."""
        fresh: dict[tuple[int, str | None], list[Assignment]] = {}
        for item in assignments:
            fresh.setdefault((item.account_id, item.line), []).append(item)
        anew = {account for account, _ in fresh} | set(accounts)
        for key in [key for key in self._later if key[0] in anew]:
            del self._later[key]
        for key, items in fresh.items():
            newest_first = sorted(items, key=lambda item: (-item.from_at, -item.number))
            self._later[key] = tuple(newest_first)

    def tariff_of(self, account_id: int, line: str | None, at: int) -> str:
        """The name of the tariff of a call that is placed then."""
        for whose in (line, None) if line is not None else (None,):
            for item in self._later.get((account_id, whose), ()):
                if item.from_at <= at:
                    return item.tariff
        return self._own.get(account_id, DEFAULT_TARIFF)
