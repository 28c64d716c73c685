"""softswitch greeting: what callers hear before they leave a message."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.lines import Number
from softswitch.cli.session import Failure, Session, write_file

app = typer.Typer(help="Greetings of lines: WAV, PCM, 8 kHz, 16 bit, mono.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE.wav")]
Greeting = Annotated[
    str,
    typer.Argument(metavar="GREETING", help="Its name, its id or the unique beginning of its id."),
]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="greeting")


@app.command()
def upload(
    context: typer.Context,
    number: Number,
    file: File,
    name: Annotated[
        str | None, typer.Option(help="The name to choose it by. Default: the file's name.")
    ] = None,
    convert: Annotated[
        bool, typer.Option("--convert", help="Convert the file first, whatever format it has.")
    ] = False,
    choose: Annotated[bool, typer.Option("--choose", help="Play it from now on.")] = False,
) -> None:
    """Keep a greeting for a line."""
    session = Session.of(context)
    data = read_sound(file, convert=convert)
    wav = base64.b64encode(data).decode("ascii")
    row = session.perform(
        operations.greetings.greeting_upload, number=number, name=name or file.stem, wav=wav
    )
    if choose:
        session.perform(
            operations.greetings.greeting_choose, number=number, greeting=str(row["id"])
        )
        row["chosen"] = True
    session.show(row)


@app.command()
def convert(
    context: typer.Context,
    file: File,
    to: Annotated[Path, typer.Argument(metavar="RESULT.wav")],
) -> None:
    """Convert a sound file to one that can be uploaded."""
    data = read_sound(file, convert=True)
    write_file(to, data)
    Session.of(context).show({"file": str(to), "octets": len(data)})


@app.command("list")
def list_(context: typer.Context, number: Number) -> None:
    """The greetings of a line."""
    Session.of(context).run(operations.greetings.greeting_list, number=number)


@app.command()
def choose(
    context: typer.Context,
    number: Number,
    greeting: Annotated[
        str | None,
        typer.Argument(metavar="[GREETING]", help="Without one: the switch's own words."),
    ] = None,
) -> None:
    """Say which greeting a line's mailbox plays."""
    Session.of(context).run(operations.greetings.greeting_choose, number=number, greeting=greeting)


@app.command()
def delete(context: typer.Context, number: Number, greeting: Greeting) -> None:
    """Delete a greeting."""
    Session.of(context).run(operations.greetings.greeting_delete, number=number, greeting=greeting)


@app.command()
def export(
    context: typer.Context,
    number: Number,
    greeting: Greeting,
    file: File,
) -> None:
    """Write a greeting into a WAV file."""
    session = Session.of(context)
    row = session.perform(operations.greetings.greeting_export, number=number, greeting=greeting)
    write_file(file, base64.b64decode(str(row.pop("wav"))))
    session.show(row | {"file": str(file)})


def read_sound(path: Path, *, convert: bool) -> bytes:
    """A file as a greeting is uploaded. Raises Failure."""
    from rtp.wav import WavError
    from softswitch.voicemail import greeting_file

    read: Callable[[Path], bytes] = greeting_file.converted if convert else greeting_file.read
    try:
        data = read(path)
        greeting_file.check(data)
        return data
    except OSError as error:
        raise Failure(f"{path} can't be read: {error.strerror}") from None
    except WavError as error:
        if convert:
            raise Failure(f"{path} can't be converted: {error}") from None
        hint = "--convert may make a file that can"
        raise Failure(f"{path} can't be played as it is: {error}; {hint}") from None
