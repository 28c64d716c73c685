"""Rented numbers in memory: the line of each, and if it is blocked for a debt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from softswitch.subscribers.reach import Reach


@dataclass(frozen=True, slots=True)
class RentedNumber:
    """A number that is rented or on trial.

    Args:
        line: the number of the line at which it rings.
        shut: a fee made the balance negative, and it has not been above zero since.
        reach: the targets of its calls; None: the line's phones ring.
    """

    number: str
    account_id: int
    line: str
    shut: bool
    reach: Reach | None = None


class RentedNumbers:
    """Rented numbers by number; changed in place when an account's numbers or debts changed."""

    def __init__(self, numbers: Iterable[RentedNumber] = ()) -> None:
        self._by_number: dict[str, RentedNumber] = {}
        self.get = self._by_number.get
        """A rented number; None: it isn't rented."""
        self._by_account: dict[int, list[str]] = {}
        self.put(numbers)

    def put(self, numbers: Iterable[RentedNumber], accounts: Iterable[int] = ()) -> None:
        """Replace the numbers of the accounts of these numbers, and of `accounts`."""
        fresh = list(numbers)
        for account in {*accounts, *(item.account_id for item in fresh)}:
            for number in self._by_account.pop(account, ()):
                self._by_number.pop(number, None)
        for item in fresh:
            self._by_number[item.number] = item
            self._by_account.setdefault(item.account_id, []).append(item.number)

    def clear(self) -> None:
        self._by_number.clear()
        self._by_account.clear()
