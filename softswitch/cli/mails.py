"""softswitch mail: what the switch tells by e-mail."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Search
from softswitch.cli.session import Session

app = typer.Typer(help="Mails that the switch sends.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="mail")


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        Literal["waiting", "sent", "failed"] | None, typer.Option(help="Only mails in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    before: BeforeId = None,
    search: Search = None,
) -> None:
    """The newest mails and their states."""
    Session.of(context).run(
        operations.mails.mail_list, state=state, limit=limit, before=before, search=search
    )


@app.command()
def retry(context: typer.Context, mail: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Try a mail again now; one that was sent goes out a second time."""
    Session.of(context).run(operations.mails.mail_retry, mail=mail)


@app.command()
def test(context: typer.Context, to: Annotated[str, typer.Argument(metavar="ADDRESS")]) -> None:
    """Queue a mail that shows whether [mail] is right."""
    Session.of(context).run(operations.mails.mail_test, to=to)
