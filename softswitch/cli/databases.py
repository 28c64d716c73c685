"""softswitch database: where the books are."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli.session import REFUSED, Session

app = typer.Typer(help="The database that holds the books.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="database")


@app.callback()
def database() -> None:
    """The database that holds the books."""


@app.command()
def move(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="postgresql://user:password@host/database, empty."),
    ],
) -> None:
    """Move the books from SQLite to PostgreSQL, and compare them. The switch must not run; write
    the URL into the configuration afterwards. The file is kept under another name."""
    from softswitch.operations.installation.database_move import move as move_database

    session = Session.of(context)
    row = move_database(session.config, url)
    session.show(row)
    if row["differences"]:
        raise typer.Exit(REFUSED)
