"""softswitch notice: by which way subscribers get notices."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(
    help="Ways of notices: by e-mail, as texts to a line, both, or none.", no_args_is_help=True
)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
Way = Annotated[str, typer.Argument(metavar="WAY", help="none, email, text, both, default.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="notice")


@app.command("list")
def list_(context: typer.Context, account: Account) -> None:
    """The ways of an account by topic."""
    Session.of(context).run(operations.notices.notice_list, account=account)


@app.command("set")
def set_(
    context: typer.Context,
    account: Account,
    topic: Annotated[
        str,
        typer.Argument(metavar="TOPIC", help="calls, money, packages, numbers, requests, texts."),
    ],
    way: Way,
) -> None:
    """Choose the way of a topic."""
    Session.of(context).run(operations.notices.notice_set, account=account, topic=topic, way=way)


@app.command()
def line(
    context: typer.Context,
    account: Account,
    number: Annotated[
        str, typer.Argument(metavar="[NUMBER]", help="Default: the account's oldest line.")
    ] = "",
) -> None:
    """Choose the line that gets the account's notices as texts."""
    Session.of(context).run(operations.notices.notice_line, account=account, line=number)


@app.command()
def calls(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
    way: Annotated[
        str | None,
        typer.Argument(metavar="[WAY]", help="none, email, text, both, default."),
    ] = None,
) -> None:
    """Choose or show the way of a line's notices of missed calls."""
    session = Session.of(context)
    if way is None:
        session.run(operations.notices.line_notices, line=number)
    else:
        session.run(operations.notices.line_notices_set, line=number, way=way)
