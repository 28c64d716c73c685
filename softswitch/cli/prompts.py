"""softswitch prompt: what the switch says."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from softswitch.cli.session import Session

app = typer.Typer(help="Prompts: what the switch says, in five languages.", no_args_is_help=True)

Language = Annotated[str | None, typer.Option(help="ka, ru, en, fa or kk. Default: all.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="prompt")


@app.command("list")
def list_(
    context: typer.Context,
    language: Language = None,
    missing: Annotated[bool, typer.Option("--missing", help="Only what has no recording.")] = False,
) -> None:
    """Every token with its text, and whose recording says it: own, asterisk, synthesised or
    missing."""
    from softswitch.operations.network.prompts import prompt_list

    session = Session.of(context)
    session.show(prompt_list(session.config, language, missing))


@app.command()
def build(
    context: typer.Context,
    language: Language = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also read anew what was read before.")
    ] = False,
) -> None:
    """Convert recordings that can't be played as they are, and have what is missing read by a
    synthesiser (espeakng-loader, or [prompts] command). A running switch takes them up."""
    from softswitch.control import client as control_client
    from softswitch.operations.network.prompts import prompt_build

    session = Session.of(context)

    def told(lang: str, made: int) -> None:
        if session.is_for_people:
            print(f"{lang}: {made} made", file=sys.stderr)

    session.show(prompt_build(session.config, language, again=again, told=told))
    with contextlib.suppress(control_client.NotRunning, control_client.Unreachable):
        control_client.call(session.config.control_socket, "prompt_reload", {})
