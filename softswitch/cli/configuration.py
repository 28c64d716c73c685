"""softswitch config: the keys of the configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli.session import Session

configuration = typer.Typer(help="The configuration file.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(configuration, name="config")


@configuration.command("keys")
def config_keys(
    context: typer.Context,
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="Such as sip. Default: all.")
    ] = None,
) -> None:
    """Every key with its type, default and meaning."""
    from softswitch.config import keys as configured

    names = configured.section_names()
    wanted = None if section is None else section.strip("[]")
    if wanted is not None and wanted not in names:
        raise typer.BadParameter(f"there is no section {section!r}; there are {', '.join(names)}")
    Session.of(context).show(
        [
            {
                "section": key.section,
                "key": key.key,
                "type": key.type,
                "default": key.default,
                "meaning": key.meaning,
            }
            for key in configured.keys(wanted)
        ]
    )
