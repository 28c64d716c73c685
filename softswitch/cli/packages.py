"""softswitch package and destination: what is sold for a term, and which calls it pays for."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.session import Session

packages = typer.Typer(
    help="Packages of calls, and services that are bought for a term.", no_args_is_help=True
)
destinations = typer.Typer(
    help="Destination sets: named number prefixes, as packages use them.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(packages, name="package")
    root.add_typer(destinations, name="destination")


@packages.command()
def define(
    context: typer.Context,
    name: Name,
    price: Annotated[str, typer.Option(metavar="AMOUNT", help="Of one term.")],
    term: Annotated[str, typer.Option(help='"30 days", "1 month", "24 hours".')],
    scope: Annotated[
        str, typer.Option(help="Destination sets, with commas; also on_net and all.")
    ] = "",
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217. Default: the switch's own.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help='A service that it switches on, such as "conference".')
    ] = None,
    free_minutes: Annotated[
        int | None, typer.Option(help="Talk time of a term. Default: unlimited.")
    ] = None,
    fair_use_minutes: Annotated[
        int | None, typer.Option(help='Minutes after which "unlimited" stops.')
    ] = None,
    connect_fee: Annotated[
        bool, typer.Option("--connect-fee", help="Its calls still cost the connection fee.")
    ] = False,
    weight: Annotated[int, typer.Option(help="The heavier of two is used first.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="It never renews itself.")] = False,
    grace: Annotated[
        str | None, typer.Option(metavar="TERM", help="How long a top-up still renews it.")
    ] = None,
) -> None:
    """Offer a product, or change the offer. What was sold stays as it was until it is renewed."""
    Session.of(context).run(
        operations.packages.package_define,
        name=name,
        price=price,
        term=term,
        scope=scope,
        currency=currency,
        service=service,
        free_minutes=free_minutes,
        fair_use_minutes=fair_use_minutes,
        connect_fee=connect_fee,
        weight=weight,
        renewable=not once,
        grace=grace,
    )


@packages.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only what this account can buy.")] = None,
) -> None:
    """Every offer."""
    Session.of(context).run(operations.packages.package_list, account=account)


@packages.command()
def withdraw(context: typer.Context, name: Name) -> None:
    """Stop selling and renewing a product."""
    Session.of(context).run(operations.packages.package_withdraw, name=name)


@packages.command()
def buy(
    context: typer.Context,
    account: Account,
    product: Annotated[str, typer.Argument(metavar="PRODUCT")],
    line: Annotated[
        str | None, typer.Option(help="For one line only. Default: the whole account.")
    ] = None,
    auto_renew: Annotated[
        bool, typer.Option("--auto-renew", help="At each end a new term, while there is money.")
    ] = False,
    purchase_id: Annotated[
        str | None, typer.Option(help="The purchase's own id: repeating it changes nothing.")
    ] = None,
) -> None:
    """Buy a product for a term from now."""
    Session.of(context).run(
        operations.packages.package_buy,
        account=account,
        product=product,
        line=line,
        auto_renew=auto_renew,
        purchase_id=purchase_id,
    )


@packages.command()
def show(
    context: typer.Context,
    account: Account,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that have ended.")] = False,
) -> None:
    """The account's packages, and what is left of them."""
    Session.of(context).run(operations.packages.package_show, account=account, ended=ended)


@packages.command("auto-renew")
def auto_renew(
    context: typer.Context,
    account: Account,
    subscription: Annotated[str, typer.Argument(metavar="ID", help="From `package show`.")],
    switch: Annotated[Literal["on", "off"], typer.Argument(metavar="on|off")],
) -> None:
    """Renew a package at the end of its term, or don't."""
    Session.of(context).run(
        operations.packages.package_auto_renew,
        account=account,
        subscription=subscription,
        on=switch == "on",
    )


@destinations.command("set")
def set_(
    context: typer.Context,
    name: Name,
    prefixes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PREFIX]...", help='"!PREFIX" takes out what begins so.'),
    ] = None,
) -> None:
    """Name a set of number prefixes; without prefixes it is removed."""
    Session.of(context).run(operations.packages.destination_set, name=name, prefixes=prefixes or [])


@destinations.command("list")
def list_destinations(context: typer.Context) -> None:
    """Every destination set."""
    Session.of(context).run(operations.packages.destination_list)
