"""softswitch announcement: texts that every subscriber sees in the cabinet."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Announcements to all subscribers.", no_args_is_help=True)

_Text = Annotated[str, typer.Option(metavar="TEXT")]
_Time = Annotated[str | None, typer.Option(metavar="TIME", help="Such as 2027-03-01T09:00.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="announcement")


@app.command()
def add(
    context: typer.Context,
    en: _Text = "",
    ka: _Text = "",
    ru: _Text = "",
    fa: _Text = "",
    kk: _Text = "",
    begins_at: _Time = None,
    ends_at: _Time = None,
) -> None:
    """Show a text on each page of the cabinet, by default for a week from now."""
    Session.of(context).run(
        operations.announcements.announcement_add, en=en, ka=ka, ru=ru, fa=fa, kk=kk,
        begins_at=begins_at, ends_at=ends_at,
    )  # fmt: skip


@app.command("list")
def list_(context: typer.Context) -> None:
    """All announcements, the newest first."""
    Session.of(context).run(operations.announcements.announcement_list)


@app.command()
def remove(
    context: typer.Context, announcement: Annotated[int, typer.Argument(metavar="ID")]
) -> None:
    """Take an announcement away."""
    Session.of(context).run(operations.announcements.announcement_remove, announcement=announcement)
