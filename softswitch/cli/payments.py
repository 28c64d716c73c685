"""softswitch payment: payments by day, and those entered by mistake."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account, By
from softswitch.cli.paging import Before, Limit, OfAccount
from softswitch.cli.session import Session

app = typer.Typer(help="Payments of all accounts.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="payment")


@app.command("list")
def list_(
    context: typer.Context,
    account: OfAccount = None,
    day: Annotated[str | None, typer.Option(metavar="DATE", help="Of this day alone.")] = None,
    method: Annotated[
        str | None, typer.Option(help='cash, card, bank, terminal or online; "" for none.')
    ] = None,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """Payments, the newest first."""
    Session.of(context).run(
        operations.payments.payment_list,
        account=account,
        day=day,
        method=method,
        limit=limit,
        before=before,
    )


@app.command()
def reverse(
    context: typer.Context,
    account: Account,
    payment_id: Annotated[str, typer.Argument(metavar="PAYMENT_ID")],
    reason: Annotated[str, typer.Option(help="Why, for the account's history.")],
    by: By = "operator",
) -> None:
    """Take a payment back that was entered by mistake; both stay in the ledger."""
    Session.of(context).run(
        operations.payments.payment_reverse,
        account=account,
        payment_id=payment_id,
        reason=reason,
        by=by,
    )


@app.command()
def online(
    context: typer.Context,
    account: OfAccount = None,
    state: Annotated[str | None, typer.Option(help="open, paid or failed.")] = None,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """Payments that were begun on the provider's page, the newest first."""
    Session.of(context).run(
        operations.payment_intents.payment_intent_list,
        account=account,
        state=state,
        limit=limit,
        before=before,
    )


@app.command()
def sums(
    context: typer.Context,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="By default this.")] = None,
) -> None:
    """What came in on each day of a month by each method, and in the month."""
    Session.of(context).run(operations.payments.payment_sums, month=month)
