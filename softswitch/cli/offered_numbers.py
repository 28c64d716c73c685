"""softswitch choice: numbers that one account may choose from."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.session import Session

app = typer.Typer(help="Numbers offered to an account to choose from.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="choice")


@app.command()
def offer(
    context: typer.Context,
    account: Account,
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER...")],
    hours: Annotated[int, typer.Option(help="How long the offer stands.")] = 48,
) -> None:
    """Offer numbers of the stock to an account; the subscriber is told."""
    Session.of(context).run(
        operations.offered.number_choice_offer, account=account, numbers=numbers, hours=hours
    )


@app.command()
def show(context: typer.Context, account: Account) -> None:
    """The numbers that an account may choose from now."""
    Session.of(context).run(operations.offered.number_choice_list, account=account)
