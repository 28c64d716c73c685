"""softswitch cdr and ledger: what happened, and whether the money is right."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before
from softswitch.cli.session import REFUSED, Session
from softswitch.cli.spreadsheet import Xlsx, show_rows

cdrs = typer.Typer(help="Call detail records.", no_args_is_help=True)
ledgers = typer.Typer(help="The ledger.", no_args_is_help=True)


CDR_COLUMNS = (
    "setup_at", "direction", "account", "calling", "called", "trunk", "duration_ms", "sip_status",
    "price", "id",
)  # fmt: skip
"""The columns of `cdr list` for people."""


def add_to(root: typer.Typer) -> None:
    root.add_typer(cdrs, name="cdr")
    root.add_typer(ledgers, name="ledger")


@cdrs.command("list")
def cdr_list(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="RFC 3339, or a date in the switch's zone."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="T", help="Not included.")] = None,
    number: Annotated[str | None, typer.Option(help="Calling or called.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="on_net, local, national, mobile, ...")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Id or name.")] = None,
    line: Annotated[str | None, typer.Option(help="The line that called or paid.")] = None,
    direction: Annotated[
        Literal["outgoing", "incoming", "internal", "forwarded", "service"] | None, typer.Option()
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    after: Annotated[
        str | None,
        typer.Option(metavar="SETUP_AT,ID", help="The next page: the last record of this one."),
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first, 50 of them.")] = False,
    before: Before = None,
    xlsx: Xlsx = None,
    format_: Annotated[
        Literal["asterisk", "freeswitch", "acc", "cgrates"] | None,
        typer.Option("--format", help="As other programs write them."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every column, and not ten.")] = False,
) -> None:
    """CDRs, oldest first."""
    session = Session.of(context)
    if format_ is None:
        rows = session.perform(
            operations.records.cdr_list,
            since=since,
            until=until,
            number=number,
            kind=kind,
            account=account,
            line=line,
            direction=direction,
            limit=limit,
            after=after,
            newest=newest,
            before=before,
        )
        if xlsx is None:
            session.show_columns(rows, CDR_COLUMNS, every=every)
        else:
            show_rows(session, rows, xlsx)
        return
    text = session.perform(
        operations.records.cdr_export,
        format=format_,
        since=since,
        until=until,
        number=number,
        kind=kind,
        account=account,
        line=line,
        direction=direction,
        limit=limit,
        after=after,
    )
    print(text, end="")


@cdrs.command("corrections")
def cdr_corrections(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Id or name.")] = None,
) -> None:
    """Prices that `rerate` corrected, oldest first."""
    Session.of(context).run(operations.rerating.cdr_corrections, account=account)


@cdrs.command("show")
def cdr_show(
    context: typer.Context,
    call: Annotated[str, typer.Argument(metavar="CALL_ID", help="Or the id of a record.")],
) -> None:
    """Show a call: the records of its legs, what is reserved, and its entries in the ledger."""
    Session.of(context).run(operations.records.cdr_show, call=call)


@cdrs.command("spenders")
def cdr_spenders(
    context: typer.Context,
    day: Annotated[str | None, typer.Option(metavar="DATE", help="Default: today.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
) -> None:
    """Show the accounts that spent most on the calls of a day, with their caps."""
    Session.of(context).run(operations.records.cdr_spenders, day=day, limit=limit)


@ledgers.command("turnover")
def ledger_turnover(
    context: typer.Context,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="By default this.")] = None,
) -> None:
    """Show what accounts were given and charged in a month, by kind of entry."""
    Session.of(context).run(operations.turnover.ledger_turnover, month=month)


@ledgers.command("verify")
def ledger_verify(context: typer.Context) -> None:
    """Recompute every balance and compare postings with CDRs; status 1 on any difference."""
    session = Session.of(context)
    result = session.perform(operations.records.ledger_verify)
    if session.output == "json":
        session.show(result)
    elif result["differences"]:
        session.show(result["differences"])
    else:
        print(f"{result['accounts']} accounts: everything adds up")
    if result["differences"]:
        raise typer.Exit(REFUSED)
