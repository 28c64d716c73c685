"""softswitch rerate: a period's calls by the tariffs as they are now."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import REFUSED, Session


def add_to(root: typer.Typer) -> None:
    root.command("rerate")(rerate)


def rerate(
    context: typer.Context,
    since: Annotated[
        str, typer.Option("--from", metavar="T", help="RFC 3339, or a date in the switch's zone.")
    ],
    until: Annotated[str, typer.Option("--to", metavar="T", help="Not included.")],
    account: Annotated[str | None, typer.Option(help="Only this account's calls.")] = None,
    tariff: Annotated[str | None, typer.Option(help="Only calls that it priced.")] = None,
    by_tariff: Annotated[
        str | None, typer.Option(help="Price by this tariff. Default: by each call's own.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept with each correction.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the differences, post nothing.")
    ] = False,
    calls: Annotated[bool, typer.Option("--calls", help="List the calls, not the sums.")] = False,
) -> None:
    """Price the calls of a period again by the tariffs as they are now, and post each difference as
    a correction. CDRs and entries of before are never changed; doing it again changes nothing."""
    session = Session.of(context)
    result = session.perform(
        operations.rerating.rerate,
        since=since,
        until=until,
        account=account,
        tariff=tariff,
        by_tariff=by_tariff,
        dry_run=dry_run,
        note=reason,
    )
    refused = result["refused"]
    assert isinstance(refused, list)
    if session.output == "json":
        session.show(result)
    else:
        session.show(result["changes" if calls else "accounts"])
        for refusal in refused:
            print(refusal, file=sys.stderr)
        names = ("calls", "changed", "without_price", "posted")
        said = ", ".join(f"{name} {result[name]}" for name in names)
        print(f"{'dry run, nothing was posted: ' if dry_run else ''}{said}", file=sys.stderr)
    if refused:
        raise typer.Exit(REFUSED)
