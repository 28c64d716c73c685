"""softswitch sms: texts, and the carriers that take them to other networks."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Texts, and carriers of texts.", no_args_is_help=True)
carriers = typer.Typer(help="Carriers that take texts by SMPP.", no_args_is_help=True)
app.add_typer(carriers, name="carrier")

Name = Annotated[str, typer.Argument(metavar="NAME")]
TextId = Annotated[int, typer.Argument(metavar="ID")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="sms")


@app.command()
def send(
    context: typer.Context,
    sender: Annotated[str, typer.Argument(metavar="FROM", help="A line's number or login.")],
    recipient: Annotated[str, typer.Argument(metavar="TO")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it costs, and send nothing.")
    ] = False,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When it is to go.")] = None,
    key: Annotated[str | None, typer.Option(help="Repeating it changes nothing.")] = None,
) -> None:
    """Send a text from a line."""
    Session.of(context).run(
        operations.texts.sms_send,
        line=sender,
        recipient=recipient,
        text=text,
        dry_run=dry_run,
        at=at,
        key=key,
    )


@app.command("list")
def list_texts(
    context: typer.Context,
    account: Annotated[str | None, typer.Option()] = None,
    line: Annotated[str | None, typer.Option(metavar="NUMBER")] = None,
    number: Annotated[str | None, typer.Option(help="Of the other side.")] = None,
    before: Annotated[int | None, typer.Option(metavar="ID", help="Older than this text.")] = None,
    limit: Annotated[int, typer.Option()] = 50,
) -> None:
    """Texts, the newest first."""
    Session.of(context).run(
        operations.texts.sms_list,
        account=account,
        line=line,
        number=number,
        before=before,
        limit=limit,
    )


@app.command()
def show(context: typer.Context, text_id: TextId) -> None:
    """A text and its state."""
    Session.of(context).run(operations.texts.sms_show, text_id=text_id)


@app.command()
def cancel(context: typer.Context, text_id: TextId) -> None:
    """Take back a text that hasn't gone out."""
    Session.of(context).run(operations.texts.sms_cancel, text_id=text_id)


@carriers.command()
def add(
    context: typer.Context,
    name: Name,
    target: Annotated[
        str,
        typer.Option(metavar="smpp://USER:PASSWORD@HOST:PORT", help="smpps:// for TLS."),
    ],
    prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGITS", help="Numbers it takes; repeatable. Default: all."),
    ] = None,
    window: Annotated[int, typer.Option(help="Messages without an answer at once.")] = 10,
    rate: Annotated[int, typer.Option(help="Segments a second; 0: no limit.")] = 0,
    binds: Annotated[int, typer.Option(help="Connections.")] = 1,
    priority: Annotated[int, typer.Option(help="Lower is tried first.")] = 10,
    system_type: Annotated[str, typer.Option()] = "",
) -> None:
    """Add a carrier."""
    Session.of(context).run(
        operations.carriers.sms_carrier_add,
        name=name,
        target=target,
        prefixes=prefix or [],
        window=window,
        rate=rate,
        binds=binds,
        priority=priority,
        system_type=system_type,
    )


@carriers.command("list")
def list_carriers(context: typer.Context) -> None:
    """All carriers."""
    Session.of(context).run(operations.carriers.sms_carrier_list)


@carriers.command("set")
def set_carrier(
    context: typer.Context,
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Change a carrier: target, prefixes, priority, binds, window, rate, suspended (yes or no)."""
    Session.of(context).run(operations.carriers.sms_carrier_set, name=name, key=key, value=value)


@carriers.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a carrier."""
    Session.of(context).run(operations.carriers.sms_carrier_remove, name=name)
