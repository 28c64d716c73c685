"""softswitch pin: secret numbers that were guessed at."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="PINs with wrong tries: list, unlock.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="pin")


@app.command("list")
def list_(context: typer.Context) -> None:
    """PINs whose last try was wrong: of which line, mailbox or room, and until when locked."""
    Session.of(context).run(operations.pin_locks.pin_list)


@app.command()
def unlock(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="line|mailbox|room")],
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
) -> None:
    """Let a PIN be tried again at once."""
    Session.of(context).run(operations.pin_locks.pin_unlock, kind=kind, number=number)
