"""The targets of rented numbers in the database.

A row belongs to a number and the account that rents it: the next tenant of the number starts
without targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from billing.stores.schema import metadata
from softswitch.subscribers.reach import Reach, Target

reaches_table = Table(
    "number_reaches",
    metadata,
    Column("number", String(16), primary_key=True),
    Column("account_id", Integer, nullable=False, index=True),
    Column("in_turn", Boolean, nullable=False),
    Column("greeting", String),
    Column("targets", String, nullable=False),
)


def reaches_of(
    connection: Connection, accounts: Iterable[int] | None = None
) -> dict[tuple[str, int], Reach]:
    """The reach of rented numbers by number and account; None means all accounts."""
    query = select(reaches_table)
    if accounts is not None:
        query = query.where(reaches_table.c.account_id.in_(list(accounts)))
    return {
        (row.number, row.account_id): Reach(
            tuple(Target(**facts) for facts in json.loads(row.targets)), row.in_turn, row.greeting
        )
        for row in connection.execute(query)
    }


def save_reach(engine: Engine, number: str, account_id: int, reach: Reach | None) -> None:
    """Replace the reach of a number; None removes it."""
    with engine.begin() as connection:
        connection.execute(delete(reaches_table).where(reaches_table.c.number == number))
        if reach is not None:
            targets = json.dumps([asdict(target) for target in reach.targets])
            connection.execute(
                insert(reaches_table).values(
                    number=number,
                    account_id=account_id,
                    in_turn=reach.in_turn,
                    greeting=reach.greeting,
                    targets=targets,
                )
            )
