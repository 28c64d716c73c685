"""softswitch tariff: price lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session, read_file
from softswitch.control.values import Row

app = typer.Typer(help="Tariffs: price lists.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="tariff")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    name: Annotated[str, typer.Option(help="The tariff; a new one is created.")] = "default",
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217. Default: the switch's own.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, change nothing.")
    ] = False,
) -> None:
    """Read a price list from CSV or the first sheet of an Excel workbook: prefix,destination,
    connect_fee,per_minute,initial_increment,increment[,effective_from,grace_seconds,minimum,
    interval], or a carrier's rate sheet (Code, Connection Cost, Cost/Min, ...; Rate, RateUnit,
    RateIncrement, ...). All of it or nothing; prints what changes. `undo` takes it back."""
    session = Session.of(context)
    result = session.perform(
        operations.tariffs.tariff_import,
        text=read_file(file, "\t"),
        file_name=str(file),
        name=name,
        currency=currency,
        dry_run=dry_run,
    )
    _show_changes(session, result, dry_run)


def _show_changes(session: Session, result: Row, dry_run: bool) -> None:
    """The rates that change on standard output, how many on standard error."""
    if session.output == "json":
        session.show(result)
        return
    session.show(result.pop("changes"))
    summary = ", ".join(f"{key} {value}" for key, value in result.items())
    print(f"{'dry run, nothing was changed: ' if dry_run else ''}{summary}", file=sys.stderr)


@app.command()
def undo(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, change nothing.")
    ] = False,
) -> None:
    """Take back the last import or change of a tariff: what was before becomes its next version.
    Again, and it goes one further back. Calls keep the prices they had."""
    session = Session.of(context)
    _show_changes(
        session,
        session.perform(operations.tariffs.tariff_undo, name=name, dry_run=dry_run),
        dry_run,
    )


@app.command()
def versions(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")] = "default"
) -> None:
    """Every version of a tariff, the oldest first."""
    Session.of(context).run(operations.tariffs.tariff_versions, name=name)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every tariff."""
    Session.of(context).run(operations.tariffs.tariff_list)


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")] = "default",
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many.")] = None,
    after: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="The next page: the last prefix of this one."),
    ] = None,
    search: Annotated[str | None, typer.Option(help="How the prefix begins.")] = None,
) -> None:
    """The rates of a tariff, by prefix."""
    session = Session.of(context)
    session.run(operations.tariffs.tariff_show, name=name, limit=limit, after=after, search=search)
    if session.is_plain:
        print(
            f"What exceeds a whole second by up to {session.config.calls.tolerance_ms} ms isn't "
            "billed ([calls] tolerance_ms).",
            file=sys.stderr,
        )


@app.command("set")
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    time_zone: Annotated[
        str | None, typer.Option(help="Whose clock decides about intervals, like Asia/Tbilisi.")
    ] = None,
    interval: Annotated[
        list[str] | None,
        typer.Option(
            help='Like "night mon-fri 22:00-06:00" or "feast holiday 00:00-24:00"; of several '
            'that it is at once the first counts. "" takes all away.'
        ),
    ] = None,
    holiday: Annotated[
        list[str] | None,
        typer.Option(help='Like 2027-04-30, or 01-07 for every year. "" takes all away.'),
    ] = None,
    fee_deductible: Annotated[
        bool | None,
        typer.Option(
            "--fee-deductible/--fee-beside",
            help="Whether the minutes are deducted from the connection fee, which so is the least "
            "that a call costs.",
        ),
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
) -> None:
    """Change a tariff's time zone, intervals, holidays and fee; a new tariff is made. What isn't
    given stays. Prices of an interval are rows of the price list that name it."""
    Session.of(context).run(
        operations.tariff_terms.tariff_set,
        name=name,
        time_zone=time_zone,
        intervals=interval,
        holidays=holiday,
        fee_deductible=fee_deductible,
        currency=currency,
    )


@app.command()
def assign(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    tariff: Annotated[str, typer.Argument(metavar="NAME")],
    line: Annotated[
        str | None, typer.Option(help="Only this line's calls. Default: the whole account's.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Default: now.")
    ] = None,
) -> None:
    """Price calls from an instant on by a tariff, whatever the account's own is."""
    Session.of(context).run(
        operations.tariff_terms.tariff_assign,
        account=account,
        tariff=tariff,
        line=line,
        start=start,
    )


@app.command()
def assignments(
    context: typer.Context, account: Annotated[str, typer.Argument(metavar="ACCOUNT")]
) -> None:
    """Which tariffs an account and its lines have from when on."""
    Session.of(context).run(operations.tariff_terms.tariff_assignments, account=account)


@app.command()
def quote(
    context: typer.Context,
    number: Annotated[
        str | None, typer.Argument(metavar="[NUMBER]", help='E.164, or "on_net".')
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NUMBER", help="The same as the argument.")
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="LINE", help="The calling line: by its tariff, with its packages."
        ),
    ] = None,
    tariff: Annotated[str, typer.Option(help="The tariff, where no line is given.")] = "default",
    seconds: Annotated[int, typer.Option("--for", metavar="SECONDS", min=0)] = 60,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Default: now.")] = None,
) -> None:
    """The price of a call to a number, and for a line also the trunk it takes and what that one
    charges us; from the code that serves calls."""
    wanted = to or number
    if wanted is None:
        raise typer.BadParameter("say which number: softswitch tariff quote --to NUMBER")
    Session.of(context).run(
        operations.tariffs.tariff_quote,
        number=wanted,
        name=tariff,
        seconds=seconds,
        at=at,
        line=line,
    )
