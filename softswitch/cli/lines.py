"""softswitch line: who can call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeNumber, Limit, OfAccount, Search
from softswitch.cli.session import Session, read_file

FROM_STANDARD_INPUT = "-"
"""Keeps a password out of the process list."""

app = typer.Typer(help="Lines: who can call.", no_args_is_help=True)

services = typer.Typer(help="Supplementary services of a line.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why, for the history.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="E.164, or as dialled here.")]


def add_to(root: typer.Typer) -> None:
    app.add_typer(services, name="service")
    root.add_typer(app, name="line")


@app.command()
def add(
    context: typer.Context,
    number: Number,
    account: Annotated[str, typer.Option(help="Who pays: id or name.")],
    password: Annotated[
        str | None,
        typer.Option(help="Password; - reads it from standard input. Default: a random one."),
    ] = None,
    login: Annotated[
        str | None, typer.Option(help="The SIP user. Default: the number's digits.")
    ] = None,
    lease_ends_on: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="The last day of the lease, if the user isn't the owner."
        ),
    ] = None,
) -> None:
    """Add a line."""
    if password == FROM_STANDARD_INPUT:
        password = sys.stdin.readline().rstrip("\r\n")
    Session.of(context).run(
        operations.lines.line_add,
        number=number,
        account=account,
        password=password,
        login=login,
        lease_ends_on=lease_ends_on,
    )


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, change nothing.")
    ] = False,
) -> None:
    """Add lines from a CSV file (number,login,password,account): all of them or none."""
    Session.of(context).run(
        operations.line_table.line_import, text=read_file(file), dry_run=dry_run
    )


@app.command("list")
def list_(
    context: typer.Context,
    limit: Limit = None,
    before: BeforeNumber = None,
    search: Search = None,
    account: OfAccount = None,
    status: Annotated[str | None, typer.Option(help="Only those of this status.")] = None,
    resting: Annotated[
        bool, typer.Option("--resting", help="Only cancelled ones that can be restored.")
    ] = False,
) -> None:
    """Every line."""
    Session.of(context).run(
        operations.lines.line_list,
        limit=limit,
        before=before,
        search=search,
        account=account,
        status=status,
        resting=resting,
    )


@app.command()
def show(context: typer.Context, number: Number) -> None:
    """One line with its settings."""
    Session.of(context).run(operations.lines.line_show, number=number)


@app.command()
def suspend(
    context: typer.Context, number: Number, reason: Reason = "", by: By = "operator"
) -> None:
    """Stop a line's calls; emergency numbers and the switch's own codes stay."""
    Session.of(context).run(operations.lines.line_suspend, number=number, reason=reason, by=by)


@app.command()
def resume(
    context: typer.Context, number: Number, reason: Reason = "", by: By = "operator"
) -> None:
    """Let a suspended line call again."""
    Session.of(context).run(operations.lines.line_resume, number=number, reason=reason, by=by)


@app.command()
def disconnect(
    context: typer.Context, number: Number, reason: Reason = "", by: By = "operator"
) -> None:
    """Shut a line at the subscriber's own wish."""
    Session.of(context).run(operations.lines.line_disconnect, number=number, reason=reason, by=by)


@app.command()
def reconnect(
    context: typer.Context, number: Number, reason: Reason = "", by: By = "operator"
) -> None:
    """Open a line that was disconnected at the subscriber's wish."""
    Session.of(context).run(operations.lines.line_reconnect, number=number, reason=reason, by=by)


@app.command()
def restore(
    context: typer.Context, number: Number, reason: Reason = "", by: By = "operator"
) -> None:
    """Restore a line that was cancelled as unused."""
    Session.of(context).run(operations.moves.line_restore, number=number, reason=reason, by=by)


@app.command("set")
def set_(
    context: typer.Context,
    number: Number,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help='"" goes back to the switch\'s own setting.')
    ],
) -> None:
    """Change one setting: account, algorithms, display_name, dtmf (how its phones are told of keys:
    auto, rfc4733, info or inband), language (of announcements), lease_ends_on, listed (in the
    directory: yes or no), max_calls, no_answer_seconds, password, pin (for self-service), record
    (its calls: yes or no), srtp (off, optional, required), waiting (messages in the line's mailbox,
    new/old, for the lamps of its phones) or webrtc (browsers: auto, on or off)."""
    Session.of(context).run(operations.lines.line_set, number=number, key=key, value=value)


@app.command()
def remove(context: typer.Context, number: Number) -> None:
    """Take a line out of service for good. Its CDRs stay."""
    Session.of(context).run(operations.lines.line_remove, number=number)


@app.command()
def mark(context: typer.Context, number: Number) -> None:
    """Mark the last call to a line as malicious; `call malicious` shows who it was."""
    Session.of(context).run(operations.services.line_mark, number=number)


Pin = Annotated[str | None, typer.Option(help="The line's: checked before a barring opens.")]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="As `line service list` has it.")]


@services.command("list")
def list_services(context: typer.Context, number: Number) -> None:
    """Every supplementary service, and how it stands for a line."""
    Session.of(context).run(operations.services.line_service_list, number=number)


@services.command("set")
def set_service(
    context: typer.Context,
    number: Number,
    service: Service,
    value: Annotated[
        list[str], typer.Argument(metavar="on|off|NUMBER...", help="A number also switches it on.")
    ],
    seconds: Annotated[
        int | None, typer.Option(help="Of forward_no_answer: how long the phones ring.")
    ] = None,
    pin: Pin = None,
) -> None:
    """Switch a service on or off, or give it its number."""
    Session.of(context).run(
        operations.services.line_service_set,
        number=number,
        service=service,
        value=value,
        seconds=seconds,
        pin=pin,
    )


@services.command("clear")
def clear_service(
    context: typer.Context, number: Number, service: Service, pin: Pin = None
) -> None:
    """Reset a service to what it is for a new line."""
    Session.of(context).run(
        operations.services.line_service_clear, number=number, service=service, pin=pin
    )
