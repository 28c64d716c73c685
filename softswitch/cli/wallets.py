"""softswitch wallet: what accounts hold beside money."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, Limit
from softswitch.cli.session import Session

app = typer.Typer(help="Wallets: money, and credit for SMS.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
Wallet = Annotated[str, typer.Argument(metavar="WALLET", help="sms.")]
Units = Annotated[int, typer.Argument(metavar="UNITS")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="wallet")


@app.command()
def show(context: typer.Context, account: Account) -> None:
    """An account's wallets, and their rules."""
    Session.of(context).run(operations.wallets.wallet_show, account=account)


@app.command()
def buy(
    context: typer.Context,
    account: Account,
    wallet: Wallet,
    units: Units,
    purchase_id: Annotated[str, typer.Option(help="Repeating it changes nothing.")],
    price: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="Default: that of the offer.")
    ] = None,
) -> None:
    """Exchange money for credit. Credit isn't refunded."""
    Session.of(context).run(
        operations.wallets.wallet_buy,
        account=account,
        wallet=wallet,
        units=units,
        price=price,
        purchase_id=purchase_id,
    )


@app.command()
def offer(
    context: typer.Context,
    wallet: Wallet,
    units: Units,
    price: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="Without one the offer is withdrawn.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
) -> None:
    """Offer so many units at a price. The larger a package, the lower the price of a unit."""
    Session.of(context).run(
        operations.wallets.wallet_offer, wallet=wallet, units=units, price=price, currency=currency
    )


@app.command()
def offers(context: typer.Context) -> None:
    """Packages of units and their prices."""
    Session.of(context).run(operations.wallets.wallet_offers)


@app.command()
def trial(context: typer.Context, account: Account, wallet: Wallet) -> None:
    """Give the trial credit, once."""
    Session.of(context).run(operations.wallets.wallet_trial, account=account, wallet=wallet)


@app.command()
def spend(
    context: typer.Context,
    account: Account,
    wallet: Wallet,
    units: Units,
    spend_id: Annotated[str, typer.Option(help="Repeating it changes nothing.")],
) -> None:
    """Use credit."""
    Session.of(context).run(
        operations.wallets.wallet_spend,
        account=account,
        wallet=wallet,
        units=units,
        spend_id=spend_id,
    )


@app.command()
def ledger(
    context: typer.Context,
    account: Account,
    wallet: Annotated[str, typer.Argument(metavar="WALLET", help="money or sms.")],
    limit: Limit = None,
    before: Before = None,
) -> None:
    """A wallet's entries, oldest first."""
    Session.of(context).run(
        operations.wallets.wallet_ledger,
        account=account,
        wallet=wallet,
        limit=limit,
        before=before,
    )
