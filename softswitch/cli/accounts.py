"""softswitch account: who pays."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, BeforeId, Limit, OfLine, Search
from softswitch.cli.session import Session
from softswitch.cli.spreadsheet import Xlsx, show_rows

app = typer.Typer(help="Accounts: who pays.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id, or name when it is unique.")]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="T", help="RFC 3339, or a date in the switch's zone."),
]
Until = Annotated[str | None, typer.Option("--to", metavar="T", help="Not included.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]
Direction = Annotated[
    Literal["incoming", "outgoing"] | None, typer.Option(help="As the account sees it.")
]
Answered = Annotated[
    bool | None, typer.Option("--answered/--unanswered", help="Only those that were, or weren't.")
]


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
    registered: Annotated[
        bool,
        typer.Option("--registered", help="It waits to be approved and activated."),
    ] = False,
) -> None:
    """Open an account; prints its id."""
    Session.of(context).run(
        operations.accounts.account_add,
        name=name,
        kind=kind,
        currency=currency,
        credit_limit=credit_limit,
        postpaid=postpaid,
        tariff=tariff,
        registered=registered,
    )


@app.command()
def topup(
    context: typer.Context,
    account: Account,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT")],
    payment_id: Annotated[
        str, typer.Option(help="The payment's own id: repeating it changes nothing.")
    ],
    method: Annotated[str, typer.Option(help="cash, card, bank, terminal or online.")] = "",
) -> None:
    """Add money to a balance."""
    Session.of(context).run(
        operations.accounts.account_topup,
        account=account,
        amount=amount,
        payment_id=payment_id,
        method=method,
    )


@app.command()
def debts(context: typer.Context) -> None:
    """Accounts that owe money, the oldest debts first, and when the switch suspends them."""
    Session.of(context).run(operations.debts.account_debts)


@app.command()
def fee(
    context: typer.Context,
    account: Account,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT")],
    about: Annotated[
        str, typer.Option("--for", help="What it is for, as the bill names it: studio greeting.")
    ],
    fee_id: Annotated[str, typer.Option(help="Repeating it changes nothing.")],
) -> None:
    """Take a fee for something that is done once."""
    Session.of(context).run(
        operations.wallets.account_fee, account=account, amount=amount, about=about, fee_id=fee_id
    )


@app.command()
def refund(
    context: typer.Context,
    account: Account,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT")],
    refund_id: Annotated[
        str, typer.Option(help="The refund's own id: repeating it changes nothing.")
    ],
) -> None:
    """Pay out money that is left on a balance. Credit of other wallets isn't refunded."""
    Session.of(context).run(
        operations.wallets.account_refund, account=account, amount=amount, refund_id=refund_id
    )


@app.command()
def show(context: typer.Context, account: Account) -> None:
    """One account with its balance and its subscriber's fields."""
    Session.of(context).run(operations.accounts.account_show, account=account)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Limit = None,
    before: BeforeId = None,
    search: Search = None,
    status: Annotated[str | None, typer.Option(help="Only those of this status.")] = None,
) -> None:
    """Every account with its balance."""
    Session.of(context).run(
        operations.accounts.account_list,
        limit=limit,
        before=before,
        search=search,
        status=status,
    )


@app.command("set")
def set_(
    context: typer.Context,
    account: Account,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="name, status, tariff, credit_limit, or a field of the subscriber: of a person "
            "first_name, surname, gender, fathers_name, nationality, birth_date, "
            "identity_document, national_code; of a company registration_date, "
            "registration_number, subscriber_type; of both place_of_issue, postal_code, address, "
            "email, language.",
        ),
    ],
    value: Annotated[str, typer.Argument(metavar="VALUE", help='"" takes a field away.')],
    by: By = "operator",
) -> None:
    """Change one property of an account."""
    Session.of(context).run(
        operations.accounts.account_set, account=account, key=key, value=value, by=by
    )


