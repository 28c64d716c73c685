"""softswitch order: numbers that aren't in stock, ordered from a supplier."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.numbers import City, Country, Kind, RingsAt
from softswitch.cli.paging import Before, Limit
from softswitch.cli.session import Session

app = typer.Typer(
    help="Numbers that are ordered from a supplier, or wait for documents.", no_args_is_help=True
)

Order = Annotated[str, typer.Argument(metavar="ORDER", help="Its id.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="order")


@app.command()
def add(
    context: typer.Context,
    account: Account,
    line: RingsAt,
    country: Country,
    city: City = None,
    kind: Kind = "landline",
    supplier: Annotated[str | None, typer.Option(help="Default: the cheapest.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100)] = 1,
    months: Annotated[int, typer.Option(help="Paid at once: 1, 3, 6 or 12.")] = 1,
    order_id: Annotated[
        str | None, typer.Option(help="The order's own id: repeating it changes nothing.")
    ] = None,
) -> None:
    """Order numbers; `number offers` shows which. Their first fee is reserved, and charged when
    they are connected."""
    Session.of(context).run(
        operations.orders.order_add,
        account=account,
        line=line,
        country=country,
        city=city,
        kind=kind,
        supplier=supplier,
        count=count,
        months=months,
        order_id=order_id,
    )


@app.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Id or name.")] = None,
    late: Annotated[bool, typer.Option("--late", help="Only those past their day.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that are over.")] = False,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """Open orders, the oldest first."""
    Session.of(context).run(
        operations.orders.order_list,
        account=account,
        late=late,
        closed=closed,
        limit=limit,
        before=before,
    )


@app.command()
def show(context: typer.Context, order: Order) -> None:
    """An order with its steps."""
    Session.of(context).run(operations.orders.order_show, order=order)


@app.command()
def submit(
    context: typer.Context,
    order: Order,
    reference: Annotated[str, typer.Option(help="The supplier's id of it.")] = "",
    expected: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day, if one was named.")
    ] = None,
    by: By = "operator",
) -> None:
    """Note that the supplier was asked."""
    Session.of(context).run(
        operations.orders.order_submit, order=order, reference=reference, expected=expected, by=by
    )


@app.command()
def connect(
    context: typer.Context,
    order: Order,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number delivered.")],
    by: By = "operator",
) -> None:
    """Connect an order with its number, and charge the first fee."""
    Session.of(context).run(operations.orders.order_connect, order=order, number=number, by=by)


@app.command()
def refuse(
    context: typer.Context,
    order: Order,
    reason: Annotated[str, typer.Option(help="Why it can't be had.")],
    by: By = "operator",
) -> None:
    """End an order that can't be carried out; its money is free again."""
    Session.of(context).run(operations.orders.order_refuse, order=order, reason=reason, by=by)


@app.command()
def cancel(
    context: typer.Context,
    order: Order,
    reason: Annotated[str, typer.Option(help="For the history.")] = "",
    by: By = "operator",
) -> None:
    """End an order at the subscriber's wish; its money is free again."""
    Session.of(context).run(operations.orders.order_cancel, order=order, reason=reason, by=by)
