"""softswitch account: who pays."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli.session import Session

app = typer.Typer(help="Accounts: who pays.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id, or name when it is unique.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="account")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    kind: Annotated[Literal["person", "company"], typer.Option()] = "person",
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217. Default: the switch's own.")
    ] = None,
    credit_limit: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="How far below zero the balance may go. Default: 0."),
    ] = None,
    postpaid: Annotated[
        bool, typer.Option("--postpaid", help="Pays afterwards: no limit, unless one is given.")
    ] = False,
    tariff: Annotated[str, typer.Option(help="The price list of its calls.")] = "default",
) -> None:
    """Open an account; prints its id."""
    Session.of(context).run(
        "account_add",
        name=name,
        kind=kind,
        currency=currency,
        credit_limit=credit_limit,
        postpaid=postpaid,
        tariff=tariff,
    )


@app.command()
def topup(
    context: typer.Context,
    account: Account,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT")],
    payment_id: Annotated[
        str, typer.Option(help="The payment's own id: repeating it changes nothing.")
    ],
) -> None:
    """Add money to a balance."""
    Session.of(context).run("account_topup", account=account, amount=amount, payment_id=payment_id)


@app.command()
def show(context: typer.Context, account: Account) -> None:
    """One account with its balance."""
    Session.of(context).run("account_show", account=account)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every account with its balance."""
    Session.of(context).run("account_list")


@app.command("set")
def set_(
    context: typer.Context,
    account: Account,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="name, status, tariff or credit_limit.")
    ],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Change one property of an account."""
    Session.of(context).run("account_set", account=account, key=key, value=value)


@app.command()
def caps(context: typer.Context, account: Account) -> None:
    """What the account may call and spend."""
    Session.of(context).run("account_caps", account=account)


@app.command()
def cap(
    context: typer.Context,
    account: Account,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="calls (at once), calls_per_minute, spend_hour, spend_day, countries (calling "
            "codes that may be called), high_risk (yes, no: the set high_risk of `destination`).",
        ),
    ],
    value: Annotated[str, typer.Argument(metavar="VALUE", help='"" takes the cap away.')],
) -> None:
    """Cap what an account may call and spend, whoever has its password."""
    Session.of(context).run("account_cap", account=account, key=key, value=value)


@app.command()
def notices(context: typer.Context, account: Account) -> None:
    """What the subscriber is to be told: packages that ended, debts."""
    Session.of(context).run("account_notices", account=account)


@app.command()
def ledger(context: typer.Context, account: Account) -> None:
    """The account's postings, oldest first."""
    Session.of(context).run("account_ledger", account=account)
