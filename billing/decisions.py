"""Which decision belongs to which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billing import bonus, packages
from billing.book import Book
from billing.sales import BuyPackage, PostBonus, RenewPackage, SetAutoRenew

_SALES: dict[type, Callable[[Book, Any], Any]] = {
    BuyPackage: packages.buy,
    RenewPackage: packages.renew,
    SetAutoRenew: packages.set_auto_renew,
    PostBonus: bonus.post,
}


def decide(book: Book, command: Any) -> Any:
    """The answer to a command.

    Raises:
        BillingError: the command is refused.
    """
    decision = _SALES.get(type(command))
    return book.decide(command) if decision is None else decision(book, command)
