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
Kind = Literal["relocation", "correction", "fault", "restore", "number_change", "greeting", "line"]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="request")


@app.command("open")
def open_(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    kind: Annotated[Kind, typer.Argument(metavar="KIND")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    line: Annotated[str | None, typer.Option(help="Which line; a fault report needs it.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Of a correction: what is right; may be repeated."),
    ] = None,
    detail: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Such as address, on, number; may be repeated."),
    ] = None,
) -> None:
    """Open a request: relocation, correction, fault, restore, number_change, greeting or line. A
    fault report attaches what the switch knows of the line."""
    fields, details = _pairs("--field", field), _pairs("--detail", detail)
    session = Session.of(context)
    made = session.perform(
        operations.requests.request_open,
        account=account,
        kind=kind,
        text=text,
        line=line,
        fields=fields or None,
        details=details or None,
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
    assignee: Annotated[
        str | None, typer.Option(help='Those that this one works on; "" for those of nobody.')
    ] = None,
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
        assignee=assignee,
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


@app.command()
def note(
    context: typer.Context,
    request: Request,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    by: By = "operator",
) -> None:
    """Write to the subscriber about a request."""
    Session.of(context).run(operations.requests.request_note, request=request, text=text, by=by)


@app.command()
def cancel(
    context: typer.Context,
    request: Request,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = "operator",
) -> None:
    """Take a request back for its subscriber."""
    Session.of(context).run(
        operations.requests.request_cancel, request=request, reason=reason, by=by
    )


@app.command()
def assign(
    context: typer.Context,
    request: Request,
    to: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Without one: to nobody.")
    ] = None,
) -> None:
    """Say who of the staff works on a request."""
    Session.of(context).run(operations.requests.request_assign, request=request, to=to)


def _pairs(option: str, items: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items or ():
        key, equals, value = item.partition("=")
        if not equals:
            raise Failure(f"{option} {item}: write KEY=VALUE", USAGE)
        pairs[key] = value
    return pairs
