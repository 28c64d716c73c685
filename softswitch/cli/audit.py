"""softswitch audit: who changed what, and who was refused."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="The audit: changes, disclosures, refused rights.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="audit")


@app.command("list")
def list_(
    context: typer.Context,
    actor: Annotated[str | None, typer.Option(help="A login, or operator:cli:UID.")] = None,
    object_: Annotated[
        str | None, typer.Option("--object", help='A number, an id, or "document 7".')
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME")] = None,
    operation: Annotated[str | None, typer.Option(help="Like line_set.")] = None,
    account: Annotated[str | None, typer.Option(help="Id or name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="The next page: the last id of this one.")
    ] = None,
) -> None:
    """The newest first. Nothing in it is ever changed or deleted."""
    Session.of(context).run(
        operations.audit.audit_list,
        actor=actor,
        object=object_,
        since=since,
        until=until,
        operation=operation,
        account=account,
        before=before,
        limit=limit,
    )
