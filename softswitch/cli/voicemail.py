"""softswitch voicemail: mailboxes of lines."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.lines import FROM_STANDARD_INPUT, Number
from softswitch.cli.paging import Before, Limit
from softswitch.cli.session import Session, write_file

app = typer.Typer(help="Voicemail: mailboxes of lines.", no_args_is_help=True)

Message = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="Its id, or the unique beginning of it.")
]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="voicemail")


@app.command()
def enable(
    context: typer.Context,
    number: Number,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITIONS",
            help="Which calls it takes: busy, no_answer, unreachable (the default), or always.",
        ),
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where each message is mailed to.")
    ] = None,
) -> None:
    """Open a line's mailbox, or change what it takes."""
    Session.of(context).run(
        operations.voicemail.voicemail_enable, number=number, takes=on, email=email
    )


@app.command()
def disable(context: typer.Context, number: Number) -> None:
    """Close a mailbox for good, with its messages and greetings."""
    Session.of(context).run(operations.voicemail.voicemail_disable, number=number)


@app.command()
def show(context: typer.Context, number: Number) -> None:
    """A mailbox with its settings."""
    Session.of(context).run(operations.voicemail.voicemail_show, number=number)


@app.command("set")
def set_(
    context: typer.Context,
    number: Number,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help='"" goes back to the switch\'s own setting; - reads a PIN from standard input.',
        ),
    ],
) -> None:
    """Change one setting: takes, email, max_seconds, max_messages, days_kept, ring_seconds, or pin
    (which opens the mailbox from outside)."""
    if key == "pin" and value == FROM_STANDARD_INPUT:
        value = sys.stdin.readline().strip()
    Session.of(context).run(operations.voicemail.voicemail_set, number=number, key=key, value=value)


@app.command("list")
def list_(
    context: typer.Context,
    number: Annotated[str | None, typer.Argument(metavar="[NUMBER]")] = None,
    line: Annotated[str | None, typer.Option(help="The same as the argument.")] = None,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """The messages of a line; without a number every mailbox."""
    Session.of(context).run(
        operations.voicemail.voicemail_list, number=line or number, limit=limit, before=before
    )


@app.command()
def delete(context: typer.Context, number: Number, message: Message) -> None:
    """Delete a message."""
    Session.of(context).run(operations.voicemail.voicemail_delete, number=number, message=message)


@app.command()
def mark(
    context: typer.Context,
    number: Number,
    message: Message,
    state: Annotated[str, typer.Argument(metavar="new|saved")],
) -> None:
    """Mark a message as new or as saved."""
    Session.of(context).run(
        operations.voicemail.voicemail_mark, number=number, message=message, state=state
    )


@app.command()
def export(
    context: typer.Context,
    number: Number,
    message: Message,
    file: Annotated[Path, typer.Argument(metavar="FILE.wav")],
) -> None:
    """Write a message into a WAV file."""
    session = Session.of(context)
    row = session.perform(operations.voicemail.voicemail_export, number=number, message=message)
    write_file(file, base64.b64decode(str(row.pop("wav"))))
    session.show(row | {"file": str(file)})
