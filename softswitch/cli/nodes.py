"""softswitch node: several switches on one database."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Nodes: switches that share a database.", no_args_is_help=True)

LOOK_SECONDS = 1.0
"""The interval of looks at a node that is waited for."""

_OwnByDefault = Annotated[
    str | None, typer.Argument(metavar="NODE", help="Without it: the node of this configuration.")
]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="node")


@app.command("list")
def list_(context: typer.Context) -> None:
    """The nodes: which live, which drain, and how many calls each has."""
    Session.of(context).run(operations.nodes.node_list)


@app.command()
def drain(
    context: typer.Context,
    node: _OwnByDefault = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Come back when the node's last call has ended.")
    ] = False,
) -> None:
    """Have a node take no more calls; those that it has go on. It answers 503, also to the OPTIONS
    of a load balancer, until `node resume` or until it is started again."""
    session = Session.of(context)
    row = session.perform(operations.nodes.node_drain, node=node)
    while wait and (row["state"] == "serving" or (row["state"] == "draining" and row["calls"])):
        time.sleep(LOOK_SECONDS)
        rows = session.perform(operations.nodes.node_list)
        row = next(found for found in rows if found["node"] == row["node"])
    session.show(row)


@app.command()
def resume(context: typer.Context, node: _OwnByDefault = None) -> None:
    """Have a node that drains take calls again."""
    Session.of(context).run(operations.nodes.node_resume, node=node)


@app.command()
def recover(context: typer.Context, node: Annotated[str, typer.Argument(metavar="NODE")]) -> None:
    """End the calls of a node that died, each at its last proof of life. A node that starts does it
    for itself, and the others do it within seconds: this is for when none of them runs."""
    Session.of(context).run(operations.nodes.node_recover, node=node)
