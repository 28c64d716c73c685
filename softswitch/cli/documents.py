"""softswitch document: what subscribers show of themselves."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Limit, Search
from softswitch.cli.session import Failure, Session, write_file

app = typer.Typer(help="Documents of subscribers.", no_args_is_help=True)

Document = Annotated[int, typer.Argument(metavar="DOCUMENT", help="Its id.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="document")


@app.command()
def upload(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PDF, JPEG or PNG.")],
    kind: Annotated[
        str,
        typer.Option(
            "--class",
            help="identity, registration, lease, or what a number's supplier asks for.",
        ),
    ] = "identity",
    expires_on: Annotated[str | None, typer.Option(metavar="DATE", help="Its last day.")] = None,
    by: By = "operator",
) -> None:
    """Upload a document for review."""
    try:
        content = base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        raise Failure(f"{file} can't be read: {error.strerror}") from None
    Session.of(context).run(
        operations.documents.document_upload,
        account=account,
        kind=kind,
        name=file.name,
        content=content,
        expires_on=expires_on,
        by=by,
    )


@app.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option()] = None,
    state: Annotated[Literal["pending", "approved", "refused"] | None, typer.Option()] = None,
    limit: Limit = None,
    before: BeforeId = None,
    search: Search = None,
) -> None:
    """Documents and their states."""
    Session.of(context).run(
        operations.documents.document_list,
        account=account,
        state=state,
        limit=limit,
        before=before,
        search=search,
    )


@app.command()
def download(
    context: typer.Context,
    document: Document,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
) -> None:
    """Get a document's file."""
    session = Session.of(context)
    row = session.perform(operations.documents.document_content, document=document)
    write_file(file, base64.b64decode(str(row.pop("content"))))
    session.show(row)


@app.command()
def approve(
    context: typer.Context,
    document: Document,
    expires_on: Annotated[str | None, typer.Option(metavar="DATE", help="Its last day.")] = None,
    by: By = "operator",
) -> None:
    """Accept a document; shows the numbers that waited for it."""
    Session.of(context).run(
        operations.documents.document_approve, document=document, expires_on=expires_on, by=by
    )


@app.command()
def refuse(
    context: typer.Context,
    document: Document,
    reason: Annotated[str, typer.Option(help="The subscriber is told.")],
    by: By = "operator",
) -> None:
    """Refuse a document."""
    Session.of(context).run(
        operations.documents.document_refuse, document=document, reason=reason, by=by
    )


@app.command()
def encrypt(
    context: typer.Context,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make another key first, and use that.")
    ] = False,
) -> None:
    """Encrypt the documents that aren't encrypted yet; with a new key, all by that."""
    Session.of(context).run(operations.document_keys.document_encrypt, new_key=new_key)
