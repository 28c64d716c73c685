"""softswitch number and rental: what the shop of numbers shows a subscriber."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.numbers import City, Kind, Number, numbers, rentals
from softswitch.cli.paging import OfAccount
from softswitch.cli.session import Session


def add_to(_root: typer.Typer) -> None:
    """Add these commands to the two of `numbers`."""
    for command in (catalogue, tried, for_texts, unwait, statistics):
        numbers.command()(command)
    rentals.command()(quote)


def catalogue(
    context: typer.Context,
    account: OfAccount = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 alpha-2.")] = None,
    city: City = None,
    kind: Annotated[str | None, typer.Option(help="landline, mobile, tollfree or sms.")] = None,
) -> None:
    """Numbers that can be had, at once or on order, and their prices."""
    Session.of(context).run(
        operations.shop.number_catalogue, account=account, country=country, city=city, kind=kind
    )


def tried(context: typer.Context, account: Account) -> None:
    """The numbers that an account tries or tried."""
    Session.of(context).run(operations.shop.numbers_tried, account=account)


def for_texts(context: typer.Context, account: Account) -> None:
    """The numbers that an account bought for one text each."""
    Session.of(context).run(operations.shop.number_sms_list, account=account)


def unwait(
    context: typer.Context,
    wait: Annotated[str, typer.Argument(metavar="WAIT", help="The id that `waits` shows.")],
) -> None:
    """Take an account off the wait list."""
    Session.of(context).run(operations.shop.number_unwait, wait_id=wait)


def statistics(
    context: typer.Context,
    number: Number,
    days: Annotated[int, typer.Option(min=1, help="So many days, today included.")] = 30,
) -> None:
    """The calls to a number, day by day."""
    Session.of(context).run(operations.incoming.number_statistics, number=number, days=days)


def quote(
    context: typer.Context,
    account: Account,
    number: Annotated[
        list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Chosen ones.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 alpha-2.")] = None,
    city: City = None,
    kind: Kind = "landline",
    count: Annotated[int, typer.Option(min=1)] = 1,
    months: Annotated[int, typer.Option(help="1, 3, 6 or 12 paid at once.")] = 1,
) -> None:
    """What renting numbers would cost an account."""
    Session.of(context).run(
        operations.shop.rental_quote,
        account=account,
        numbers=number or None,
        country=country,
        city=city,
        kind=kind,
        count=count,
        months=months,
    )
