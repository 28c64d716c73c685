"""Nodes: several switches on one database, and the calls of those that died."""

from __future__ import annotations

from billing.facts.cdr import Cdr, show_stamp
from billing.stores.statements import MAX_KEYS
from billing.stores.store import recovery
from softswitch.control.claim import is_claimed
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context

DEAD_MS = 60_000
"""A node whose calls have proven no life for so long, and whose claim is free, is dead: calls prove
it every few seconds."""

PROOFS_MISSED = 4


def node_list(context: Context) -> list[Row]:
    """Nodes that have live calls, and this one."""
    own = context.config.switch.node
    found = {own: (0, 0)} | context.billing.nodes()
    return [
        {
            "node": node,
            "own": node == own,
            "calls": calls,
            "alive_at": show_stamp(alive_at) if calls else None,
            "serving": _is_serving(context, node),
        }
        for node, (calls, alive_at) in sorted(found.items())
    ]


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
