"""Nodes: several switches on one database, and the calls of those that died."""

from __future__ import annotations

from billing.facts.cdr import Cdr, show_stamp
from billing.stores.statements import MAX_KEYS
from billing.stores.store import recovery
from softswitch.cluster import node_store
from softswitch.cluster.lease import Node
from softswitch.control.claim import is_claimed
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context

DEAD_MS = 60_000
"""A node whose calls have proven no life for so long, and whose claim is free, is dead: calls prove
it every few seconds."""

PROOFS_MISSED = 4


def node_list(context: Context) -> list[Row]:
    """The switches on this database, and this one: which of them live, which drain, and the calls
    that each has."""
    own = context.config.switch.node
    calls = context.billing.nodes()
    with context.billing.reading() as connection:
        rows = {row.name: row for row in node_store.nodes(connection)}
    return [
        _row(context, name, rows.get(name), *calls.get(name, (0, None)))
        for name in sorted({own, *calls, *rows})
    ]


def node_drain(context: Context, node: str | None = None) -> Row:
    """Have a node take no more calls: it answers 503, also to OPTIONS, and its calls go on. It
    counts within a second, and until the node is started again. Without a name: this node."""
    return _want(context, node, "drain")


def node_resume(context: Context, node: str | None = None) -> Row:
    """Have a node that drains take calls again."""
    return _want(context, node, "serve")


def node_recover(context: Context, node: str) -> Row:
    """End the calls of a node that is dead, each at its last proof of life."""
    known = context.billing.nodes()
    if node not in known:
        raise OperationError("node_has_no_calls", node=node)
    if _is_serving(context, node):
        raise OperationError("node_serving", node=node)
    silent_ms, dead_ms = context.now_ms() - known[node][1], _dead_ms(context)
    if silent_ms < dead_ms:
        raise OperationError(
            "node_lives", node=node, silent_seconds=silent_ms // 1000, dead_seconds=dead_ms // 1000
        )
    return {"node": node, "ended": len(_end(context, node))}


def _want(context: Context, node: str | None, wanted: str) -> Row:
    name = context.config.switch.node if node is None else node
    with context.billing.engine.begin() as connection:
        if not node_store.want(connection, name, wanted):
            raise OperationError("node_not_serving", node=name)
    return next(row for row in node_list(context) if row["node"] == name)


def _row(context: Context, name: str, row: Node | None, calls: int, proven_at: int | None) -> Row:
    alive_at = proven_at if row is None else max(row.alive_at, proven_at or 0)
    return {
        "node": name,
        "own": name == context.config.switch.node,
        "state": "unknown" if row is None else row.state,
        "wanted": "" if row is None else row.wanted,
        "calls": calls,
        "alive_at": None if alive_at is None else show_stamp(alive_at),
        "serving": _is_serving(context, name),
        "version": "" if row is None else row.version,
        "listens": "" if row is None else row.listens,
        "started_at": None if row is None else show_stamp(row.started_at),
    }


def _dead_ms(context: Context) -> int:
    return max(DEAD_MS, PROOFS_MISSED * context.config.calls.journal_seconds * 1000)


def _is_serving(context: Context, node: str) -> bool:
    """True if a process holds the node's claim. A database in a file has one switch: this process,
    or one that would have been asked in its place."""
    if context.config.database_file is not None:
        return False
    return is_claimed(context.billing.engine, node)


def _end(context: Context, node: str) -> list[Cdr]:
    commands = recovery(context.billing.live_calls(node))
    cdrs: list[Cdr] = []
    for start in range(0, len(commands), MAX_KEYS):
        results = context.apply(commands[start : start + MAX_KEYS])
        cdrs += [result.cdr for result in results if not isinstance(result, Exception)]
    return cdrs
