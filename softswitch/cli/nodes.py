"""softswitch node: several switches on one database."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Nodes: switches that share a database.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="node")


@app.command("list")
def list_(context: typer.Context) -> None:
    """Nodes with live calls, and whether each is serving."""
    Session.of(context).run(operations.nodes.node_list)


@app.command()
def recover(context: typer.Context, node: Annotated[str, typer.Argument(metavar="NODE")]) -> None:
    """End the calls of a node that died, each at its last proof of life. A node that lives does it
    for itself when it starts, and the others do it a minute after it died."""
    Session.of(context).run(operations.nodes.node_recover, node=node)
