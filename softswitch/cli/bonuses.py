"""softswitch bonus: money for incoming calls."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.session import Session

app = typer.Typer(
    help="The bonus: money for incoming calls from other networks.", no_args_is_help=True
)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="bonus")


@app.command("set")
def set_(
    context: typer.Context,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="For each whole minute.")],
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217. Default: the switch's own.")
    ] = None,
) -> None:
    """Set the bonus for a minute, from today on. Each day's bonus is posted at midnight."""
    Session.of(context).run(operations.bonuses.bonus_set, amount=amount, currency=currency)


@app.command()
def rates(context: typer.Context) -> None:
    """The bonus for a minute, and since when."""
    Session.of(context).run(operations.bonuses.bonus_rates)


@app.command("list")
def list_(context: typer.Context, account: Account) -> None:
    """The bonuses of an account, day by day."""
    Session.of(context).run(operations.bonuses.bonus_list, account=account)


@app.command()
def pending(context: typer.Context, account: Account) -> None:
    """The bonus that today's incoming calls brought an account so far."""
    Session.of(context).run(operations.forecast.bonus_pending, account=account)
