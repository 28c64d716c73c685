"""softswitch request: what subscribers ask for."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.fault_report import show_request
from softswitch.cli.paging import BeforeId, Limit, OfLine, Search
from softswitch.cli.session import USAGE, Failure, Session

app = typer.Typer(help="Requests: relocation, correction, faults.", no_args_is_help=True)

Request = Annotated[int, typer.Argument(metavar="REQUEST", help="Its id.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="request")


@app.command("open")
def open_(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    kind: Annotated[Literal["relocation", "correction", "fault"], typer.Argument(metavar="KIND")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    line: Annotated[str | None, typer.Option(help="Which line; a fault report needs it.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Of a correction: what is right; may be repeated."),
    ] = None,
) -> None:
    """Open a request. A fault report attaches what the switch knows of the line."""
    fields: dict[str, str] = {}
    for item in field or ():
        key, equals, value = item.partition("=")
        if not equals:
            raise Failure(f"--field {item}: write KEY=VALUE", USAGE)
        fields[key] = value
    session = Session.of(context)
    made = session.perform(
        operations.requests.request_open,
        account=account,
        kind=kind,
        text=text,
        line=line,
        fields=fields or None,
    )
    show_request(session, made)


@app.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option()] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that are closed.")] = False,
    limit: Limit = None,
    before: BeforeId = None,
    line: OfLine = None,
    search: Search = None,
) -> None:
    """Open requests."""
    Session.of(context).run(
        operations.requests.request_list,
        account=account,
        closed=closed,
        limit=limit,
        before=before,
        line=line,
        search=search,
    )


@app.command()
def show(context: typer.Context, request: Request) -> None:
    """One request with what the switch knew."""
    session = Session.of(context)
    show_request(session, session.perform(operations.requests.request_show, request=request))


@app.command()
def done(
    context: typer.Context,
    request: Request,
    answer: Annotated[str, typer.Option(help="The subscriber is told.")] = "",
    by: By = "operator",
) -> None:
    """Close a request as done; a correction sets its fields."""
    Session.of(context).run(operations.requests.request_done, request=request, answer=answer, by=by)


@app.command()
def refuse(
    context: typer.Context,
    request: Request,
    reason: Annotated[str, typer.Option(help="Why; the subscriber is told.")],
    by: By = "operator",
) -> None:
    """Refuse a request."""
    Session.of(context).run(
        operations.requests.request_refuse, request=request, answer=reason, by=by
    )
