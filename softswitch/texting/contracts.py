"""Contracts of bulk texts (B2): who accepted the conditions for an account, when and from where."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, String, Table, select
from sqlalchemy import insert as insert_into

from billing.stores.schema import metadata, storable

contracts_table = Table(
    "sms_contracts",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("terms", String(64), primary_key=True),
    Column("accepted_at", BigInteger, nullable=False),
    Column("accepted_by", String(128), nullable=False),
    Column("address", String(64), nullable=False),
)


class Contract(Struct, frozen=True):
    """An acceptance of conditions.

    Args:
        terms: the edition of the conditions, `[sms] terms`.
        accepted_at: epoch milliseconds.
        accepted_by: the login of the user.
        address: where the user was; empty on the command line.
    """

    account_id: int
    terms: str
    accepted_at: int
    accepted_by: str
    address: str


def accept(connection: Connection, contract: Contract) -> Contract:
    """Write an acceptance; the first one of an edition stays."""
    known = accepted(connection, contract.account_id, contract.terms)
    if known is not None:
        return known
    connection.execute(
        insert_into(contracts_table).values(
            account_id=contract.account_id,
            terms=contract.terms,
            accepted_at=contract.accepted_at,
            accepted_by=storable(contract.accepted_by, 128),
            address=storable(contract.address, 64),
        )
    )
    return contract


def contracted(connection: Connection, terms: str) -> list[int]:
    """Accounts that have accepted an edition."""
    c = contracts_table.c
    return list(connection.execute(select(c.account_id).where(c.terms == terms)).scalars())


def accepted(connection: Connection, account_id: int, terms: str) -> Contract | None:
    """The acceptance of an edition by an account; None: there is none."""
    c = contracts_table.c
    query = select(contracts_table).where(c.account_id == account_id, c.terms == terms)
    row = connection.execute(query).first()
    return None if row is None else Contract(*row)
