"""softswitch backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli.session import REFUSED, Session


def add_to(root: typer.Typer) -> None:
    for command in (backup, restore):
        root.command()(command)


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to put the backup.")],
    keep: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Remove the oldest backups in FOLDER beyond N."),
    ] = None,
    verify: Annotated[
        bool, typer.Option(help="Verify the books of the copy, as `ledger verify` does.")
    ] = True,
) -> None:
    """Write database, configuration, secrets, CDR journal, voicemail, greetings and recordings into
    one file; also while the switch serves."""
    from softswitch.operations.installation.backup import take

    session = Session.of(context)
    row = take(session.config, folder, verify=verify, keep=keep)
    session.show(row)
    if row["differences"]:
        raise typer.Exit(REFUSED)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="In place of the switch that is there; its files are kept in replaced-...",
        ),
    ] = False,
) -> None:
    """Restore a backup after checking it, and verify the books. The switch must not run."""
    from softswitch.operations.installation.restore import restore as restore_backup

    session = Session.of(context)
    row = restore_backup(file, session.config_path, replace=replace)
    session.show(row)
    if row["differences"]:
        raise typer.Exit(REFUSED)
