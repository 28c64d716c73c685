"""softswitch recording: calls recorded for their lines."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, OfAccount
from softswitch.cli.session import Session, write_file

app = typer.Typer(
    help="Recorded calls; `line set NUMBER record yes` has a line's calls recorded.",
    no_args_is_help=True,
)

Recording = Annotated[
    str, typer.Argument(metavar="RECORDING", help="Its id, or the unique beginning of it.")
]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="recording")


@app.command("list")
def list_(
    context: typer.Context,
    number: Annotated[
        str | None, typer.Option("--line", metavar="NUMBER", help="Only of this line.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    before: Before = None,
    account: OfAccount = None,
) -> None:
    """The newest recordings."""
    Session.of(context).run(
        operations.recordings.recording_list,
        number=number,
        limit=limit,
        before=before,
        account=account,
    )


@app.command()
def show(context: typer.Context, recording: Recording) -> None:
    """A recording, and where its file is."""
    Session.of(context).run(operations.recordings.recording_show, recording=recording)


@app.command()
def export(
    context: typer.Context,
    recording: Recording,
    file: Annotated[Path, typer.Argument(metavar="FILE.wav")],
) -> None:
    """Write a recording to a file: stereo, the caller left, the callee right."""
    session = Session.of(context)
    found = session.perform(operations.recordings.recording_export, recording=recording)
    write_file(file, base64.b64decode(str(found.pop("wav"))))
    session.show(found | {"file": str(file)})


@app.command()
def delete(context: typer.Context, recording: Recording) -> None:
    """Delete a recording for good."""
    Session.of(context).run(operations.recordings.recording_delete, recording=recording)
