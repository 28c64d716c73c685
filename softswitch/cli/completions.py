"""softswitch completion: callers who wait for lines that were busy or out of reach."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, Limit, OfAccount, OfLine
from softswitch.cli.session import Session

app = typer.Typer(
    help="Call completion: callers who wait for a busy or absent line.", no_args_is_help=True
)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="completion")


@app.command("list")
def list_(
    context: typer.Context,
    limit: Limit = None,
    before: Before = None,
    account: OfAccount = None,
    line: OfLine = None,
) -> None:
    """Waiting callers as they are served: declined, accepted, to_offer or offered (by text)."""
    Session.of(context).run(
        operations.completions.completion_list,
        limit=limit,
        before=before,
        account=account,
        line=line,
    )


@app.command()
def waiters(context: typer.Context, account: OfAccount = None) -> None:
    """Callers who wait for lines of an account."""
    Session.of(context).run(operations.completions.completion_waiters, account=account)


@app.command()
def accept(
    context: typer.Context,
    waiting_id: Annotated[str, typer.Argument(metavar="ID")],
) -> None:
    """Accept, for the caller, an offer to be connected."""
    Session.of(context).run(operations.completions.completion_accept, waiting_id=waiting_id)


@app.command()
def cancel(
    context: typer.Context, waiting_id: Annotated[str, typer.Argument(metavar="ID")]
) -> None:
    """Cancel a wait."""
    Session.of(context).run(operations.completions.completion_cancel, waiting_id=waiting_id)
