"""softswitch tariff: price lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli.session import Session, read_file

app = typer.Typer(help="Tariffs: price lists.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="tariff")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    name: Annotated[str, typer.Option(help="The tariff; a new one is created.")] = "default",
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217. Default: the switch's own.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, change nothing.")
    ] = False,
) -> None:
    """Read a price list from CSV: prefix,destination,connect_fee,per_minute,initial_increment,
    increment[,effective_from,grace_seconds]. All of it or nothing; prints what changes."""
    session = Session.of(context)
    result = session.perform(
        "tariff_import",
        text=read_file(file),
        file_name=str(file),
        name=name,
        currency=currency,
        dry_run=dry_run,
    )
    if session.output == "json":
        session.show(result)
        return
    session.show(result.pop("changes"))
    summary = ", ".join(f"{key} {value}" for key, value in result.items())
    print(f"{'dry run, nothing was changed: ' if dry_run else ''}{summary}", file=sys.stderr)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every tariff."""
    Session.of(context).run("tariff_list")


@app.command()
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")] = "default"
) -> None:
    """The rates of a tariff."""
    Session.of(context).run("tariff_show", name=name)


@app.command()
def quote(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help='E.164, or "on_net".')],
    name: Annotated[str, typer.Option(help="The tariff.")] = "default",
    seconds: Annotated[int, typer.Option("--for", metavar="SECONDS", min=0)] = 60,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Default: now.")] = None,
) -> None:
    """What a call to a number costs."""
    Session.of(context).run("tariff_quote", number=number, name=name, seconds=seconds, at=at)
