"""softswitch bulk: one change of many accounts, previewed and undone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import By
from softswitch.cli.paging import Before, Limit, Search
from softswitch.cli.session import Session, read_file

app = typer.Typer(help="One change of many accounts.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="bulk")


@app.command()
def preview(
    context: typer.Context,
    kind: Annotated[
        Literal["suspend", "resume", "tariff", "topup", "notice"], typer.Argument(metavar="KIND")
    ],
    value: Annotated[
        str, typer.Argument(metavar="[VALUE]", help="The tariff, the amount, or the text.")
    ] = "",
    account: Annotated[list[str] | None, typer.Option(help="Id or name; may be repeated.")] = None,
    search: Search = None,
    status: Annotated[str | None, typer.Option(help="Accounts of this status.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV or Excel with the columns account and amount.")
    ] = None,
    reason: Annotated[str, typer.Option(help="For the accounts' histories.")] = "",
    by: By = "operator",
) -> None:
    """Show what a change would do to many accounts, and make a job of it: suspend, resume, tariff,
    topup, notice. Nothing is changed yet."""
    Session.of(context).run(
        operations.bulk.bulk_preview,
        kind=kind,
        value=value,
        accounts=account or None,
        search=search,
        status=status,
        table=None if file is None else read_file(file),
        reason=reason,
        by=by,
    )


@app.command()
def run(context: typer.Context, job: JobId) -> None:
    """Do a job, portion by portion."""
    session = Session.of(context)
    row = session.perform(operations.bulk.bulk_run, job=job)
    while row["pending"]:
        row = session.perform(operations.bulk.bulk_run, job=job)
    session.show(row)


@app.command()
def undo(context: typer.Context, job: JobId) -> None:
    """Undo a job that was begun within a day."""
    session = Session.of(context)
    row = session.perform(operations.bulk.bulk_undo, job=job)
    while row["done"]:
        row = session.perform(operations.bulk.bulk_undo, job=job)
    session.show(row)


@app.command()
def show(
    context: typer.Context,
    job: JobId,
    state: Annotated[
        str | None, typer.Option(help="Only those: pending, faulty, done or undone.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    after: Annotated[int, typer.Option(help="The last position of the page before.")] = -1,
) -> None:
    """A job with its accounts."""
    Session.of(context).run(
        operations.bulk.bulk_show, job=job, state=state, limit=limit, after=after
    )


@app.command("list")
def list_(context: typer.Context, limit: Limit = None, before: Before = None) -> None:
    """Jobs, the newest first."""
    Session.of(context).run(operations.bulk.bulk_list, limit=limit, before=before)
