"""softswitch tax: value added tax of bills."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Value added tax of bills, by month.", no_args_is_help=True)

Owner = Annotated[str | None, typer.Option("--account", help="Default: all accounts.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="tax")


@app.command("set")
def set_(
    context: typer.Context,
    percent: Annotated[str, typer.Argument(metavar="PERCENT")],
    month: Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="Not billed yet.")],
    account: Owner = None,
    on_top: Annotated[
        bool, typer.Option("--on-top", help="Prices don't include it: bills charge it.")
    ] = False,
) -> None:
    """Show a tax on bills, from a month on."""
    Session.of(context).run(
        operations.taxes.tax_set, percent=percent, month=month, account=account, on_top=on_top
    )


@app.command()
def remove(
    context: typer.Context,
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="With which it begins.")],
    account: Owner = None,
) -> None:
    """Take back a rate that wasn't billed yet."""
    Session.of(context).run(operations.taxes.tax_remove, month=month, account=account)


@app.command("list")
def list_(context: typer.Context) -> None:
    """The rates."""
    Session.of(context).run(operations.taxes.tax_list)
