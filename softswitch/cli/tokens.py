"""softswitch token: what programs show to the API."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Tokens of the HTTP API.", no_args_is_help=True)

Login = Annotated[str, typer.Argument(metavar="LOGIN")]
Account = Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Id or name.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="token")


@app.command()
def add(
    context: typer.Context,
    login: Login,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the program.")],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", help="calls:read, messages:write, *:read ...; may be repeated."),
    ],
    account: Account = None,
    networks: Annotated[
        list[str] | None,
        typer.Option("--network", help="From where alone it may be used; may be repeated."),
    ] = None,
    expires_on: Annotated[str, typer.Option(metavar="DATE", help="Its last day.")] = "",
) -> None:
    """Make a token with which programs act for a user. It is shown once."""
    Session.of(context).run(
        operations.tokens.token_add,
        login=login,
        name=name,
        scopes=scopes,
        account=account,
        networks=networks,
        expires_on=expires_on,
    )


@app.command("list")
def list_(
    context: typer.Context,
    login: Annotated[str | None, typer.Option(metavar="LOGIN")] = None,
    account: Account = None,
) -> None:
    """Tokens of a user, or of all people of an account."""
    Session.of(context).run(operations.tokens.token_list, login=login, account=account)


@app.command()
def revoke(
    context: typer.Context,
    login: Login,
    token: Annotated[int, typer.Argument(metavar="ID")],
) -> None:
    """Make a token worth nothing, at once."""
    Session.of(context).run(operations.tokens.token_revoke, login=login, token=token)
