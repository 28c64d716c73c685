"""softswitch sms: texts, and the carriers that take them to other networks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from softswitch.cli import operations, sms_bulk
from softswitch.cli.paging import Limit
from softswitch.cli.session import Session

app = typer.Typer(help="Texts, and carriers of texts.", no_args_is_help=True)
carriers = typer.Typer(help="Carriers that take texts by SMPP.", no_args_is_help=True)
app.add_typer(carriers, name="carrier")
clients = typer.Typer(help="Businesses' SMPP logins.", no_args_is_help=True)
app.add_typer(clients, name="client")
senders = typer.Typer(help="Sender names of businesses.", no_args_is_help=True)
app.add_typer(senders, name="sender")
sms_bulk.add_to(app)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Line = Annotated[str, typer.Argument(metavar="LINE", help="Its number or login.")]
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
    valid: Annotated[
        int | None,
        typer.Option(metavar="MINUTES", help="How long it is worth delivering."),
    ] = None,
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
        valid_minutes=valid,
    )


@app.command("list")
def list_texts(
    context: typer.Context,
    account: Annotated[str | None, typer.Option()] = None,
    line: Annotated[str | None, typer.Option(metavar="NUMBER")] = None,
    number: Annotated[str | None, typer.Option(help="The number of the other side.")] = None,
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


@app.command("conversations")
def list_conversations(
    context: typer.Context,
    line: Line,
    limit: Limit = None,
    before: Annotated[
        int | None, typer.Option(metavar="LAST_ID", help="Older than this conversation.")
    ] = None,
) -> None:
    """A line's conversations, the one with the newest text first."""
    Session.of(context).run(
        operations.conversations.sms_conversations, line=line, limit=limit, before=before
    )


@app.command()
def conversation(
    context: typer.Context,
    line: Line,
    peer: Annotated[str, typer.Argument(metavar="PEER", help="A number or a name.")],
    limit: Limit = None,
    before: Annotated[int | None, typer.Option(metavar="ID", help="Older than this text.")] = None,
) -> None:
    """A line's texts with one other side, the newest first."""
    Session.of(context).run(
        operations.conversations.sms_conversation, line=line, peer=peer, limit=limit, before=before
    )


@app.command()
def unread(context: typer.Context, line: Annotated[str | None, typer.Option()] = None) -> None:
    """How many texts that came to lines haven't been read in the cabinet."""
    Session.of(context).run(operations.conversations.sms_unread, line=line)


@app.command()
def queue(context: typer.Context) -> None:
    """How many texts wait for carriers, receipts and phones."""
    Session.of(context).run(operations.text_figures.sms_queue)


@app.command()
def deliveries(
    context: typer.Context, hours: Annotated[int, typer.Option(help="Of the last so many.")] = 24
) -> None:
    """Texts by carrier and state, with the seconds until they were delivered."""
    Session.of(context).run(operations.text_figures.sms_deliveries, hours=hours)


@app.command()
def cancel(context: typer.Context, text_id: TextId) -> None:
    """Take back a text that hasn't gone out."""
    Session.of(context).run(operations.texts.sms_cancel, text_id=text_id)


@app.command()
def grant(
    context: typer.Context,
    account: Account,
    on: Annotated[str, typer.Argument(metavar="yes|no")],
) -> None:
    """Let an account send texts as a business, or no more."""
    if on not in ("yes", "no"):
        raise typer.BadParameter("write yes or no")
    Session.of(context).run(operations.businesses.sms_grant, account=account, on=on == "yes")


@senders.command("add")
def add_sender(context: typer.Context, account: Account, name: Name) -> None:
    """Ask for a sender name."""
    Session.of(context).run(operations.businesses.sms_sender_add, account=account, name=name)


@senders.command("list")
def list_senders(
    context: typer.Context, account: Annotated[str | None, typer.Option()] = None
) -> None:
    """Sender names, those that wait longest first."""
    Session.of(context).run(operations.businesses.sms_sender_list, account=account)


@senders.command()
def approve(context: typer.Context, account: Account, name: Name) -> None:
    """Let an account send under a name."""
    Session.of(context).run(operations.businesses.sms_sender_approve, account=account, name=name)


@senders.command()
def refuse(
    context: typer.Context, account: Account, name: Name, reason: Annotated[str, typer.Option()]
) -> None:
    """Refuse a sender name."""
    Session.of(context).run(
        operations.businesses.sms_sender_refuse, account=account, name=name, reason=reason
    )


@clients.command("add")
def add_client(
    context: typer.Context,
    name: Name,
    account: Annotated[str, typer.Option(help="Who pays.")],
    system_id: Annotated[str, typer.Option()],
    password: Annotated[
        str | None, typer.Option(help="6 to 8 characters, - reads it from standard input.")
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="CIDR", help="Where it binds from; repeatable."),
    ] = None,
    wallet: Annotated[str, typer.Option(help="sms, or money.")] = "sms",
    max_binds: Annotated[int, typer.Option(help="Connections at once.")] = 2,
    rate: Annotated[int, typer.Option(help="Segments a second.")] = 100,
) -> None:
    """Make an SMPP login for an account."""
    Session.of(context).run(
        operations.businesses.sms_client_add,
        name=name,
        account=account,
        system_id=system_id,
        password=_given(password),
        networks=networks or [],
        wallet=wallet,
        max_binds=max_binds,
        rate=rate,
    )


@clients.command("list")
def list_clients(
    context: typer.Context, account: Annotated[str | None, typer.Option()] = None
) -> None:
    """SMPP logins."""
    Session.of(context).run(operations.businesses.sms_client_list, account=account)


@clients.command()
def suspend(context: typer.Context, name: Name) -> None:
    """End a login's connections, and take no new ones."""
    Session.of(context).run(operations.businesses.sms_client_suspend, name=name)


@clients.command()
def resume(context: typer.Context, name: Name) -> None:
    """Let a login bind again."""
    Session.of(context).run(operations.businesses.sms_client_suspend, name=name, on=False)


@clients.command("remove")
def remove_client(context: typer.Context, name: Name) -> None:
    """Remove a login."""
    Session.of(context).run(operations.businesses.sms_client_remove, name=name)


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
    """Change a carrier: target, prefixes, priority, binds, window, rate, system_type, suspended
    (yes or no), receipt_ids (any, same, decimal, hex: how its receipts write message ids)."""
    Session.of(context).run(operations.carriers.sms_carrier_set, name=name, key=key, value=value)


@carriers.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a carrier."""
    Session.of(context).run(operations.carriers.sms_carrier_remove, name=name)


def _given(password: str | None) -> str | None:
    """A password, which "-" reads from standard input, so that no list of processes shows it."""
    return sys.stdin.readline().rstrip("\n") if password in ("-",) else password
