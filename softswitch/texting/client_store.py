"""Businesses that send texts: their right to send, their sender names, and their SMPP logins
(B1-B3)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata

SenderState = Literal["waiting", "approved", "refused"]

grants_table = Table(
    "sms_grants",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("granted_at", BigInteger, nullable=False),
)
senders_table = Table(
    "sms_senders",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(11), primary_key=True),
    Column("state", String(8), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
)
clients_table = Table(
    "sms_clients",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("system_id", String(15), nullable=False, unique=True),
    Column("password", String(256), nullable=False),
    Column("networks", String(1000), nullable=False),
    Column("wallet", String(16), nullable=False),
    Column("max_binds", Integer, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("suspended", Boolean, nullable=False),
    # SQLite would give a removed client's id, and its receipts, to the next one.
    sqlite_autoincrement=True,
)


class Client(Struct, frozen=True, kw_only=True):
    """A business's SMPP login.

    Args:
        password: its hash, see :mod:`softswitch.subscribers.passwords`.
        networks: addresses from which it may bind, as CIDR; none: all.
        wallet: "sms" for prepaid messages, or "money".
        max_binds: connections at once.
        rate: segments a second; more are answered ESME_RTHROTTLED and cost nothing.
        suspended: True if it may not bind.
    """

    id: int
    name: str
    account_id: int
    system_id: str
    password: str
    networks: tuple[str, ...] = ()
    wallet: str = "sms"
    max_binds: int = 2
    rate: int = 100
    suspended: bool = False


class SenderName(Struct, frozen=True):
    """A sender name of an account, with the state of its approval.

    Args:
        asked_at: epoch milliseconds.
    """

    account_id: int
    name: str
    state: SenderState
    reason: str
    asked_at: int


def grant(connection: Connection, account_id: int, now: int | None) -> None:
    """Let an account send as a business from now on (epoch milliseconds); None: no more."""
    mine = grants_table.c.account_id == account_id
    connection.execute(delete(grants_table).where(mine))
    if now is not None:
        connection.execute(insert(grants_table).values(account_id=account_id, granted_at=now))


def is_granted(connection: Connection, account_id: int) -> bool:
    """True if an account may send as a business."""
    query = select(grants_table.c.account_id).where(grants_table.c.account_id == account_id)
    return connection.execute(query).first() is not None


def granted(connection: Connection) -> list[int]:
    """Accounts that may send as businesses."""
    return [account for (account,) in connection.execute(select(grants_table.c.account_id))]


def put_sender(connection: Connection, sender: SenderName) -> None:
    """Write a sender name in the place of the account's own of that name."""
    mine = (senders_table.c.account_id == sender.account_id) & (senders_table.c.name == sender.name)
    connection.execute(delete(senders_table).where(mine))
    connection.execute(
        insert(senders_table).values(
            account_id=sender.account_id,
            name=sender.name,
            state=sender.state,
            reason=sender.reason,
            asked_at=sender.asked_at,
        )
    )


def senders(
    connection: Connection, account_id: int | None = None, state: SenderState | None = None
) -> list[SenderName]:
    """Sender names, those that wait longest first."""
    query = select(senders_table)
    if account_id is not None:
        query = query.where(senders_table.c.account_id == account_id)
    if state is not None:
        query = query.where(senders_table.c.state == state)
    rows = connection.execute(query.order_by(senders_table.c.asked_at, senders_table.c.name))
    return [SenderName(*row) for row in rows]


def clients(connection: Connection, account_id: int | None = None) -> list[Client]:
    """SMPP logins, by name."""
    query = select(clients_table).order_by(clients_table.c.name)
    if account_id is not None:
        query = query.where(clients_table.c.account_id == account_id)
    return [
        Client(**{**row._mapping, "networks": tuple(row.networks.split())})
        for row in connection.execute(query)
    ]


def put_client(connection: Connection, client: Client) -> None:
    """Write a login: a new one (id 0), or in the place of the one of its id."""
    values = {name: getattr(client, name) for name in Client.__struct_fields__ if name != "id"} | {
        "networks": " ".join(client.networks)
    }
    if client.id:
        mine = clients_table.c.id == client.id
        connection.execute(update(clients_table).where(mine).values(**values))
    else:
        connection.execute(insert(clients_table).values(**values))


def remove_client(connection: Connection, client: Client) -> None:
    """Take a login away."""
    connection.execute(delete(clients_table).where(clients_table.c.id == client.id))
