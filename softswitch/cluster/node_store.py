"""The table of nodes. Each function is one statement, and so one transaction where the connection
commits by itself."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    String,
    Table,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata
from softswitch.cluster.lease import Node

nodes_table = Table(
    "nodes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("incarnation", String(32), nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("wanted", String(16), nullable=False),
    Column("taken_by", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("listens", String(400), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("alive_at", BigInteger, nullable=False),
)
_C = nodes_table.c
_ALL = select(*(_C[name] for name in Node.__struct_fields__)).order_by(_C.name)


def nodes(connection: Connection) -> list[Node]:
    """All nodes that ever served on this database, by name."""
    return [Node(*row) for row in connection.execute(_ALL)]


def node(connection: Connection, name: str) -> Node | None:
    """A node by its name; None if it has never served."""
    row = connection.execute(_ALL.where(_C.name == name)).first()
    return None if row is None else Node(*row)


def join(connection: Connection, new: Node, before: Node | None) -> bool:
    """Begin a run of a node; False if another process changed its row since it was `before`."""
    values = {name: getattr(new, name) for name in Node.__struct_fields__}
    if before is None:
        connection.execute(insert(nodes_table), values)
        return True
    unchanged = (_C.name == before.name) & (_C.incarnation == before.incarnation)
    statement = update(nodes_table).where(unchanged, _C.state == before.state).values(values)
    return connection.execute(statement).rowcount == 1


def beat(connection: Connection, name: str, incarnation: str, state: str, now_ms: int) -> bool:
    """Count a node's beat up; False if its run was taken over."""
    statement = (
        update(nodes_table)
        .where(_C.name == name, _C.incarnation == incarnation)
        .values(beat=_C.beat + 1, state=state, alive_at=now_ms)
    )
    return connection.execute(statement).rowcount == 1


def take(connection: Connection, dead: Node, by: str) -> bool:
    """Take the calls of a node that is dead; False if it has beaten since, or another took it."""
    same = (_C.incarnation == dead.incarnation) & (_C.beat == dead.beat) & (_C.state == dead.state)
    statement = (
        update(nodes_table)
        .where(_C.name == dead.name, same)
        .values(state="dead", taken_by=by, incarnation="")
    )
    return connection.execute(statement).rowcount == 1


def ended(connection: Connection, name: str) -> None:
    """The calls of a dead node are ended."""
    statement = update(nodes_table).where(_C.name == name, _C.state == "dead")
    connection.execute(statement.values(state="ended"))


def stop(connection: Connection, name: str, incarnation: str) -> None:
    """A node stops, and has no calls."""
    own = (_C.name == name) & (_C.incarnation == incarnation)
    connection.execute(update(nodes_table).where(own).values(state="stopped", incarnation=""))


def want(connection: Connection, name: str, wanted: str) -> bool:
    """Ask a living node to serve or to drain; False if there is none of this name."""
    living = (_C.name == name) & (_C.incarnation != "")
    statement = update(nodes_table).where(living).values(wanted=wanted)
    return connection.execute(statement).rowcount == 1
