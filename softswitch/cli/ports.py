"""softswitch port: numbers that come from another operator, or go to one."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Limit, OfAccount
from softswitch.cli.session import Session

app = typer.Typer(help="Numbers that come from or go to other operators.", no_args_is_help=True)

By = Annotated[str, typer.Option(help="Who does it, for the history.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="port")


@app.command("in")
def in_(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
    account: Annotated[str, typer.Option(help="Whose number it will be here.")],
    operator: Annotated[str, typer.Option("--from", help="The operator that it comes from.")],
    by: By = "operator",
) -> None:
    """Ask for a number that another operator has."""
    Session.of(context).run(
        operations.moves.port_in, number=number, account=account, operator=operator, by=by
    )


@app.command()
def out(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
    operator: Annotated[str, typer.Option("--to", help="The operator that it goes to.")],
    by: By = "operator",
) -> None:
    """Note that another operator asks for the number of a line."""
    Session.of(context).run(operations.moves.port_out, number=number, operator=operator, by=by)


@app.command("list")
def list_(
    context: typer.Context,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that are over.")] = False,
    account: OfAccount = None,
    limit: Limit = None,
    before: BeforeId = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
) -> None:
    """Open porting orders."""
    Session.of(context).run(
        operations.moves.port_list,
        closed=closed,
        account=account,
        limit=limit,
        before=before,
        state=state,
    )


@app.command()
def cancel(
    context: typer.Context,
    order: Annotated[int, typer.Argument(metavar="ORDER", help="Its id.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = "operator",
) -> None:
    """Withdraw a porting order that isn't completed."""
    Session.of(context).run(operations.moves.port_cancel, order=order, note=note, by=by)


@app.command()
def advance(
    context: typer.Context,
    order: Annotated[int, typer.Argument(metavar="ORDER", help="Its id.")],
    state: Annotated[
        Literal["submitted", "accepted", "completed", "rejected", "cancelled"],
        typer.Argument(metavar="STATE"),
    ],
    on: Annotated[str | None, typer.Option(metavar="DATE", help="The day agreed on.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    by: By = "operator",
) -> None:
    """Bring an order a step on: submitted, accepted, completed, rejected or cancelled. Completed, a
    number that comes gets its line, whose password is shown once; one that goes leaves."""
    Session.of(context).run(
        operations.moves.port_advance, order=order, state=state, on=on, note=reason, by=by
    )
