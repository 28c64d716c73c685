"""softswitch room: conference rooms that one dials into."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.lines import FROM_STANDARD_INPUT
from softswitch.cli.session import Session

app = typer.Typer(help="Conference rooms that one dials into.", no_args_is_help=True)

Room = Annotated[str, typer.Argument(metavar="ROOM", help="Its number: 2 to 12 digits.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="room")


@app.command()
def add(
    context: typer.Context,
    room: Room,
    line: Annotated[str, typer.Option(metavar="NUMBER", help="The owner's line.")],
    pin: Annotated[
        str | None,
        typer.Option(help="Asked of all but the owner; - reads it from standard input."),
    ] = None,
) -> None:
    """Add a room, whose members hear each other; `[codes] conference` leads there."""
    Session.of(context).run(operations.rooms.room_add, room=room, line=line, pin=_read(pin))


@app.command("list")
def list_(context: typer.Context) -> None:
    """All rooms."""
    Session.of(context).run(operations.rooms.room_list)


@app.command()
def show(context: typer.Context, room: Room) -> None:
    """One room."""
    Session.of(context).run(operations.rooms.room_show, room=room)


@app.command("set")
def set_(
    context: typer.Context,
    room: Room,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help='"" for none; - reads it.')],
) -> None:
    """Change a room's pin."""
    Session.of(context).run(operations.rooms.room_set, room=room, key=key, value=_read(value) or "")


@app.command()
def delete(context: typer.Context, room: Room) -> None:
    """Delete a room; its members stay until they leave."""
    Session.of(context).run(operations.rooms.room_delete, room=room)


@app.command()
def live(context: typer.Context) -> None:
    """Members of conferences now."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.conference_list))


def _read(pin: str | None) -> str | None:
    return sys.stdin.readline().strip() if pin == FROM_STANDARD_INPUT else pin
