"""softswitch check: what a node of a cluster must have in common with the others."""

from __future__ import annotations

from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.installation.check_sound import GONE
from softswitch.operations.installation.setup import NONCE_KEY, nonce_secret, opened
from softswitch.operations.network.nodes import node_list


def cluster(config: Config) -> list[Row]:
    """One row for each thing that the nodes share; a single one for a switch that is alone."""
    nodes = config.cluster.nodes
    if not nodes:
        return [_row("cluster", None, "this switch is alone: [cluster] nodes is empty")]
    return [_nodes(config), _edge(config), _secret(config)]


def _nodes(config: Config) -> Row:
    """True if every node that serves or has calls is listed."""
    listed = config.cluster.nodes
    try:
        with opened(config) as context:
            found = {str(row["node"]): row for row in node_list(context)}
    except OperationError as error:
        return _row("cluster", False, error.message)
    gone = {name for name, row in found.items() if row["state"] in GONE and not row["calls"]}
    unlisted = sorted(found.keys() - set(listed) - gone)
    if unlisted:
        why = (
            f"{', '.join(map(repr, unlisted))} serves or has calls, and isn't among [cluster] nodes"
        )
        return _row("cluster", False, f"{why}: list it at every node")
    return _row("cluster", True, f"{config.switch.node} of {', '.join(listed)}")


def _edge(config: Config) -> Row:
    """True if phones of other nodes can be reached by an edge."""
    if config.sip.edges:
        edges = ", ".join(map(str, config.sip.edges))
        return _row("cluster edge", True, f"phones of other nodes are reached by {edges}")
    why = "phones that registered at another node get no calls from here"
    return _row("cluster edge", False, f"[sip] edges is empty: {why}")


def _secret(config: Config) -> Row:
    """True if this node signs challenges as the others do."""
    try:
        own = nonce_secret(config).hex()
        with opened(config) as context:
            shared = context.directory.setting(NONCE_KEY)
    except OperationError as error:
        return _row("cluster secret", False, error.message)
    if shared is None:
        return _row("cluster secret", None, "none yet: the first node that starts gives its own")
    if shared != own:
        why = "this node signs challenges by another secret than the database has"
        return _row("cluster secret", False, f"{why}: restart it")
    return _row("cluster secret", True, "challenges of each node are good at all of them")


def _row(what: str, ok: bool | None, detail: str) -> Row:
    return {"check": what, "ok": ok, "detail": detail}
