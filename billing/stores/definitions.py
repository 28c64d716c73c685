"""The table of commands that need no decision: for each the function that writes it."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection

from billing.decisions.book import Book
from billing.facts.command import Answer, Command
from billing.stores import (
    account_store,
    bill_store,
    order_store,
    rental_store,
    rerating_store,
    sales_store,
    tariff_store,
    tax_store,
    wallet_store,
)
from billing.stores.definition import Definitions

DEFINITIONS: Definitions = {
    **account_store.DEFINITIONS,
    **sales_store.DEFINITIONS,
    **rental_store.DEFINITIONS,
    **order_store.DEFINITIONS,
    **rerating_store.DEFINITIONS,
    **tariff_store.DEFINITIONS,
    **bill_store.DEFINITIONS,
    **wallet_store.DEFINITIONS,
    **tax_store.DEFINITIONS,
}


def define(connection: Connection, book: Book, command: Command[Answer]) -> Answer:
    """The answer to a command of the table.

    Raises:
        BillingError: the command is refused.
    """
    return cast("Answer", DEFINITIONS[type(command)](connection, book, command))
