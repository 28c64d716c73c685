"""The console script: nouns, verbs, exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from softswitch.cli import (
    accounts,
    announcements,
    audit,
    backups,
    bills,
    bonuses,
    bulk,
    calls,
    completions,
    configuration,
    console,
    databases,
    devices,
    documents,
    greetings,
    guard,
    lines,
    mails,
    media,
    nodes,
    notices,
    number_shop,
    numbers,
    offered_numbers,
    orders,
    packages,
    payments,
    pins,
    ports,
    preview,
    prompts,
    recordings,
    records,
    requests,
    rerating,
    rooms,
    sms,
    switch,
    tariffs,
    taxes,
    tokens,
    trunks,
    users,
    voicemail,
    wallets,
    watching,
    webhooks,
)
from softswitch.cli.session import DONE, REFUSED, USAGE, Failure, Session
from softswitch.cli.spellings import respelled
from softswitch.control.cells import cell_text

app = typer.Typer(
    name="softswitch",
    help="A telephone switch: lines, trunks, tariffs, calls and money.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="-c, -o and --key may stand anywhere in a command.",
)
switch.add_to(app)
backups.add_to(app)
bulk.add_to(app)
console.add_to(app)
for noun in (
    accounts, documents, requests, bonuses, lines, mails, announcements, media, notices, numbers,
    number_shop, offered_numbers, orders, packages, prompts, trunks, tariffs, taxes, rerating,
    nodes, databases, calls, recordings, records,
    users, tokens, guard, voicemail, greetings, wallets, sms, bills, rooms, ports, pins,
    completions, audit, watching, configuration, preview, devices, webhooks, payments,
):  # fmt: skip
    noun.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from softswitch import version

        print(f"softswitch {version()}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("-c", "--config", metavar="FILE", help="The configuration file.")
    ] = Path("softswitch.toml"),
    form: Annotated[
        Literal["table", "json", "csv"] | None,
        typer.Option("-o", "--output", help="Default: a table on a terminal, TSV in a pipe."),
    ] = None,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="A name for this request: a change that is asked for again with it isn't made"
            " again, and the answer is the first one's.",
        ),
    ] = None,
) -> None:
    context.obj = Session(config, form, key)


_GLOBAL_OPTIONS = {"-c": "-c", "--config": "-c", "-o": "-o", "--output": "-o", "--key": "--key"}


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options may stand before or after noun and verb: bring them to the front."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, value = argument.partition("=")
        if argument == "--":
            rest += [argument, *waiting]
        elif name in _GLOBAL_OPTIONS and equals:
            front += [_GLOBAL_OPTIONS[name], value]
        elif argument in _GLOBAL_OPTIONS:
            following = next(waiting, None)
            front += [argument] if following is None else [_GLOBAL_OPTIONS[argument], following]
        else:
            rest.append(argument)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Do one command; returns the exit status. Errors are one line on standard error."""
    from softswitch.config.config import ConfigError
    from softswitch.control.errors import OperationError

    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= sign <= "\udfff" for sign in argument):
            return _fail(f"{argument.encode(errors='replace').decode()} isn't UTF-8 text", USAGE)
    try:
        status = app(respelled(hoist(arguments)), prog_name="softswitch", standalone_mode=False)
        return status if isinstance(status, int) else DONE
    except Failure as error:
        return _fail(error.message, error.status)
    except ConfigError as error:
        return _fail(str(error), REFUSED)
    except OperationError as error:
        for line in error.lines:
            print(cell_text(line), file=sys.stderr)
        return _fail(error.message, REFUSED)
    except typer.Abort:
        return _fail("interrupted", REFUSED)
    except Exception as error:
        # A usage error; its class lives in click or, since 0.29, inside typer.
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        return _usage(error, explain())


def _usage(error: Exception, message: str) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "softswitch"
    if "\n" in message.strip():
        print(message, file=sys.stderr)  # the help of a noun without a verb
        return USAGE
    return _fail(f"{message.strip()} (see `{command} --help`)", USAGE)


def _fail(message: str, status: int) -> int:
    print(f"softswitch: {cell_text(message)}", file=sys.stderr)
    return status


def main() -> NoReturn:
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = REFUSED
    sys.exit(status)