@app.command()
def status(
    context: typer.Context,
    account: Account,
    status: Annotated[
        Literal["registered", "approved", "active", "suspended", "disconnected", "closed"],
        typer.Argument(metavar="STATUS"),
    ],
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    by: By = "operator",
) -> None:
    """Give an account another status: registered, approved, active, suspended (debt),
    disconnected (own wish) or closed."""
    Session.of(context).run(
        operations.standing.account_status, account=account, status=status, reason=reason, by=by
    )


@app.command()
def history(context: typer.Context, account: Account) -> None:
    """The account's history: each change with its author and reason."""
    Session.of(context).run(operations.standing.account_history, account=account)


@app.command()
def login(context: typer.Context, account: Account, by: By = "operator") -> None:
    """Issue the subscriber's login with a new password, which is shown once."""
    Session.of(context).run(operations.accounts.account_login, account=account, by=by)


@app.command()
def caps(context: typer.Context, account: Account) -> None:
    """The account's caps."""
    Session.of(context).run(operations.caps.account_caps, account=account)


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
    """Cap what an account may call and spend, even with its password."""
    Session.of(context).run(operations.caps.account_cap, account=account, key=key, value=value)


@app.command()
def notices(context: typer.Context, account: Account) -> None:
    """Notices to the subscriber: packages that ended, debts."""
    Session.of(context).run(operations.packages.account_notices, account=account)


@app.command()
def ledger(
    context: typer.Context,
    account: Account,
    since: Since = None,
    until: Until = None,
    xlsx: Xlsx = None,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """The account's postings, oldest first, with the balance after each."""
    session = Session.of(context)
    rows = session.perform(
        operations.statements.account_ledger,
        account=account,
        since=since,
        until=until,
        limit=limit,
        before=before,
    )
    show_rows(session, rows, xlsx)


@app.command()
def calls(
    context: typer.Context,
    account: Account,
    since: Since = None,
    until: Until = None,
    number: Annotated[str | None, typer.Option(help="Calls with this number only.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="on_net, local, national, mobile, ...")
    ] = None,
    xlsx: Xlsx = None,
    limit: Limit = None,
    before: Before = None,
    line: OfLine = None,
    direction: Direction = None,
    answered: Answered = None,
) -> None:
    """The account's calls in both directions, as the subscriber may see them."""
    session = Session.of(context)
    rows = session.perform(
        operations.statements.account_calls,
        account=account,
        since=since,
        until=until,
        number=number,
        kind=kind,
        limit=limit,
        before=before,
        line=line,
        direction=direction,
        answered=answered,
    )
    show_rows(session, rows, xlsx)


@app.command()
def call(
    context: typer.Context,
    account: Account,
    record: Annotated[str, typer.Argument(metavar="CALL", help="The id of its record.")],
) -> None:
    """One call of an account, as the subscriber may see it."""
    Session.of(context).run(operations.statements.account_call, account=account, call=record)


@app.command()
def overview(context: typer.Context, account: Account) -> None:
    """An account at a glance: what its subscriber sees first in the cabinet."""
    Session.of(context).run(operations.overview.account_overview, account=account)


@app.command()
def forecast(
    context: typer.Context,
    account: Account,
    days: Annotated[int, typer.Option(min=1, help="How far to look ahead.")] = 31,
) -> None:
    """The next renewals and rents of an account, and whether its money will do."""
    Session.of(context).run(operations.forecast.package_forecast, account=account, days=days)


@app.command()
def note(
    context: typer.Context,
    account: Account,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    by: By = "operator",
) -> None:
    """Note something on a customer, for the staff alone."""
    Session.of(context).run(operations.notes.note_add, account=account, text=text, by=by)


@app.command()
def notes(
    context: typer.Context, account: Account, limit: Limit = None, before: BeforeId = None
) -> None:
    """The notes on a customer, the newest first."""
    Session.of(context).run(operations.notes.note_list, account=account, limit=limit, before=before)
