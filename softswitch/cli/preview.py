"""softswitch preview: what is due in the days to come."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session


def add_to(root: typer.Typer) -> None:
    root.command()(preview)


def preview(
    context: typer.Context,
    until: Annotated[
        str, typer.Option(metavar="DATE", help="A date, its whole day included, or a time.")
    ],
    account: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="Its id or name. Default: all.")
    ] = None,
    of_account: Annotated[
        str | None, typer.Option("--account", help="The same as the argument.")
    ] = None,
) -> None:
    """A forecast of debits, renewals, bills and suspensions, if nothing else happens.

    The daily work itself is run on a copy of the books; nothing is written.
    """
    Session.of(context).run(operations.preview.preview, until=until, account=of_account or account)
