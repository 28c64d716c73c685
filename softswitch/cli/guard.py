"""softswitch guard: whose messages and passwords the running switch doesn't look at."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Guard: bans and refused messages.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="guard")


@app.command("list")
def list_(context: typer.Context) -> None:
    """Bans that hold, with the seconds that they have left."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.guard_list))


@app.command()
def show(context: typer.Context) -> None:
    """The number of messages refused since the start, by reason."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.guard_show))


@app.command()
def unban(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="ADDRESS")],
    line: Annotated[
        str | None, typer.Option(metavar="LOGIN", help="Only its ban for this line.")
    ] = None,
) -> None:
    """Lift the bans of an address."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.guard_unban, source=source, line=line))
